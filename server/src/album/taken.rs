//! How many photos a visitor has taken of an album that gives only so many.
//!
//! Whoever has shown the annotate PIN is known by their name, on any device. Everybody else is known by the link and
//! the network they come by: leaving and entering again changes neither, and those who share both share the count.
//! It keeps honest people to what was agreed. It does not hold whoever has another network, another link, or gives
//! another name with the annotate PIN, nor does it count pictures for screens that are kept from the page that shows
//! them. Decides nothing of which photos may be taken.

use std::net::IpAddr;

use sqlx::Row as _;

use super::photos::{About, about};
use crate::access::AlbumVisit;
use crate::error::{Failure, Kind, Result};
use crate::ids::sha256;
use crate::limits::network;
use crate::state::App;

/// The rows of the visit $1, of the visitor $2, and where $2 is empty of the taker $3.
const OWN: &str = "(visit_id = $1 OR visitor_id = $2 OR ($2 = '' AND taker = $3))";

/// Who takes photos.
struct Taker<'a> {
    visit: &'a str,
    /// Empty for whoever has given no name.
    visitor: &'a str,
    /// The hash of link and network: the table is no list of addresses.
    hash: String,
}

impl<'a> Taker<'a> {
    fn of(visit: &'a AlbumVisit, from: IpAddr) -> Self {
        Self {
            visit: &visit.id,
            visitor: visit.visitor.as_deref().unwrap_or_default(),
            hash: sha256(format!("{} {}", visit.link, network(from)).as_bytes()),
        }
    }

    /// How many photos they have taken, each counted once.
    async fn count<'e>(&self, db: impl sqlx::AnyExecutor<'e>) -> Result<i64> {
        let text = format!("SELECT COUNT(DISTINCT photo_id) AS n FROM album_downloads WHERE {OWN}");
        let query = sqlx::query(&text).bind(self.visit.to_owned()).bind(self.visitor.to_owned());
        Ok(query.bind(self.hash.clone()).fetch_one(db).await?.try_get("n")?)
    }
}

/// How many photos the visitor, who comes `from` there, may still take; `None`: as many as they like.
pub async fn downloads_left(
    app: &App,
    visit: &AlbumVisit,
    from: IpAddr,
    about: &About,
) -> Result<Option<i64>> {
    let Some(most) = about.downloads_max else { return Ok(None) };
    let taken = Taker::of(visit, from).count(app.db().read()).await?;
    Ok(Some((most - taken).max(0)))
}

/// Counts a photo that is about to be taken; one that was taken before is free. Errors: `TooMany` at the limit.
pub async fn count_download(
    app: &App,
    visit: &AlbumVisit,
    from: IpAddr,
    photo: &str,
) -> Result<()> {
    let Some(most) = about(app, visit).await?.downloads_max else { return Ok(()) };
    let taker = Taker::of(visit, from);
    let mut tx = app.db().write().await?;
    // Changed to itself, the album is ours until the commit: of two downloads at once one is first.
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
        let detail = format!("You have taken {most} photos, which is what this album gives.");
        return Err(Failure::new(Kind::TooMany, detail));
    }
    sqlx::query(
        "INSERT INTO album_downloads (album_id, visit_id, visitor_id, photo_id, taker) \
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
