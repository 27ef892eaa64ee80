//! Finds out which album a request's visitor was let into, by the visit's own cookie.
//!
//! A visit ends with its link, its album and its event: all of them are looked at for every request. Decides
//! nothing of which photos an album shows.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::caller::{Caller, changes_from_elsewhere, token_of};
use crate::clock::now_s;
use crate::db::Db;
use crate::error::{Failure, Kind, Result};
use crate::ids::token_hash;
use crate::state::App;

/// The cookie of a visit; beside that of a person who is signed in.
pub const ALBUM_COOKIE: &str = "picpick_album";

/// Somebody who was let into an album, on a route whose rule is `Rule::Album`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumVisit {
    pub id: String,
    pub link: String,
    pub album: String,
    pub event: String,
    pub studio: String,
    /// Who it is, where they have shown the annotate PIN.
    pub visitor: Option<String>,
    /// The data folder that the event's photos are sealed by.
    pub home: String,
}

impl AlbumVisit {
    /// The visit of a request; `None` where it shows none. Errors: `SignedOut` for one that has ended,
    /// `CrossSite` for a change that another site caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Self>> {
        let Some(token) = token_of(parts, app, ALBUM_COOKIE) else { return Ok(None) };
        changes_from_elsewhere(parts)?;
        let row = open_visit(app.db(), "v.token_hash", &token_hash(token)).await?;
        Ok(Some(Self {
            id: row.try_get("id")?,
            link: row.try_get("link_id")?,
            album: row.try_get("album_id")?,
            event: row.try_get("event_id")?,
            studio: row.try_get("studio_id")?,
            visitor: row.try_get("visitor_id")?,
            home: row.try_get("home")?,
        }))
    }

    /// For work that takes its time. Errors: `SignedOut` when the visit is over by now.
    pub async fn must_be_open(&self, db: &Db) -> Result<()> {
        open_visit(db, "v.id", &self.id).await.map(drop)
    }

    /// Who annotates. Errors: `Forbidden` for whoever has not shown the annotate PIN.
    pub fn visitor(&self) -> Result<&str> {
        let detail = "Picks and comments need the album's second PIN.";
        self.visitor.as_deref().ok_or_else(|| Failure::new(Kind::Forbidden, detail))
    }

    /// As limits and alerts name whoever it is.
    pub fn caller(&self) -> Caller {
        Caller::Visitor { visit: self.id.clone(), studio: self.studio.clone() }
    }
}

/// The row of a visit that is open, by `column`.
async fn open_visit(db: &Db, column: &str, value: &str) -> Result<AnyRow> {
    let text = format!(
        "SELECT v.id, v.link_id, v.visitor_id, l.album_id, a.event_id, e.studio_id, e.home \
         FROM album_visits v JOIN album_links l ON l.id = v.link_id \
         JOIN albums a ON a.id = l.album_id JOIN events e ON e.id = a.event_id \
         WHERE {column} = $1 AND v.expires_unix_s > $2 AND a.ends_unix_s > $2 \
         AND e.ends_unix_s > $2 AND e.deleting_unix_s IS NULL"
    );
    let row = sqlx::query(&text).bind(value).bind(now_s()).fetch_optional(db.read()).await?;
    let ended = || Failure::new(Kind::SignedOut, "The visit has ended; open the link again.");
    row.ok_or_else(ended)
}

impl<S: Sync> FromRequestParts<S> for AlbumVisit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing =
            || Failure::internal("a handler asks for a visit that its route's rule does not give");
        parts.extensions.get::<AlbumVisit>().cloned().ok_or_else(missing)
    }
}
