use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::Row as _;

use super::caller::Principal;
use super::session_store::{LINK_SESSION_ENDED, SessionStore};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::db::Db;

/// The name of the album session cookie. A browser can hold this cookie and a user's session cookie.
pub const ALBUM_COOKIE: &str = "picpick_album";

const ALBUM_SESSIONS: SessionStore<AlbumSession> = SessionStore {
    cookie: ALBUM_COOKIE,
    select: "SELECT s.id, s.link_id, s.visitor_id, l.album_id, a.event_id, e.studio_id, e.node_id \
             FROM album_sessions s JOIN album_links l ON l.id = s.link_id \
             JOIN albums a ON a.id = l.album_id JOIN events e ON e.id = a.event_id \
             WHERE s.expires_unix_s > $2 AND a.ends_unix_s > $2 \
             AND e.ends_unix_s > $2 AND e.deleting_unix_s IS NULL",
    idle: None,
    ended: LINK_SESSION_ENDED,
    read: |row| {
        Ok(AlbumSession {
            id: row.try_get("id")?,
            link: row.try_get("link_id")?,
            album: row.try_get("album_id")?,
            event: row.try_get("event_id")?,
            studio: row.try_get("studio_id")?,
            visitor: row.try_get("visitor_id")?,
            node_id: row.try_get("node_id")?,
        })
    },
};

/// The album session of a request, on a route whose rule is `Rule::Album`.
///
/// A session ends when it expires, and with its link, its album or its event; each request checks all four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumSession {
    pub id: String,
    pub link: String,
    pub album: String,
    pub event: String,
    pub studio: String,
    /// The id of the named visitor; `None` until the visitor enters the second PIN.
    pub visitor: Option<String>,
    /// The id of the data folder whose keys seal the event's photos.
    pub node_id: String,
}

impl AlbumSession {
    /// Finds the album session of a request; `None` if the request carries no token.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended.
    /// - `CrossSite` for a change that another site's page has caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Self>> {
        ALBUM_SESSIONS.find(parts, app).await
    }

    /// Checks during long work that the session is still open.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended.
    pub async fn check_open(&self, db: &Db) -> Result<()> {
        ALBUM_SESSIONS.get(db, &self.id).await.map(drop)
    }

    /// Returns the id of the named visitor.
    ///
    /// # Errors
    /// - `Forbidden` if the visitor has not entered the second PIN.
    pub fn visitor(&self) -> Result<&str> {
        let detail = "Picks and comments require the album's second PIN; enter it first.";
        self.visitor.as_deref().ok_or_else(|| ApiError::new(ErrorKind::Forbidden, detail))
    }

    /// Returns the visitor as a caller, for rate limits, alerts and idempotency keys.
    pub fn caller(&self) -> Principal {
        Principal::Visitor { visit: self.id.clone(), studio: self.studio.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for AlbumSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal(
                "a handler extracts an album session that its route's rule does not provide",
            )
        };
        parts.extensions.get::<AlbumSession>().cloned().ok_or_else(missing)
    }
}
