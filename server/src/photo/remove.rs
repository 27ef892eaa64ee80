//! Removes a photo for good: its faces, then its files, then its entry.
//!
//! The faces go first, with a signed receipt of the engine; cut short, the photo is still listed and can be
//! removed again. Decides nothing.

use axum::Json;
use axum::extract::State;
use picpick_engine::{Error, PhotoId};
use serde::Serialize;
use sqlx::Row as _;
use std::sync::PoisonError;
use utoipa::ToSchema;

use crate::access::Grant;
use crate::audit::note_by;
use crate::error::{Failure, Result};
use crate::faces::receipt_text;
use crate::input::Path;
use crate::state::App;

/// What is left of a removed photo.
#[derive(Serialize, ToSchema)]
pub struct RemovedPhoto {
    /// The signed receipt of its faces' erasure as text; absent where it was never indexed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
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
    let event = grant.event()?.to_owned();
    let row = sqlx::query("SELECT content_id FROM photos WHERE id = $1 AND event_id = $2")
        .bind(&photo)
        .bind(&event)
        .fetch_one(app.db().read())
        .await?;
    let content: PhotoId = row.try_get::<String, _>("content_id")?.parse()?;
    // No job may bring the faces back: those of this photo go first.
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM jobs WHERE photo_id = $1").bind(&photo).execute(&mut *tx).await?;
    tx.commit().await?;
    // In a task of its own: a client that hangs up does not stop it half-way.
    let removal = tokio::spawn(async move {
        let (blobs, name, id) = (app.blobs().clone(), event.clone(), photo.clone());
        let receipt = app
            .faces()
            .run(move |faces| {
                let open = faces.event(&name)?;
                let _alone = open.erasing.write().unwrap_or_else(PoisonError::into_inner);
                let receipt = match open.collection.delete_photos(&[content]) {
                    Ok(receipt) => Some(receipt),
                    Err(Error::NotFound { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
                blobs.remove(&name, &id)?;
                Ok(receipt)
            })
            .await?;
        let mut tx = app.db().write().await?;
        sqlx::query("DELETE FROM photos WHERE id = $1").bind(&photo).execute(&mut *tx).await?;
        note_by(&mut tx, &grant, "photo_remove", &photo, "").await?;
        tx.commit().await?;
        app.jobs().tell(&event);
        let receipt = receipt.as_ref().map(receipt_text).transpose()?;
        Ok::<_, Failure>(RemovedPhoto { receipt })
    });
    removal.await.map_err(Failure::internal)?.map(Json)
}
