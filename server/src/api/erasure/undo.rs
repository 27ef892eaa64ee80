//! The guest's side of undoing an erasure: the link in the letter.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::machine;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::client_address::ClientAddress;
use crate::http::extract::Body;
use crate::infra::audit_log::{AuditEvent, record};
use crate::infra::db::erasures::{self, ErasureState};
use crate::infra::ids::token_hash;
use crate::infra::rate_limit::{Quota, network};

/// Quota of tries per network: 20, then one per minute.
const NETWORK_QUOTA: Quota = Quota { capacity: 20, refill_s: 60 };

#[derive(Deserialize, ToSchema)]
pub struct UndoLink {
    /// The token of the link in the letter.
    pub token: String,
}

#[derive(Serialize, ToSchema)]
pub struct ErasureUndone {
    /// Photos whose faces are shown again.
    pub photos: i64,
    pub faces: i64,
}

/// Undoes the erasure of a guest's faces by the link in the letter. Searches find the faces again. The guest's own
/// face template and contact stay erased.
#[utoipa::path(post, path = "/guest/erasure-undo", operation_id = "guest_erasure_undo", tag = "guest",
    request_body = UndoLink, responses((status = 200, body = ErasureUndone)))]
pub async fn by_link(
    State(app): State<App>,
    ClientAddress(from): ClientAddress,
    Body(given): Body<UndoLink>,
) -> Result<Json<ErasureUndone>> {
    let mut tx = app.db.write().await?;
    let detail =
        "This network has used its 20 tries and gets one more every minute; try again in a minute.";
    NETWORK_QUOTA.take(&mut tx, &format!("undo:{}", network(from)), detail).await?;
    let gone = || {
        let detail = "The link is invalid or already used, or the faces are erased; they cannot be shown again.";
        ApiError::new(ErrorKind::Gone, detail)
    };
    let found = erasures::of_undo_link(&mut tx, &token_hash(&given.token), &app.node_id).await?;
    let Some(erasure) = found else {
        tx.commit().await?;
        return Err(gone());
    };
    let lifts =
        erasures::advance(&mut tx, &erasure.id, ErasureState::Hidden, ErasureState::Lifting);
    if !lifts.await? {
        return Err(gone());
    }
    let (studio, actor, target) = (&erasure.studio, &erasure.actor, &erasure.id);
    let deed = AuditEvent { studio, actor, action: "erasure_undo", target, detail: "by link" };
    record(&mut tx, deed).await?;
    tx.commit().await?;
    let undone = machine::run(&app, &erasure.id).await?.erasure;
    Ok(Json(ErasureUndone { photos: undone.photos, faces: undone.faces }))
}
