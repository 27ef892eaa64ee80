//! Many photos of an event at once: found by their ids, moved to a folder together.
//!
//! All or none: where one of them is not the event's, nothing happens to the others. Knows nothing of files.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use picpick_engine::PhotoId;
use serde::{Deserialize, Serialize};
use sqlx::{AnyExecutor, Row as _};
use utoipa::ToSchema;

use crate::access::Grant;
use crate::audit::note_by;
use crate::error::{Failure, Result};
use crate::event::folders::in_event;
use crate::ids::is_id;
use crate::input::{self, Body};
use crate::state::App;

/// Photos of one request: databases bound the number of a statement's values.
const MOST: usize = 500;

/// A photo, by the service's id and by the engine's.
pub struct Chosen {
    pub id: String,
    pub content: PhotoId,
}

#[derive(Deserialize, ToSchema)]
pub struct PhotoMove {
    /// Photos of the event.
    #[schema(min_items = 1, max_items = 500)]
    photos: Vec<String>,
    /// A folder of the event; an empty text takes them out of their folders.
    folder: String,
}

#[derive(Serialize, ToSchema)]
pub struct PhotosMoved {
    /// How many photos lie there now that were asked for.
    pub photos: usize,
}

/// The photos of these ids, each once. Errors: `Invalid` where one is not of `event`.
pub async fn chosen<'e>(
    db: impl AnyExecutor<'e>,
    ids: &[String],
    event: &str,
) -> Result<Vec<Chosen>> {
    let each: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    if ids.is_empty() || ids.len() > MOST {
        let detail = format!("photos: expected 1 to {MOST}, received {}.", ids.len());
        return Err(Failure::invalid(detail));
    }
    let stranger = || Failure::invalid("photos: expected photos of this event.");
    if !each.iter().all(|id| is_id(id)) {
        return Err(stranger());
    }
    let marks: Vec<String> = (0..each.len()).map(|nth| format!("${}", nth + 2)).collect();
    let text = format!(
        "SELECT id, content_id FROM photos WHERE event_id = $1 AND id IN ({})",
        marks.join(", ")
    );
    let query = sqlx::query(&text).bind(event.to_owned());
    let query = each.iter().fold(query, |query, id| query.bind((*id).to_owned()));
    let rows = query.fetch_all(db).await?;
    if rows.len() < each.len() {
        return Err(stranger());
    }
    let read = |row: &sqlx::any::AnyRow| {
        let content = row.try_get::<String, _>("content_id")?.parse()?;
        Ok(Chosen { id: row.try_get("id")?, content })
    };
    rows.iter().map(read).collect()
}

/// Moves photos to another folder of the event, or out of theirs.
#[utoipa::path(patch, path = "/events/{event}/photos", tag = "photos",
    params(("event" = String, Path)), request_body = PhotoMove,
    responses((status = 200, body = PhotosMoved)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<PhotoMove>,
) -> Result<Json<PhotosMoved>> {
    let folder = match given.folder.is_empty() {
        true => None,
        false => Some(input::line("folder", &given.folder, 1, 64)?),
    };
    let mut tx = app.db().write().await?;
    if let Some(folder) = &folder {
        in_event(&mut *tx, folder, grant.event()?).await?;
    }
    let photos = chosen(&mut *tx, &given.photos, grant.event()?).await?;
    for photo in &photos {
        sqlx::query("UPDATE photos SET folder_id = $1 WHERE id = $2")
            .bind(&folder)
            .bind(&photo.id)
            .execute(&mut *tx)
            .await?;
        note_by(&mut tx, &grant, "photo_change", &photo.id, "").await?;
    }
    tx.commit().await?;
    Ok(Json(PhotosMoved { photos: photos.len() }))
}
