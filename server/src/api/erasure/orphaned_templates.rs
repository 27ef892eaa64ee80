//! Erases orphaned templates, which have no row in `guests`. They remain after a crash, or after a withdrawal
//! during verification. Each erasure has a receipt.
//!
//! A guest's row is inserted before the template and deleted after the template, so a template without a row
//! belongs to no guest.

use picpick_engine::GuestId;
use picpick_engine::receipts::Requester;

use super::guest::erase_template;
use super::receipts::{FormerGuest, keep_receipt, receipt_text};
use crate::app::App;
use crate::error::Result;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, OwnedEvent};
use crate::infra::db::guests;

/// Erases the template of a former guest. Does nothing if the guest has no template.
pub async fn erase(app: &App, orphan: &FormerGuest) -> Result<()> {
    let (event, id): (_, GuestId) = (orphan.event.clone(), orphan.guest.parse()?);
    let receipt = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&event)?;
        let receipt = erase_template(&open.collection, &id, Requester::Retention)?;
        receipt.as_ref().map(receipt_text).transpose()
    });
    let Some(receipt) = receipt.await? else { return Ok(()) };
    let mut tx = app.db.write().await?;
    keep_receipt(&mut tx, &orphan.studio, &orphan.event, &receipt).await?;
    record_guest(&mut tx, &orphan.studio, &orphan.guest, "guest_erased", "orphaned template")
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Scans for orphaned templates in this server's events that received a consent since `since_unix_s`.
pub async fn erase_orphans(app: &App, since_unix_s: i64) -> Result<()> {
    let scanned = events::with_consents(&app.db, &app.node_id, now_s(), since_unix_s).await?;
    for OwnedEvent { id: event, studio } in scanned {
        // An event that does not open must not block the others.
        if let Err(failure) = erase_orphans_of(app, &event, &studio).await {
            tracing::error!(event, reason = failure.reason(), "orphaned template scan failed");
        }
    }
    Ok(())
}

async fn erase_orphans_of(app: &App, event: &str, studio: &str) -> Result<()> {
    let name = event.to_owned();
    // Templates are listed before rows, so that the template of a guest who registers between the
    // two steps does not appear orphaned.
    let mut orphans = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.guest_ids()))
        .await?;
    for known in guests::all_ids(&app.db, event).await? {
        let known: GuestId = known.parse()?;
        orphans.retain(|id| *id != known);
    }
    for orphan in orphans {
        let (studio, event) = (studio.to_owned(), event.to_owned());
        erase(app, &FormerGuest { studio, event, guest: orphan.to_string() }).await?;
    }
    Ok(())
}
