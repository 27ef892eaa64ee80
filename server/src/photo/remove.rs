//! Removes photos for good, one or many together: their faces, then their files, then their entries.
//!
//! The faces go first, in one erasure with a signed receipt of the engine; cut short, the photos are still listed
//! and can be removed again. Decides nothing.

use axum::Json;
use axum::extract::State;
use picpick_engine::{PhotoId, Receipt};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use std::sync::PoisonError;
use utoipa::ToSchema;

use super::many::{Chosen, chosen};
use crate::access::Grant;
use crate::audit::note_by;
use crate::error::{Failure, Result};
use crate::faces::{Faces, receipt_text};
use crate::input::{Body, Path};
use crate::state::App;

/// What is left of removed photos.
#[derive(Serialize, ToSchema)]
pub struct RemovedPhoto {
    /// The signed receipt of their faces' erasure as text; absent where none was ever indexed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct PhotoRemoval {
    /// Photos of the event.
    #[schema(min_items = 1, max_items = 500)]
    photos: Vec<String>,
}

/// Removes a photo with its faces for good.
#[utoipa::path(delete, path = "/events/{event}/photos/{photo}", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = RemovedPhoto)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
) -> Result<Json<RemovedPhoto>> {
    let row = sqlx::query("SELECT content_id FROM photos WHERE id = $1 AND event_id = $2")
        .bind(&photo)
        .bind(grant.event()?)
        .fetch_one(app.db().read())
        .await?;
    let content = row.try_get::<String, _>("content_id")?.parse()?;
    remove_all(app, grant, vec![Chosen { id: photo, content }]).await.map(Json)
}

/// Removes many photos with their faces for good, with one receipt for all.
#[utoipa::path(post, path = "/events/{event}/photos/removal", tag = "photos",
    params(("event" = String, Path)), request_body = PhotoRemoval,
    responses((status = 200, body = RemovedPhoto)))]
pub async fn remove_many(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<PhotoRemoval>,
) -> Result<Json<RemovedPhoto>> {
    let photos = chosen(app.db().read(), &given.photos, grant.event()?).await?;
    remove_all(app, grant, photos).await.map(Json)
}

async fn remove_all(app: App, grant: Grant, photos: Vec<Chosen>) -> Result<RemovedPhoto> {
    let event = grant.event()?.to_owned();
    // No job may bring the faces back: those of these photos go first.
    let mut tx = app.db().write().await?;
    for photo in &photos {
        sqlx::query("DELETE FROM jobs WHERE photo_id = $1")
            .bind(&photo.id)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    // In a task of its own: a client that hangs up does not stop it half-way.
    let removal = tokio::spawn(async move {
        let (blobs, name) = (app.blobs().clone(), event.clone());
        let (receipt, photos) = app
            .faces()
            .run(move |faces| {
                let receipt = erase(faces, &name, &photos)?;
                photos.iter().try_for_each(|photo| blobs.remove(&name, &photo.id))?;
                Ok((receipt, photos))
            })
            .await?;
        let mut tx = app.db().write().await?;
        for photo in &photos {
            sqlx::query("DELETE FROM photos WHERE id = $1")
                .bind(&photo.id)
                .execute(&mut *tx)
                .await?;
            note_by(&mut tx, &grant, "photo_remove", &photo.id, "").await?;
        }
        tx.commit().await?;
        app.jobs().tell(&event);
        let receipt = receipt.as_ref().map(receipt_text).transpose()?;
        Ok::<_, Failure>(RemovedPhoto { receipt })
    });
    removal.await.map_err(Failure::internal)?
}

/// Erases the faces of those photos that were indexed; `None` where none was.
fn erase(faces: &Faces, event: &str, photos: &[Chosen]) -> Result<Option<Receipt>> {
    let open = faces.event(event)?;
    let _alone = open.erasing.write().unwrap_or_else(PoisonError::into_inner);
    let indexed: Vec<PhotoId> = {
        let gallery = open.collection.gallery();
        let all = photos.iter().map(|photo| photo.content);
        all.filter(|content| gallery.photo(content).is_some()).collect()
    };
    if indexed.is_empty() {
        return Ok(None);
    }
    Ok(Some(open.collection.delete_photos(&indexed)?))
}
