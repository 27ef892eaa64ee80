//! Download quotas of albums that limit downloads.
//!
//! A visitor who has entered the second PIN is identified by name, on any device. Any other visitor is
//! identified by link and network, so that a new session does not reset the count; visitors with the same
//! link and network share a quota. The quota only reminds honest visitors of their agreement with the studio:
//! a visitor can evade it with another network, link or name, and saved screen versions are not counted.

use std::net::IpAddr;

use sqlx::Row as _;

use super::photos::{AlbumSettings, settings};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::AlbumSession;
use crate::infra::ids::sha256;
use crate::infra::rate_limit::network;

/// The SQL condition for the downloads counted against one quota: by session ($1), by named visitor ($2), or,
/// if $2 is empty, by hash of link and network ($3).
const OWN: &str = "(session_id = $1 OR visitor_id = $2 OR ($2 = '' AND download_identity = $3))";

/// The identity of a visitor, for whom downloads are counted.
struct DownloadIdentity<'a> {
    visit: &'a str,
    /// The ID of the named visitor; empty if the visitor has not entered the second PIN.
    visitor: &'a str,
    /// The hash of link and network, so that the table does not list addresses.
    hash: String,
}

impl<'a> DownloadIdentity<'a> {
    fn of(visit: &'a AlbumSession, from: IpAddr) -> Self {
        Self {
            visit: &visit.id,
            visitor: visit.visitor.as_deref().unwrap_or_default(),
            hash: sha256(format!("{} {}", visit.link, network(from)).as_bytes()),
        }
    }

    /// Returns the number of different photos that the visitor has downloaded.
    async fn count<'e>(&self, db: impl sqlx::AnyExecutor<'e>) -> Result<i64> {
        let text = format!("SELECT COUNT(DISTINCT photo_id) AS n FROM album_downloads WHERE {OWN}");
        let query = sqlx::query(&text).bind(self.visit.to_owned()).bind(self.visitor.to_owned());
        Ok(query.bind(self.hash.clone()).fetch_one(db).await?.try_get("n")?)
    }
}

/// Returns the number of photos that the visitor at address `from` may still download; `None` if unlimited.
pub async fn downloads_left(
    app: &App,
    visit: &AlbumSession,
    from: IpAddr,
    about: &AlbumSettings,
) -> Result<Option<i64>> {
    let Some(most) = about.downloads_max else { return Ok(None) };
    let taken = DownloadIdentity::of(visit, from).count(app.db.read()).await?;
    Ok(Some((most - taken).max(0)))
}

/// Records a download that is about to start. A photo that was downloaded before does not count again.
///
/// # Errors
/// - `TooManyRequests` if the quota is used up.
pub async fn count_download(
    app: &App,
    visit: &AlbumSession,
    from: IpAddr,
    photo: &str,
) -> Result<()> {
    let Some(most) = settings(app, visit).await?.downloads_max else { return Ok(()) };
    let taker = DownloadIdentity::of(visit, from);
    let mut tx = app.db.write().await?;
    // This no-op update locks the album's row until the commit, so that concurrent downloads are counted in
    // turn.
    sqlx::query("UPDATE albums SET name = name WHERE id = $1")
        .bind(&visit.album)
        .execute(&mut *tx)
        .await?;
    let text =
        format!("SELECT photo_id FROM album_downloads WHERE {OWN} AND photo_id = $4 LIMIT 1");
    let known = sqlx::query(&text)
        .bind(taker.visit)
        .bind(taker.visitor)
        .bind(&taker.hash)
        .bind(photo)
        .fetch_optional(&mut *tx)
        .await?;
    if known.is_some() {
        return Ok(());
    }
    if taker.count(&mut *tx).await? >= most {
        let detail = format!(
            "You have downloaded {most} photos, the maximum in this album; ask the studio for more."
        );
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail));
    }
    sqlx::query(
        "INSERT INTO album_downloads (album_id, session_id, visitor_id, photo_id, download_identity) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&visit.album)
    .bind(&visit.id)
    .bind(&visit.visitor)
    .bind(photo)
    .bind(&taker.hash)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
