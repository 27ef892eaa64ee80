//! Permanent removal of photos, in this order: faces, files, database rows.
//!
//! The engine erases the faces of all photos in one erasure and signs one receipt. After an interruption, the
//! photos are still listed, and the client can repeat the request.

use axum::Json;
use axum::extract::State;
use picpick_engine::PhotoId;
use picpick_engine::receipts::Receipt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::receipts::receipt_text;
use super::remnants;
use crate::api::photo::bulk::find_all;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{Body, Path};
use crate::infra::db::jobs;
use crate::infra::db::photos::{self, PhotoRef};
use crate::infra::face_engine::OpenCollection;
use crate::infra::photo_store::PhotoStore;

/// The result of removing photos.
#[derive(Serialize, ToSchema)]
pub struct RemovedPhoto {
    /// The signed receipt for the erasure of the faces; absent if none of the photos was indexed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct BulkDelete {
    /// Photos of the event.
    #[schema(min_items = 1, max_items = 500)]
    photos: Vec<String>,
}

/// Removes a photo and its faces permanently.
#[utoipa::path(delete, path = "/events/{event}/photos/{photo}", operation_id = "photo_delete", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = RemovedPhoto)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
) -> Result<Json<RemovedPhoto>> {
    let content = photos::content_of(&app.db, grant.event()?, &photo).await?;
    let content = content.ok_or_else(ApiError::not_found)?;
    remove_all(app, grant, vec![PhotoRef { id: photo, content }]).await.map(Json)
}

/// Removes photos and their faces permanently, with one receipt for all of them.
#[utoipa::path(post, path = "/events/{event}/photos/bulk-delete", operation_id = "photo_bulk_delete", tag = "photos",
    params(("event" = String, Path)), request_body = BulkDelete,
    responses((status = 200, body = RemovedPhoto)))]
pub async fn remove_many(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<BulkDelete>,
) -> Result<Json<RemovedPhoto>> {
    let photos = find_all(app.db.read(), &given.photos, grant.event()?).await?;
    remove_all(app, grant, photos).await.map(Json)
}

async fn remove_all(app: App, grant: Grant, photos: Vec<PhotoRef>) -> Result<RemovedPhoto> {
    let event = grant.event()?.to_owned();
    // The photos' jobs are deleted first, so that no job adds the faces again.
    let mut tx = app.db.write().await?;
    for photo in &photos {
        jobs::delete_of_photo(&mut tx, &photo.id).await?;
    }
    tx.commit().await?;
    // Spawned as a task, so that a disconnected client does not interrupt the removal.
    let removal = tokio::spawn(async move {
        let (blobs, name) = (app.photo_store.clone(), event.clone());
        let (receipt, photos) = app
            .face_engine
            .run(move |faces| {
                let open = faces.open_collection(&name)?;
                let receipt = erase(&open, &blobs, &name, &photos)?;
                Ok((receipt, photos))
            })
            .await?;
        let mut tx = app.db.write().await?;
        for photo in &photos {
            photos::delete(&mut tx, &photo.id).await?;
            record_by(&mut tx, &grant, "photo_remove", &photo.id, "").await?;
        }
        tx.commit().await?;
        remnants::clear(&app).await;
        app.jobs.publish(&event);
        let receipt = receipt.as_ref().map(receipt_text).transpose()?;
        Ok::<_, ApiError>(RemovedPhoto { receipt })
    });
    removal.await.map_err(ApiError::internal)?
}

/// Erases the faces of the indexed photos and removes the files of all photos. Returns `None` if no photo was
/// indexed. A worker that has already claimed a photo's job finds no file afterwards, because erasures wait
/// while the worker reads and indexes photos.
fn erase(
    open: &OpenCollection,
    blobs: &PhotoStore,
    event: &str,
    photos: &[PhotoRef],
) -> Result<Option<Receipt>> {
    let contents: Vec<PhotoId> = photos.iter().map(|photo| photo.content).collect();
    let files = || photos.iter().try_for_each(|photo| blobs.remove(event, &photo.id));
    let (receipt, removed) = open.collection.delete_photos_then(&contents, files)?;
    removed?;
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use picpick_engine::object_store::{self, ObjectMeta, ObjectStore};
    use picpick_engine::{Collection, DataDir, Pack, Result, RetentionPolicy};

    use super::*;
    use crate::infra::photo_store::Rendition;

    /// An object store that asserts on each deletion that no worker can read at that time.
    struct Watched(Box<dyn ObjectStore>, Arc<OpenCollection>);

    impl ObjectStore for Watched {
        fn name(&self) -> String {
            self.0.name()
        }

        fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
            self.0.put(name, bytes)
        }

        fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
            self.0.get(name)
        }

        fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
            self.0.get_range(name, range)
        }

        fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
            self.0.list(prefix)
        }

        fn delete(&self, name: &str) -> Result<()> {
            let (reads, read) = channel();
            let open = Arc::clone(&self.1);
            // Waits until the removal ends, after this test has stopped listening.
            thread::spawn(move || open.collection.hold_erasures(|| reads.send(())));
            let waits = Err(RecvTimeoutError::Timeout);
            assert_eq!(
                read.recv_timeout(Duration::from_millis(100)),
                waits,
                "a worker can read while {name} is deleted"
            );
            self.0.delete(name)
        }
    }

    #[test]
    fn no_worker_reads_a_photo_that_is_being_removed() {
        let room = tempfile::tempdir().unwrap();
        let data = DataDir::open(&room.path().join("data"), None).unwrap();
        let keep =
            RetentionPolicy { purpose: "p".into(), legal_basis: "b".into(), ends_unix_s: None };
        let pack = Pack::builtin(Pack::DEFAULT).unwrap();
        data.create("event", pack.id(), &keep).unwrap();
        let collection = Collection::open(&data, "event", &pack).unwrap();
        let open = Arc::new(OpenCollection::of(collection));
        let place =
            object_store::open(&room.path().join("photos").to_string_lossy(), None).unwrap();
        let blobs = PhotoStore::over(Watched(place, Arc::clone(&open)));
        let sealer = data.blob_sealer("event").unwrap();
        let photos: Vec<PhotoRef> =
            ["a", "b"].map(|id| PhotoRef { id: id.to_owned(), content: PhotoId([7; 16]) }).into();
        for (photo, kind) in
            [("a", Rendition::Original), ("b", Rendition::Original), ("b", Rendition::Thumb)]
        {
            blobs.put(&sealer, "event", photo, kind, b"file").unwrap();
        }
        assert!(erase(&open, &blobs, "event", &photos).unwrap().is_none(), "no photo was indexed");
        for photo in ["a", "b"] {
            assert!(blobs.get(&sealer, "event", photo, Rendition::Original).unwrap().is_none());
        }
    }
}
