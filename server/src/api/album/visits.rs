use axum::http::{HeaderName, header};
use axum::response::AppendHeaders;
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::pin::{self, PinEntry, PinScope};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result, WorkChallenge};
use crate::http::auth::known_device::{ProvingClient, VisitCookie};
use crate::http::auth::{ALBUM_COOKIE, AlbumSession, LINK_SESSION_ENDED, set_cookie};
use crate::http::extract;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::{Tx, events};
use crate::infra::ids::{new_id, new_token, token_hash};
use crate::infra::rate_limit::{Quota, delete_decayed_lockouts, proof_of_work};

/// Quota of audit entries of visits per link: 500, then one per minute. Beyond it, visits are counted, so that the
/// holder of a link cannot flood the log, which is never shortened.
const ENTRY_QUOTA: Quota = Quota { capacity: 500, refill_s: 60 };
/// Maximum lifetime of an album session, seconds (12 hours). A session also ends with its album.
const VISIT_S: i64 = 12 * 3600;

/// An open album link, with the data that a visitor may see before the PIN is entered.
pub struct OpenLink {
    pub id: String,
    pub album: String,
    pub event: String,
    pub album_name: String,
    pub studio_name: String,
    studio: String,
    view_pin_hash: Option<String>,
    ends_unix_s: i64,
}

impl OpenLink {
    /// Returns the view PIN for a client with the visit `visit`; `None` if the album has none.
    fn pin_scope<'a>(
        &'a self,
        client: &'a ProvingClient,
        visit: Option<&'a str>,
    ) -> Option<PinScope<'a>> {
        let OpenLink { id: link, album, studio, .. } = self;
        let hash = self.view_pin_hash.as_deref()?;
        Some(PinScope { album, link, studio, hash, client, visit })
    }

    /// Returns whether visitors must enter the view PIN.
    pub fn asks_for_pin(&self) -> bool {
        self.view_pin_hash.is_some()
    }
}

/// Returns the open link that has this token. Withdrawn, expired and unknown links all give `None`.
pub async fn link(app: &App, token: &str) -> Result<Option<OpenLink>> {
    let text = format!(
        "SELECT l.id, l.album_id, a.event_id, a.name, a.view_pin_hash, a.ends_unix_s, e.studio_id, s.name AS studio_name \
         FROM {} JOIN albums a ON a.event_id = e.id JOIN album_links l ON l.album_id = a.id \
         WHERE l.token_hash = $1 AND a.ends_unix_s > $2 AND {} AND e.node_id = $3",
        events::WITH_STUDIO,
        events::open_at("$2")
    );
    let query = sqlx::query(&text).bind(token_hash(token)).bind(now_s()).bind(&app.node_id);
    let row = query.fetch_optional(app.db.read()).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(OpenLink {
        id: row.try_get("id")?,
        album: row.try_get("album_id")?,
        event: row.try_get("event_id")?,
        album_name: row.try_get("name")?,
        studio_name: row.try_get("studio_name")?,
        studio: row.try_get("studio_id")?,
        view_pin_hash: row.try_get("view_pin_hash")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
    }))
}

/// Locks the rows of an album and its link until the commit. `pin` is the name of a PIN column and the hash
/// that the caller has checked. Errors: `Gone` if a row no longer exists or the column holds another hash.
async fn lock_rows(tx: &mut Tx, album: &str, link: &str, pin: (&str, Option<&str>)) -> Result<()> {
    let (column, hash) = pin;
    // No-op updates lock the two rows.
    let text =
        format!("UPDATE albums SET name = name WHERE id = $1 AND COALESCE({column}, '') = $2");
    let held = sqlx::query(&text)
        .bind(album)
        .bind(hash.unwrap_or_default())
        .execute(&mut **tx)
        .await?
        .rows_affected();
    let linked = sqlx::query("UPDATE album_links SET name = name WHERE id = $1 AND album_id = $2")
        .bind(link)
        .bind(album)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    let gone = "The album or its link has changed; open the link again.";
    if held.min(linked) == 0 { Err(ApiError::new(ErrorKind::Gone, gone)) } else { Ok(()) }
}

/// A new token of an album session.
pub struct NewVisit {
    pub token: Zeroizing<String>,
    /// The `Set-Cookie` value by which the browser is known at its next PIN; `None` if no PIN was checked.
    pub device_cookie: Option<String>,
}

impl NewVisit {
    /// Returns the headers that set the cookies.
    pub fn cookies(self, encrypted: bool) -> AppendHeaders<Vec<(HeaderName, String)>> {
        let cookies = [Some(cookie(&self.token, encrypted)), self.device_cookie];
        let header = |cookie| (header::SET_COOKIE, cookie);
        AppendHeaders(cookies.into_iter().flatten().map(header).collect())
    }
}

/// What a browser needs to enter a PIN on a page.
#[derive(Default)]
pub struct PinForm {
    /// The challenge that the browser must solve first; `None` if no work is required.
    pub challenge: Option<WorkChallenge>,
    /// The `Set-Cookie` value that begins a visit; `None` if the browser has one.
    pub visit_cookie: Option<String>,
}

/// Prepares the form for the view PIN of an album.
///
/// # Errors
/// - `Internal` if the database or the random number generator fails.
pub async fn view_form(app: &App, link: &OpenLink, client: &ProvingClient) -> Result<PinForm> {
    let cookie = VisitCookie { app, album: &link.album, client };
    let (visit, visit_cookie) = match cookie.find() {
        Some(visit) => (visit, None),
        None => cookie.begin().map(|(visit, cookie)| (visit, Some(cookie)))?,
    };
    match link.pin_scope(client, Some(&visit)) {
        Some(scope) => Ok(PinForm { challenge: scope.challenge(app).await?, visit_cookie }),
        None => Ok(PinForm::default()),
    }
}

/// Returns the challenge for the second PIN of the album; `None` if no work is required or there is no second PIN.
///
/// # Errors
/// - `Internal` if the database or the random number generator fails.
pub async fn annotate_challenge(
    app: &App,
    visit: &AlbumSession,
    client: &ProvingClient,
) -> Result<Option<WorkChallenge>> {
    let Some(hash) = annotate_hash(app, visit).await? else { return Ok(None) };
    annotate_scope(visit, client, &hash).challenge(app).await
}

async fn annotate_hash(app: &App, visit: &AlbumSession) -> Result<Option<String>> {
    let row = sqlx::query("SELECT annotate_pin_hash FROM albums WHERE id = $1")
        .bind(&visit.album)
        .fetch_one(app.db.read())
        .await?;
    Ok(row.try_get("annotate_pin_hash")?)
}

fn annotate_scope<'a>(
    visit: &'a AlbumSession,
    client: &'a ProvingClient,
    hash: &'a str,
) -> PinScope<'a> {
    let AlbumSession { id, album, link, studio, .. } = visit;
    PinScope { album, link, studio, hash, client, visit: Some(id) }
}

/// Checks the view PIN, if the album has one, and opens an album session.
///
/// # Errors
/// - The errors of [`pin::check`].
/// - `Gone` if the link was withdrawn or the PIN was changed during the check.
pub async fn enter(
    app: &App,
    link: &OpenLink,
    client: &ProvingClient,
    entry: PinEntry,
) -> Result<NewVisit> {
    let visit = VisitCookie { app, album: &link.album, client }.find();
    let device_cookie = match link.pin_scope(client, visit.as_deref()) {
        Some(scope) => Some(pin::check(app, scope, entry).await?),
        None => None,
    };
    let (id, token, now) = (new_id()?, new_token("ppv_")?, now_s());
    let mut tx = app.db.write().await?;
    lock_rows(&mut tx, &link.album, &link.id, ("view_pin_hash", link.view_pin_hash.as_deref()))
        .await?;
    // The new session's cookie replaces that of the session that the browser had before.
    if let Some(token) = client.cookie(ALBUM_COOKIE) {
        sqlx::query("DELETE FROM album_sessions WHERE token_hash = $1")
            .bind(token_hash(token))
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO album_sessions (id, token_hash, link_id, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&id)
    .bind(token_hash(&token))
    .bind(&link.id)
    .bind(now)
    .bind(link.ends_unix_s.min(now + VISIT_S))
    .execute(&mut *tx)
    .await?;
    let OpenLink { id: of, album, studio, .. } = link;
    let proof = if link.asks_for_pin() { "pin" } else { "link" };
    record_visit(&mut tx, (studio, album, of), &id, "album_enter", proof).await?;
    tx.commit().await?;
    Ok(NewVisit { token, device_cookie })
}

/// Records that the session `visit` of an album has begun or has got more rights. `detail` is the secret that the
/// visitor has proved.
async fn record_visit(
    tx: &mut Tx,
    (studio, album, link): (&str, &str, &str),
    visit: &str,
    action: &'static str,
    detail: &str,
) -> Result<()> {
    let actor = format!("visitor:{visit}");
    let deed = AuditEvent { studio, actor: &actor, action, target: album, detail };
    match ENTRY_QUOTA.try_take(tx, &format!("album_entries:{link}")).await? {
        true => audit_log::record(tx, deed).await,
        false => audit_log::count(tx, AuditEvent { actor: "unknown", ..deed }).await,
    }
}

/// Returns the `Set-Cookie` value that stores the session's token.
pub fn cookie(token: &str, encrypted: bool) -> String {
    set_cookie(ALBUM_COOKIE, token, encrypted, Some(VISIT_S))
}

/// Checks the second PIN and binds the session to a named visitor, who may pick and comment. Returns the
/// session's new token; the old token becomes invalid. If the album has a visitor of this name, regardless of
/// case, the session is bound to that visitor.
///
/// # Errors
/// - `Invalid` if the name is not 1 to 80 printable characters.
/// - `Forbidden` if the album has no second PIN.
/// - The errors of [`pin::check`].
/// - `Gone` if the link was withdrawn, the PIN was changed or the session ended during the check.
pub async fn annotate(
    app: &App,
    visit: &AlbumSession,
    client: &ProvingClient,
    entry: PinEntry,
    name: &str,
) -> Result<NewVisit> {
    let name = extract::line("name", name, 1, 80)?;
    let detail = "This album accepts no picks and comments; ask the studio to allow them.";
    let none = || ApiError::new(ErrorKind::Forbidden, detail);
    let hash = annotate_hash(app, visit).await?.ok_or_else(none)?;
    let device_cookie = Some(pin::check(app, annotate_scope(visit, client, &hash), entry).await?);
    let mut tx = app.db.write().await?;
    lock_rows(&mut tx, &visit.album, &visit.link, ("annotate_pin_hash", Some(hash.as_str())))
        .await?;
    let row = sqlx::query(
        "INSERT INTO album_visitors (id, album_id, name, name_key, created_unix_s) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (album_id, name_key) DO UPDATE SET name = album_visitors.name RETURNING id",
    )
    .bind(new_id()?)
    .bind(&visit.album)
    .bind(&name)
    .bind(name.to_lowercase())
    .bind(now_s())
    .fetch_one(&mut *tx)
    .await?;
    let visitor: String = row.try_get("id")?;
    let token = new_token("ppv_")?;
    let bound =
        sqlx::query("UPDATE album_sessions SET visitor_id = $1, token_hash = $2 WHERE id = $3")
            .bind(&visitor)
            .bind(token_hash(&token))
            .bind(&visit.id)
            .execute(&mut *tx)
            .await?;
    if bound.rows_affected() == 0 {
        return Err(ApiError::new(ErrorKind::Gone, LINK_SESSION_ENDED));
    }
    // The session's earlier downloads count towards the quota of the named visitor, which holds on every
    // device.
    sqlx::query("UPDATE album_downloads SET visitor_id = $1 WHERE session_id = $2")
        .bind(&visitor)
        .bind(&visit.id)
        .execute(&mut *tx)
        .await?;
    let AlbumSession { id, album, link, studio, .. } = visit;
    record_visit(&mut tx, (studio, album, link), id, "album_annotate", "second pin").await?;
    tx.commit().await?;
    Ok(NewVisit { token, device_cookie })
}

/// Ends an album session.
pub async fn leave(app: &App, visit: &AlbumSession) -> Result<()> {
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM album_sessions WHERE id = $1")
        .bind(&visit.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes expired album sessions and expired PIN attempts, which only occupy space.
pub async fn delete_expired(app: &App) -> Result<()> {
    let now = now_s();
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM album_sessions WHERE expires_unix_s <= $1")
        .bind(now)
        .execute(&mut *tx)
        .await?;
    delete_decayed_lockouts(&mut tx).await?;
    proof_of_work::delete_expired(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_out_of_reach_of_scripts() {
        let set = cookie("ppv_x", true);
        assert!(set.starts_with("__Host-picpick_album=ppv_x; Path=/; HttpOnly; SameSite=Lax;"));
        assert!(set.ends_with("Max-Age=43200; Secure"), "{set}");
    }
}
