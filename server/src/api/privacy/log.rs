//! The log of requests about personal data, which a studio keeps as evidence: what was requested, when, and what came
//! of it. It holds no name and no contact, and outlives the event.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::http::extract::Query;
use crate::infra::clock::now_s;
use crate::infra::db::privacy_requests::{self, LogEntry};
use crate::infra::db::{Page, Paging, Tx};
use crate::infra::ids::new_id;

/// A request about personal data.
#[derive(Serialize, ToSchema)]
pub struct PrivacyLogEntry {
    pub id: String,
    pub event: String,
    /// `access` (a guest's data was handed out), `removal` (a person asked to be taken out of photos), `erasure`, or
    /// `opt_out` (an erasure that also keeps later faces out).
    pub kind: String,
    /// `guest`, `person`, `studio` or `retention`.
    pub requested_by: String,
    /// `open`, `hidden` (erased later), `erased`, `undone`, `declined`, `answered` or `event_ended`.
    pub outcome: String,
    /// Photos with hidden or erased faces.
    pub photos: i64,
    pub faces: i64,
    pub requested_unix_s: i64,
    /// When the request was closed; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_unix_s: Option<i64>,
}

/// Lists the requests about personal data at the studio's events, also at ended ones, oldest first.
#[utoipa::path(get, path = "/studios/{studio}/privacy-log", operation_id = "privacy_log_list", tag = "privacy",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<PrivacyLogEntry>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<PrivacyLogEntry>>> {
    let view = |entry: LogEntry| {
        Ok(PrivacyLogEntry {
            id: entry.id,
            event: entry.event,
            kind: entry.kind,
            requested_by: entry.requester,
            outcome: entry.outcome,
            photos: entry.photos,
            faces: entry.faces,
            requested_unix_s: entry.requested_unix_s,
            closed_unix_s: entry.closed_unix_s,
        })
    };
    privacy_requests::log(&app.db, &grant.studio, &paging).await?.try_map(view).map(Json)
}

/// Adds the entry that a guest's data was handed out, requested by `requester`: `guest` or `studio`.
pub async fn note_access(tx: &mut Tx, studio: &str, event: &str, requester: &str) -> Result<()> {
    privacy_requests::insert_access(tx, (&new_id()?, studio, event), requester, now_s()).await
}
