//! Erases a guest in an order that a crash may interrupt at any point: deny access, delete sessions and
//! e-mail tokens, erase the template, store the receipt, delete the row.
//!
//! Each step is idempotent, and interrupted erasures are resumed. The consent record is kept, marked as
//! withdrawn, without a name.

use std::time::Duration;

use picpick_engine::{Error, GuestId};
use sqlx::Row as _;

use super::orphaned_templates;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::GUEST_IDLE_S;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::face_engine::receipt_text;
use crate::infra::ids::new_id;
use crate::infra::rate_limit::delete_full_quotas;

/// Interval at which interrupted erasures are resumed and expired sessions are deleted.
const POLL_INTERVAL: Duration = Duration::from_secs(600);
/// Time after registration at which a guest without a verified face is erased, seconds.
const UNVERIFIED_S: i64 = 86_400;

/// A guest to erase.
pub struct GuestErasure {
    pub studio: String,
    pub event: String,
    pub guest: String,
    /// Whether to erase the guest's faces in the event's photos as well.
    pub faces: bool,
}

/// Erases a guest for good. The guest loses access with the first step. Returns the signed receipt as text,
/// which is empty if the guest had no template.
pub async fn erase_guest(app: &App, leaving: GuestErasure) -> Result<String> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    sqlx::query(
        "UPDATE guests SET erasing_unix_s = $1, erasing_faces = $2, notify = 0 WHERE id = $3",
    )
    .bind(now)
    .bind(i64::from(leaving.faces))
    .bind(&leaving.guest)
    .execute(&mut *tx)
    .await?;
    for table in ["guest_sessions", "guest_email_tokens", "guest_group_members"] {
        let text = format!("DELETE FROM {table} WHERE guest_id = $1");
        sqlx::query(&text).bind(&leaving.guest).execute(&mut *tx).await?;
    }
    sqlx::query(
        "UPDATE guest_consents SET withdrawn_unix_s = $1 WHERE guest_id = $2 AND withdrawn_unix_s IS NULL",
    )
    .bind(now)
    .bind(&leaving.guest)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    // Ends the guest's update streams.
    app.guest_updates().publish(&leaving.event, Some(&leaving.guest));
    // Runs in a task of its own, so that a disconnected client does not stop it.
    let app = app.clone();
    let erasure = tokio::spawn(async move { erase(&app, &leaving).await });
    erasure.await.map_err(ApiError::internal)?
}

/// Returns whether the guest has no template, because it was erased before or never stored. Any other missing
/// item does not count as an erasure.
fn is_unknown_guest(error: &Error) -> bool {
    matches!(error, Error::NotFound { kind: "guest", .. })
}

async fn erase(app: &App, leaving: &GuestErasure) -> Result<String> {
    let (event, id, faces_too): (_, GuestId, _) =
        (leaving.event.clone(), leaving.guest.parse()?, leaving.faces);
    let receipt = app.face_engine().run(move |faces| {
        let open = faces.open_collection(&event)?;
        match open.collection.erase_guest(&id, faces_too) {
            Ok(receipt) => receipt_text(&receipt).map(Some),
            Err(error) if is_unknown_guest(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let receipt = receipt.await?;
    let mut tx = app.db().write().await?;
    if let Some(receipt) = &receipt {
        keep_receipt(&mut tx, leaving, receipt).await?;
    }
    sqlx::query("DELETE FROM guests WHERE id = $1").bind(&leaving.guest).execute(&mut *tx).await?;
    record_guest(&mut tx, &leaving.studio, &leaving.guest, "guest_erased", "").await?;
    tx.commit().await?;
    app.jobs().publish(&leaving.event);
    Ok(receipt.unwrap_or_default())
}

/// Stores the receipt of an erasure for the studio.
pub async fn keep_receipt(tx: &mut Tx, leaving: &GuestErasure, receipt: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO receipts (id, studio_id, event_id, receipt, created_unix_s) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(new_id()?)
    .bind(&leaving.studio)
    .bind(&leaving.event)
    .bind(receipt)
    .bind(now_s())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Resumes interrupted erasures, erases guests who did not verify their face, and deletes expired sessions
/// and tokens, until the service stops.
pub async fn run_guest_erasure(app: App) {
    // The first run scans all events with consents for orphaned templates; later runs, recent consents only.
    let mut since_unix_s = 0;
    loop {
        if let Err(failure) = erase_due(&app).await {
            tracing::error!(reason = failure.reason(), "guest erasure run failed");
        }
        if let Err(failure) = orphaned_templates::erase_orphans(&app, since_unix_s).await {
            tracing::error!(reason = failure.reason(), "orphaned template scan failed");
        }
        since_unix_s = now_s() - 2 * UNVERIFIED_S;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn erase_due(app: &App) -> Result<()> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM guest_sessions WHERE seen_unix_s <= $1")
        .bind(now - GUEST_IDLE_S)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM guest_email_tokens WHERE expires_unix_s <= $1")
        .bind(now)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "DELETE FROM guest_groups WHERE expires_unix_s <= $1 \
         AND id NOT IN (SELECT group_id FROM guest_group_members)",
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    delete_full_quotas(&mut tx).await?;
    tx.commit().await?;
    // A crash between storing a template and setting `verified_unix_s` leaves a row that looks unverified:
    // its template is erased with it.
    let rows = sqlx::query(
        "SELECT g.id, g.event_id, g.erasing_faces, e.studio_id FROM guests g JOIN events e ON e.id = g.event_id \
         WHERE e.node_id = $1 AND e.deleting_unix_s IS NULL AND (g.erasing_unix_s IS NOT NULL \
         OR (g.verified_unix_s IS NULL AND g.created_unix_s < $2))",
    )
    .bind(app.node_id())
    .bind(now - UNVERIFIED_S)
    .fetch_all(app.db().read())
    .await?;
    for row in rows {
        let leaving = GuestErasure {
            studio: row.try_get("studio_id")?,
            event: row.try_get("event_id")?,
            guest: row.try_get("id")?,
            faces: row.try_get::<i64, _>("erasing_faces")? != 0,
        };
        // An event that does not open must not block the other guests; the next run retries it.
        let guest = leaving.guest.clone();
        if let Err(failure) = erase_guest(app, leaving).await {
            tracing::error!(guest, reason = failure.reason(), "guest erasure failed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_who_is_not_there_counts_as_erased() {
        let missing = |kind| Error::NotFound { kind, id: String::new() };
        assert!(is_unknown_guest(&missing("guest")));
        for other in ["face", "photo"] {
            assert!(!is_unknown_guest(&missing(other)), "{other}");
        }
    }
}
