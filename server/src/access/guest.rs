//! Finds out which guest of which event sends a request, by the guest session's own cookie.
//!
//! A session ends after half an hour without a request, and with its guest and its event: all of them are looked
//! at for every request. Decides nothing of which photos a guest may see.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::Row as _;

use super::caller::{Caller, changes_from_elsewhere, token_of};
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::ids::token_hash;
use crate::state::App;

/// The cookie of a guest's session.
pub const GUEST_COOKIE: &str = "picpick_guest";
/// A guest's session ends after so long without a request.
pub const GUEST_IDLE_S: i64 = 30 * 60;
/// How often a session's last use is written down.
const SEEN_EVERY_S: i64 = 60;

/// Somebody who has registered at an event, on a route whose rule is `Rule::Guest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestVisit {
    pub session: String,
    pub guest: String,
    pub event: String,
    pub studio: String,
    /// Whether they have shown their face in this session.
    pub verified: bool,
    /// The data folder that the event's photos are sealed by.
    pub home: String,
}

impl GuestVisit {
    /// The guest of a request; `None` where it shows no session. Errors: `SignedOut` for one that has ended,
    /// `CrossSite` for a change that another site caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Self>> {
        let Some(token) = token_of(parts, app, GUEST_COOKIE) else { return Ok(None) };
        let db = app.db();
        changes_from_elsewhere(parts)?;
        let now = now_s();
        let row = sqlx::query(
            "SELECT s.id, s.guest_id, s.verified, s.seen_unix_s, g.event_id, e.studio_id, e.home \
             FROM guest_sessions s JOIN guests g ON g.id = s.guest_id JOIN events e ON e.id = g.event_id \
             WHERE s.token_hash = $1 AND s.seen_unix_s > $2 AND g.leaving_unix_s IS NULL \
             AND e.ends_unix_s > $3 AND e.deleting_unix_s IS NULL",
        )
        .bind(token_hash(token))
        .bind(now - GUEST_IDLE_S)
        .bind(now)
        .fetch_optional(db.read())
        .await?;
        let ended = || Failure::new(Kind::SignedOut, "The visit has ended; open the link again.");
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
            home: row.try_get("home")?,
        }))
    }

    /// As limits and alerts name whoever it is.
    pub fn caller(&self) -> Caller {
        Caller::Visitor { visit: self.session.clone(), studio: self.studio.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for GuestVisit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing =
            || Failure::internal("a handler asks for a guest that its route's rule does not give");
        parts.extensions.get::<GuestVisit>().cloned().ok_or_else(missing)
    }
}
