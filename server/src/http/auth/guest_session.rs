use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::Row as _;

use super::caller::{Principal, check_same_site, token_of};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::ids::token_hash;

/// The name of the guest session cookie.
pub const GUEST_COOKIE: &str = "picpick_guest";
/// Idle timeout of a guest session, seconds (30 minutes).
pub const GUEST_IDLE_S: i64 = 30 * 60;
/// Minimum interval between updates of a session's last use, seconds.
const SEEN_EVERY_S: i64 = 60;

/// The guest session of a request, on a route whose rule is `Rule::Guest`.
///
/// A session ends after 30 minutes without a request, and with its guest or its event; each request checks
/// all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSession {
    pub session: String,
    pub guest: String,
    pub event: String,
    pub studio: String,
    /// Whether the guest has passed face verification in this session, or entered it by the studio's link.
    pub verified: bool,
    /// The id of the data folder whose keys seal the event's photos.
    pub home: String,
}

impl GuestSession {
    /// Finds the guest session of a request; `None` if the request carries no token. Errors: `Unauthenticated` for
    /// a session that has ended, `CrossSite` for a change that another site's page has caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Self>> {
        let Some(token) = token_of(parts, app, GUEST_COOKIE) else { return Ok(None) };
        let db = app.db();
        check_same_site(parts)?;
        let now = now_s();
        let row = sqlx::query(
            "SELECT s.id, s.guest_id, s.verified, s.seen_unix_s, g.event_id, e.studio_id, e.node_id \
             FROM guest_sessions s JOIN guests g ON g.id = s.guest_id JOIN events e ON e.id = g.event_id \
             WHERE s.token_hash = $1 AND s.seen_unix_s > $2 AND g.erasing_unix_s IS NULL \
             AND e.ends_unix_s > $3 AND e.deleting_unix_s IS NULL",
        )
        .bind(token_hash(token))
        .bind(now - GUEST_IDLE_S)
        .bind(now)
        .fetch_optional(db.read())
        .await?;
        let ended = || {
            ApiError::new(ErrorKind::Unauthenticated, "The session has ended; open the link again.")
        };
        let row = row.ok_or_else(ended)?;
        let session: String = row.try_get("id")?;
        if now - row.try_get::<i64, _>("seen_unix_s")? >= SEEN_EVERY_S {
            let mut tx = db.write().await?;
            sqlx::query("UPDATE guest_sessions SET seen_unix_s = $1 WHERE id = $2")
                .bind(now)
                .bind(&session)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(Some(Self {
            session,
            guest: row.try_get("guest_id")?,
            event: row.try_get("event_id")?,
            studio: row.try_get("studio_id")?,
            verified: row.try_get::<i64, _>("verified")? != 0,
            home: row.try_get("node_id")?,
        }))
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
