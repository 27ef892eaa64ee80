use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::extract::{self, Body};
use crate::infra::db::photos;

/// Limits the hashes of one request to 1,000.
const HASHES_MAX: usize = 1000;

#[derive(Deserialize, ToSchema)]
pub struct Hashes {
    /// SHA-256 hashes of files, 64 hexadecimal digits each; at most 1,000.
    #[schema(max_items = 1000)]
    sha256: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ExistingHashes {
    /// The hashes of photos that the event has.
    pub existing: Vec<String>,
}

/// Returns which of the given hashes belong to photos of the event, so that a client can skip those uploads.
#[utoipa::path(post, path = "/events/{event}/uploads/existing", operation_id = "upload_find_existing", tag = "uploads",
    params(("event" = String, Path)), request_body = Hashes,
    responses((status = 200, body = ExistingHashes)))]
pub async fn find_existing(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<Hashes>,
) -> Result<Json<ExistingHashes>> {
    if given.sha256.len() > HASHES_MAX {
        return Err(ApiError::invalid(format!(
            "sha256: expected at most {HASHES_MAX}, received {}.",
            given.sha256.len()
        )));
    }
    let event = grant.event()?;
    let mut existing = Vec::new();
    for hash in &given.sha256 {
        let hash = extract::sha256(hash)?;
        if photos::by_hash(&app.db, event, &hash).await?.is_some() {
            existing.push(hash);
        }
    }
    Ok(Json(ExistingHashes { existing }))
}
