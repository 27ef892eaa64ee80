use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use sqlx::Row as _;

use super::roles::Role;
use super::session_store::{IdleLimit, SessionStore};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::client_address::{Encrypted, TrustedOrigin};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::ids::token_hash;

/// The name of the session cookie. On encrypted connections the name has the prefix `__Host-`; browsers
/// accept cookies with this prefix from this host only.
pub const SESSION_COOKIE: &str = "picpick_session";
/// Idle timeout of a session, seconds (14 days).
pub const SESSION_IDLE_S: i64 = 14 * 86_400;

/// The sessions of signed-in users.
const USER_SESSIONS: SessionStore<Principal> = SessionStore {
    cookie: SESSION_COOKIE,
    select: "SELECT s.id, s.user_id, s.seen_unix_s FROM sessions s WHERE s.expires_unix_s > $2",
    idle: Some(IdleLimit { table: "sessions", timeout_s: SESSION_IDLE_S, update_s: 300 }),
    ended: "The session has ended; sign in again.",
    read: |row| {
        Ok(Principal::Person { user: row.try_get("user_id")?, session: row.try_get("id")? })
    },
};

/// The authenticated caller of a request: a user by session cookie, or a program by API key. Tokens are
/// looked up by their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Person {
        user: String,
        session: String,
    },
    Key {
        id: String,
        studio: String,
        event: Option<String>,
        role: Role,
        /// The user who created the key. The key has at most this user's current rights.
        creator: String,
    },
    /// A visitor of an album or a guest of an event; never on a route for members of a studio.
    Visitor {
        visit: String,
        studio: String,
    },
}

/// A slot in the request's extensions for the caller, which the guard fills once it has identified the
/// caller.
#[derive(Clone, Debug, Default)]
pub struct CallerSlot(Arc<OnceLock<Principal>>);

impl CallerSlot {
    /// Returns the caller, if the guard has identified it.
    pub fn get(&self) -> Option<&Principal> {
        self.0.get()
    }

    /// Stores the caller.
    pub fn set(&self, caller: &Principal) {
        let _ = self.0.set(caller.clone());
    }
}

impl Principal {
    /// Returns the caller's name in the audit log and in alerts: `user:ID`, `key:ID` or `visitor:ID`.
    pub fn name(&self) -> String {
        match self {
            Principal::Person { user, .. } => format!("user:{user}"),
            Principal::Key { id, .. } => format!("key:{id}"),
            Principal::Visitor { visit, .. } => format!("visitor:{visit}"),
        }
    }

    /// Returns the id of the user; `None` for an API key or a visitor.
    pub fn user(&self) -> Option<&str> {
        match self {
            Principal::Person { user, .. } => Some(user),
            Principal::Key { .. } | Principal::Visitor { .. } => None,
        }
    }

    /// Identifies the caller of a request; `None` if the request carries no token.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is unknown or expired, or `Authorization` holds no API key.
    /// - `CrossSite` for a change that another site's page has caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Principal>> {
        if let Some(token) = bearer(&parts.headers)? {
            return by_key(&app.db, token).await.map(Some);
        }
        USER_SESSIONS.find(parts, app).await
    }

    /// Reads the caller again during long work. Does not record a use of the session or the key.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended, or the API key is revoked, expired or without a creator.
    pub async fn reload(&self, db: &Db) -> Result<Principal> {
        match self {
            Principal::Person { session, .. } => USER_SESSIONS.get(db, session).await,
            Principal::Key { id, .. } => Ok(key_where(db, "k.id = $1", id).await?.0),
            Principal::Visitor { .. } => {
                Err(ApiError::internal("a visitor's session is checked by its own store"))
            }
        }
    }
}

/// Protects against CSRF: checks that no other site's page has caused the request.
///
/// # Errors
/// - `CrossSite` for a change that another site's page has caused.
pub fn check_same_site(parts: &Parts) -> Result<()> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || parts.extensions.get::<TrustedOrigin>().is_some() {
        return Ok(());
    }
    same_site(&parts.headers)
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(unauthenticated("Authorization: expected 'Bearer KEY' with an API key.")),
    }
}

fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, detail)
}

/// Returns the value of the cookie `name`.
pub fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Returns the token in the cookie that `set_cookie` sets for `name`. Accepts a cookie without the `__Host-`
/// prefix on unencrypted connections only, because a network attacker or a neighbouring host can plant such a
/// cookie in a browser.
pub fn token_of<'a>(parts: &'a Parts, app: &App, name: &str) -> Option<&'a str> {
    let Encrypted(encrypted) = Encrypted::of_parts(parts, &app.settings);
    cookie_of(&parts.headers, &full_name(name, encrypted))
}

/// Returns the name under which [`set_cookie`] sets the cookie `name`.
pub fn full_name(name: &str, encrypted: bool) -> String {
    format!("{}{name}", if encrypted { "__Host-" } else { "" })
}

/// Returns the `Set-Cookie` value of a cookie for this host, inaccessible to scripts. `age_s` is its lifetime
/// in seconds; `None` keeps it until the browser closes, 0 deletes it.
pub fn set_cookie(name: &str, token: &str, encrypted: bool, age_s: Option<i64>) -> String {
    let (name, secure) = (full_name(name, encrypted), if encrypted { "; Secure" } else { "" });
    let age = age_s.map_or_else(String::new, |age_s| format!("; Max-Age={age_s}"));
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")
}

const CLEAR_SITE_DATA: header::HeaderName = header::HeaderName::from_static("clear-site-data");

/// The data that a browser deletes when a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalData {
    /// Cached responses: photos, which the browser may store until then.
    Cache,
    /// Cached responses and the site's storage, which contains the guest link that the page of an ended session
    /// offers.
    CacheAndStorage,
}

/// Returns the response headers that end a session in the browser: they delete the cookie `name` and `data`
/// (Clear Site Data, W3C working draft). They leave other cookies, because the directive `cookies` deletes
/// those of all subdomains.
pub fn end_session_headers(
    name: &str,
    encrypted: bool,
    data: LocalData,
) -> [(header::HeaderName, String); 2] {
    let directives = match data {
        LocalData::Cache => r#""cache""#,
        LocalData::CacheAndStorage => r#""cache", "storage""#,
    };
    [
        (header::SET_COOKIE, set_cookie(name, "", encrypted, Some(0))),
        (CLEAR_SITE_DATA, directives.to_owned()),
    ]
}

/// Checks that the request comes from a page of this site. Browsers attach cookies to requests that other
/// sites cause, but name the cause in `Sec-Fetch-Site` or `Origin`. A client that sends neither header is not
/// a current browser, so no other site can abuse its cookies.
fn same_site(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, from)| from == host)
        }
        (None, None) => true,
    };
    let refused = || {
        ApiError::new(
            ErrorKind::CrossSite,
            "Changes are accepted from this site's own pages only; make the change on a page of this site.",
        )
    };
    if ours { Ok(()) } else { Err(refused()) }
}

/// Minimum interval between updates of an API key's last use, seconds. The audit log counts the intervals in which a
/// key was used.
const KEY_USE_UPDATE_S: i64 = 300;

async fn by_key(db: &Db, token: &str) -> Result<Principal> {
    let (key, last_used_unix_s) = key_where(db, "k.token_hash = $1", &token_hash(token)).await?;
    if let Principal::Key { id, studio, .. } = &key
        && last_used_unix_s.is_none_or(|used| now_s() - used >= KEY_USE_UPDATE_S)
    {
        let mut tx = db.write().await?;
        sqlx::query("UPDATE api_keys SET last_used_unix_s = $1 WHERE id = $2")
            .bind(now_s())
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let actor = key.name();
        let deed = AuditEvent { studio, actor: &actor, action: "key_use", target: id, detail: "" };
        audit_log::count(&mut tx, deed).await?;
        tx.commit().await?;
    }
    Ok(key)
}

/// Returns the valid API key that satisfies `condition` on `$1`, and the time of its last use. A key whose
/// creator has left the studio is not valid.
async fn key_where(db: &Db, condition: &str, value: &str) -> Result<(Principal, Option<i64>)> {
    let text = format!(
        "SELECT k.* FROM api_keys k WHERE {condition} \
         AND (k.expires_unix_s IS NULL OR k.expires_unix_s > $2) \
         AND EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = k.created_by AND m.studio_id = k.studio_id)"
    );
    let row = sqlx::query(&text).bind(value).bind(now_s()).fetch_optional(db.read()).await?;
    let row = row.ok_or_else(|| {
        unauthenticated(
            "The API key is unknown, revoked or expired, or its creator has left the studio; use another API key.",
        )
    })?;
    let key = Principal::Key {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        event: row.try_get("event_id")?,
        role: Role::of_row(&row)?,
        creator: row.try_get("created_by")?,
    };
    Ok((key, row.try_get("last_used_unix_s")?))
}

#[cfg(test)]
mod tests {
    use super::super::ALBUM_COOKIE;
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn another_site_cannot_use_a_cookie() {
        for ours in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://other.example")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://a:1"), ("host", "a:1")],
        ] {
            assert!(same_site(&headers(ours)).is_ok(), "{ours:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null"), ("host", "a")],
            &[("origin", "http://a:2"), ("host", "a:1")],
            &[("origin", "http://a.evil"), ("host", "a")],
        ] {
            assert!(same_site(&headers(other)).is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_end_of_a_session_deletes_the_cookie_and_cached_photos() {
        let headers = |data| end_session_headers(ALBUM_COOKIE, true, data);
        let [(_, cookie), (name, cleared)] = headers(LocalData::Cache);
        assert!(cookie.starts_with("__Host-picpick_album=; ") && cookie.contains("; Max-Age=0"));
        assert_eq!((name.as_str(), cleared.as_str()), ("clear-site-data", r#""cache""#));
        assert_eq!(headers(LocalData::CacheAndStorage)[1].1, r#""cache", "storage""#);
    }

    #[test]
    fn cookies_are_distinguished() {
        let sent = headers(&[("cookie", "x=1; __Host-picpick_session=abc"), ("cookie", "y=2")]);
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, true)), Some("abc"));
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, false)), None);
        assert_eq!(cookie_of(&headers(&[("cookie", "xpicpick_session=a")]), SESSION_COOKIE), None);
        assert!(bearer(&headers(&[("authorization", "Basic YTpi")])).is_err());
    }
}
