//! The steps of an event's erasure: purge the faces, remove photos and uploads, delete the rows.

use picpick_engine::receipts::Receipt;

use crate::api::upload::discard_all;
use crate::app::App;
use crate::error::Result;
use crate::infra::db::Tx;
use crate::infra::db::erasures::{self, ErasureRecord};
use crate::infra::db::{events, privacy_requests};

/// Purges the event's faces, also hidden ones. Returns `None` if they were purged before.
pub async fn purge_faces(app: &App, erasure: &ErasureRecord) -> Result<Option<Receipt>> {
    app.passed_faces.forget_event(&erasure.event);
    let (event, requester) = (erasure.event.clone(), erasure.requester);
    app.face_engine.run(move |faces| faces.purge(&event, requester)).await
}

pub async fn remove_files(app: &App, erasure: &ErasureRecord) -> Result<()> {
    let (blobs, event) = (app.photo_store.clone(), erasure.event.clone());
    app.face_engine.run(move |_| blobs.remove_event(&event)).await?;
    discard_all(app, &erasure.event).await
}

/// Deletes the event's rows, and closes its other erasures and the open requests of people.
pub async fn conclude(tx: &mut Tx, erasure: &ErasureRecord, now_unix_s: i64) -> Result<()> {
    erasures::close_all(tx, &erasure.event, now_unix_s).await?;
    privacy_requests::close_all(tx, &erasure.event, now_unix_s).await?;
    events::delete(tx, &erasure.event).await
}
