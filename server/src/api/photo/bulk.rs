use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::AnyExecutor;
use utoipa::ToSchema;

use crate::api::folder::check_in_event;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body};
use crate::infra::db::photos::{self, PhotoRef};
use crate::infra::ids::is_id;

/// Limits the photos of one request to 500, because databases limit a statement's bound values.
const PHOTOS_MAX: usize = 500;

#[derive(Deserialize, ToSchema)]
pub struct PhotoMove {
    /// Photos of the event.
    #[schema(min_items = 1, max_items = 500)]
    photos: Vec<String>,
    /// A folder of the event; an empty string moves the photos out of their folders.
    folder: String,
}

#[derive(Serialize, ToSchema)]
pub struct PhotosMoved {
    /// Number of photos that were moved.
    pub photos: usize,
}

/// Looks up photos of `event` by their ids. Returns each photo once.
///
/// # Errors
/// - `Invalid` if `ids` is empty or has more than 500 ids.
/// - `Invalid` if one of the ids is not the id of a photo of `event`.
pub async fn find_all<'e>(
    db: impl AnyExecutor<'e>,
    ids: &[String],
    event: &str,
) -> Result<Vec<PhotoRef>> {
    let each: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    if ids.is_empty() || ids.len() > PHOTOS_MAX {
        let detail = format!("photos: expected 1 to {PHOTOS_MAX}, received {}.", ids.len());
        return Err(ApiError::invalid(detail));
    }
    let stranger = || ApiError::invalid("photos: expected photos of this event.");
    if !each.iter().all(|id| is_id(id)) {
        return Err(stranger());
    }
    let found = photos::refs(db, event, &each).await?;
    if found.len() < each.len() { Err(stranger()) } else { Ok(found) }
}

/// Moves photos to a folder of the event, or out of their folders. Moves no photo if one of the ids is not a
/// photo of the event.
#[utoipa::path(patch, path = "/events/{event}/photos", operation_id = "photo_bulk_update", tag = "photos",
    params(("event" = String, Path)), request_body = PhotoMove,
    responses((status = 200, body = PhotosMoved)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<PhotoMove>,
) -> Result<Json<PhotosMoved>> {
    let folder = match given.folder.is_empty() {
        true => None,
        false => Some(extract::line("folder", &given.folder, 1, 64)?),
    };
    let mut tx = app.db.write().await?;
    if let Some(folder) = &folder {
        check_in_event(&mut *tx, "folder", folder, grant.event()?).await?;
    }
    let photos = find_all(&mut *tx, &given.photos, grant.event()?).await?;
    for photo in &photos {
        photos::set_folder(&mut tx, &photo.id, folder.as_deref()).await?;
        record_by(&mut tx, &grant, "photo_change", &photo.id, "").await?;
    }
    tx.commit().await?;
    Ok(Json(PhotosMoved { photos: photos.len() }))
}
