//! Permanent removal of an event, safe against a crash between any two steps: deny access, purge the faces,
//! store the receipt, remove the photos and uploads, delete the rows.
//!
//! Each step is idempotent. [`resume_removals`] resumes an interrupted removal.

use super::receipts::{keep_receipt, receipt_text, stored_receipt};
use super::remnants;
use crate::api::upload::discard_all;
use crate::app::App;
use crate::error::Result;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, OwnedEvent};

/// Removes `event` and returns its erasure receipt as text. The caller must have denied access to the event
/// before. If an earlier run has purged the faces, returns the newest receipt stored for the event. If
/// none is stored, returns an empty text: a crash prevented the storing, and only the data folder holds the
/// receipt.
pub async fn erase_event(app: &App, studio: &str, event: &str) -> Result<String> {
    let name = event.to_owned();
    let receipt = app.face_engine.run(move |faces| faces.purge(&name)).await?;
    let receipt = receipt.as_ref().map(receipt_text).transpose()?;
    if let Some(receipt) = &receipt {
        let mut tx = app.db.write().await?;
        keep_receipt(&mut tx, studio, event, receipt).await?;
        tx.commit().await?;
    }
    let (blobs, name) = (app.photo_store.clone(), event.to_owned());
    app.face_engine.run(move |_| blobs.remove_event(&name)).await?;
    discard_all(app, event).await?;
    remnants::remove_guest_traces(app, event, None).await;
    let mut tx = app.db.write().await?;
    events::delete(&mut tx, event).await?;
    let deed =
        AuditEvent { studio, actor: "system", action: "event_purged", target: event, detail: "" };
    audit_log::record(&mut tx, deed).await?;
    tx.commit().await?;
    remnants::clear(app).await;
    match receipt {
        Some(receipt) => Ok(receipt),
        // The retention job, or an earlier removal that was interrupted, has purged the faces.
        None => Ok(stored_receipt(&app.db, event).await?.unwrap_or_default()),
    }
}

/// Resumes interrupted removals, and starts the removal of events whose end date has passed.
pub async fn resume_removals(app: &App) -> Result<()> {
    let mut tx = app.db.write().await?;
    events::mark_ended(&mut tx, &app.node_id, now_s()).await?;
    tx.commit().await?;
    for OwnedEvent { id: event, studio } in events::deleting(&app.db, &app.node_id).await? {
        match erase_event(app, &studio, &event).await {
            Ok(_) => tracing::info!(event, "event removed"),
            Err(failure) => {
                let reason = failure.reason();
                tracing::error!(event, reason, "event removal failed; it will be retried");
            }
        }
    }
    Ok(())
}
