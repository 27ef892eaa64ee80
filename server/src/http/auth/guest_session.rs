use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::Row as _;

use super::caller::Principal;
use super::session_store::{IdleLimit, LINK_SESSION_ENDED, SessionStore, session_ended};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::db::Db;
use crate::infra::db::consents::covered_until;

/// The name of the guest session cookie.
pub const GUEST_COOKIE: &str = "picpick_guest";
/// Idle timeout of a guest session, seconds (30 minutes).
pub const GUEST_IDLE_S: i64 = 30 * 60;

const GUEST_SESSIONS: SessionStore<GuestSession> = SessionStore {
    cookie: GUEST_COOKIE,
    select: concat!(
        "SELECT s.id, s.guest_id, s.verified, s.seen_unix_s, g.event_id, e.studio_id, e.node_id \
         FROM guest_sessions s JOIN guests g ON g.id = s.guest_id JOIN events e ON e.id = g.event_id \
         WHERE g.erasing_unix_s IS NULL AND e.ends_unix_s > $2 AND e.deleting_unix_s IS NULL AND ",
        covered_until!(),
        " > $2"
    ),
    idle: Some(IdleLimit { table: "guest_sessions", timeout_s: GUEST_IDLE_S, update_s: 60 }),
    ended: LINK_SESSION_ENDED,
    read: |row| {
        Ok(GuestSession {
            session: row.try_get("id")?,
            guest: row.try_get("guest_id")?,
            event: row.try_get("event_id")?,
            studio: row.try_get("studio_id")?,
            verified: row.try_get::<i64, _>("verified")? != 0,
            node_id: row.try_get("node_id")?,
        })
    },
};

/// The guest session of a request, on a route whose rule is `Rule::Guest`.
///
/// A session ends after 30 minutes without a request, and with its guest, its event or the guest's
/// consent; each request checks all four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSession {
    pub session: String,
    pub guest: String,
    pub event: String,
    pub studio: String,
    /// Whether the guest has passed face verification in this session, or opened it with a link from the
    /// studio.
    pub verified: bool,
    /// The id of the data folder whose keys seal the event's photos.
    pub node_id: String,
}

impl GuestSession {
    /// Finds the guest session of a request; `None` if the request carries no token.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended.
    /// - `CrossSite` for a change that another site's page has caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Self>> {
        GUEST_SESSIONS.find(parts, app).await
    }

    /// Checks during long work that the session is still open, verified and bound to the guest.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended, is not verified or belongs to another guest.
    pub async fn check_open(&self, db: &Db) -> Result<()> {
        let found = GUEST_SESSIONS.get(db, &self.session).await?;
        let bound = found.verified && found.guest == self.guest;
        if bound { Ok(()) } else { Err(session_ended()) }
    }

    /// Returns the guest as a caller, for rate limits, alerts and idempotency keys.
    pub fn caller(&self) -> Principal {
        Principal::Visitor { visit: self.session.clone(), studio: self.studio.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for GuestSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal("a handler extracts a guest that its route's rule does not provide")
        };
        parts.extensions.get::<GuestSession>().cloned().ok_or_else(missing)
    }
}
