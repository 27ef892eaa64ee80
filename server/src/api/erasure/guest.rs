//! Erases a guest in an order that a crash may interrupt at any point: deny access, delete sessions and
//! e-mail tokens, erase the template, store the receipt, delete the row.
//!
//! Each step is idempotent, and interrupted erasures are resumed. The consent record is kept, marked as
//! withdrawn, without a name.

use std::time::Duration;

use picpick_engine::{Error, GuestId};

use super::receipts::{GuestErasure, keep_receipt, receipt_text};
use super::{orphaned_templates, remnants};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::GUEST_IDLE_S;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::consents;
use crate::infra::db::guests::{self, DueErasure};
use crate::infra::rate_limit::delete_full_quotas;

/// Interval at which interrupted erasures are resumed and expired sessions are deleted: 10 minutes.
const POLL_INTERVAL: Duration = Duration::from_secs(600);
/// Time after registration at which a guest without a verified face is erased, seconds (24 hours).
const UNVERIFIED_S: i64 = 86_400;

/// Erases a guest for good. The guest loses access with the first step. Returns the signed receipt as text,
/// which is empty if the guest had no template.
pub async fn erase_guest(app: &App, leaving: GuestErasure) -> Result<String> {
    let now = now_s();
    let mut tx = app.db.write().await?;
    guests::mark_erasing(&mut tx, &leaving.guest, leaving.faces, now).await?;
    consents::withdraw(&mut tx, &leaving.guest, now).await?;
    tx.commit().await?;
    // Ends the guest's update streams.
    app.guest_updates.publish(&leaving.event, Some(&leaving.guest));
    // Runs in a task of its own, so that a disconnected client does not stop it.
    let app = app.clone();
    let erasure = tokio::spawn(async move { erase(&app, &leaving).await });
    erasure.await.map_err(ApiError::internal)?
}

/// Returns whether the guest has no template, because the template was erased before or never stored. An
/// error about any other missing item must not count as an erasure.
fn is_unknown_guest(error: &Error) -> bool {
    matches!(error, Error::NotFound { kind: "guest", .. })
}

async fn erase(app: &App, leaving: &GuestErasure) -> Result<String> {
    let (event, id, faces_too): (_, GuestId, _) =
        (leaving.event.clone(), leaving.guest.parse()?, leaving.faces);
    let receipt = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&event)?;
        match open.collection.erase_guest(&id, faces_too) {
            Ok(receipt) => receipt_text(&receipt).map(Some),
            Err(error) if is_unknown_guest(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let receipt = receipt.await?;
    remnants::remove_guest_traces(app, &leaving.event, Some(&leaving.guest)).await;
    let mut tx = app.db.write().await?;
    if let Some(receipt) = &receipt {
        keep_receipt(&mut tx, &leaving.studio, &leaving.event, receipt).await?;
    }
    guests::delete(&mut tx, &leaving.guest).await?;
    record_guest(&mut tx, &leaving.studio, &leaving.guest, "guest_erased", "").await?;
    tx.commit().await?;
    remnants::clear(app).await;
    app.jobs.publish(&leaving.event);
    Ok(receipt.unwrap_or_default())
}

/// Resumes interrupted erasures, erases guests who did not verify their face and those whose consents
/// cover the event no longer, and deletes expired sessions and tokens, until the service stops.
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
    let mut tx = app.db.write().await?;
    guests::delete_expired(&mut tx, now - GUEST_IDLE_S, now).await?;
    delete_full_quotas(&mut tx).await?;
    tx.commit().await?;
    // After a crash between storing a template and setting `verified_unix_s`, the guest's row looks
    // unverified. The erasure removes the row together with the template.
    let due = guests::due_erasures(&app.db, &app.node_id, now, now - UNVERIFIED_S).await?;
    for DueErasure { studio, event, guest, faces } in due {
        let leaving = GuestErasure { studio, event, guest, faces };
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
