//! Permanent removal of an event, safe against a crash between any two steps: deny access, purge the faces,
//! store the receipt, remove the photos and uploads, delete the rows.
//!
//! Each step is idempotent. [`resume_removals`] resumes an interrupted removal.

use picpick_engine::receipts::Receipt;
use sqlx::Row as _;

use crate::api::upload::{Upload, discard};
use crate::app::App;
use crate::error::Result;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::face_engine::receipt_text;
use crate::infra::ids::new_id;

/// Removes `open_collection`, to which access is denied already, and returns its erasure receipt as text.
pub async fn erase_event(app: &App, studio: &str, event: &str) -> Result<String> {
    let name = event.to_owned();
    let receipt = app.face_engine().run(move |faces| faces.purge(&name)).await?;
    if let Some(receipt) = &receipt {
        store_receipt(app, studio, event, receipt).await?;
    }
    let (blobs, name) = (app.photo_store().clone(), event.to_owned());
    app.face_engine().run(move |_| blobs.remove_event(&name)).await?;
    remove_uploads(app, event).await?;
    let kept = sqlx::query(
        "SELECT receipt FROM receipts WHERE event_id = $1 ORDER BY created_unix_s DESC LIMIT 1",
    )
    .bind(event)
    .fetch_optional(app.db().read())
    .await?;
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM events WHERE id = $1").bind(event).execute(&mut *tx).await?;
    let deed =
        AuditEvent { studio, actor: "system", action: "event_purged", target: event, detail: "" };
    audit_log::record(&mut tx, deed).await?;
    tx.commit().await?;
    // After a crash between the purge and `set_retention`, the table holds no receipt; the data directory still does.
    kept.map_or(Ok(String::new()), |row| Ok(row.try_get("receipt")?))
}

/// Removes the event's uploads with their staged files.
async fn remove_uploads(app: &App, event: &str) -> Result<()> {
    let rows = sqlx::query("SELECT * FROM uploads WHERE event_id = $1")
        .bind(event)
        .fetch_all(app.db().read())
        .await?;
    for row in &rows {
        discard(app, &Upload::read(row)?).await?;
    }
    Ok(())
}

/// Stores the erasure receipt in the database.
async fn store_receipt(app: &App, studio: &str, event: &str, receipt: &Receipt) -> Result<()> {
    let mut tx = app.db().write().await?;
    sqlx::query("INSERT INTO receipts (id, studio_id, event_id, receipt, created_unix_s) VALUES ($1, $2, $3, $4, $5)")
        .bind(new_id()?)
        .bind(studio)
        .bind(event)
        .bind(receipt_text(receipt)?)
        .bind(now_s())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Resumes interrupted removals, and starts the removal of events whose end date has passed.
pub async fn resume_removals(app: &App) -> Result<()> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    sqlx::query("UPDATE events SET deleting_unix_s = $1 WHERE ends_unix_s <= $1 AND node_id = $2 AND deleting_unix_s IS NULL")
        .bind(now)
        .bind(app.node_id())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let rows = sqlx::query(
        "SELECT id, studio_id FROM events WHERE deleting_unix_s IS NOT NULL AND node_id = $1",
    )
    .bind(app.node_id())
    .fetch_all(app.db().read())
    .await?;
    for row in rows {
        let (event, studio): (String, String) = (row.try_get("id")?, row.try_get("studio_id")?);
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
