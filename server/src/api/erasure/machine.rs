//! The state machine of all erasures: requested → hidden → due → erased, or hidden → lifting → undone.
//!
//! A row of `erasures` is inserted in the transaction that denies access to the data. Each step is idempotent in the
//! engine and in the photo store, and each change of state is one transaction, which also stores receipts, enqueues
//! letters and writes the audit log. After a crash between any two steps, `schedule.rs` runs the erasure again.
//!
//! Erasures of one event run one after another. Several servers on one database never meet: each runs the erasures
//! of the events in its own data folder.

use std::time::Duration;

use picpick_engine::receipts::Receipt;

use super::receipts::{keep_receipt, receipt_text};
use super::{event, guest, letters, person, photos, remnants};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::admission::spawn_held;
use crate::infra::audit_log::{AuditEvent, record};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::db::erasures::{self, ErasureKind, ErasureRecord, ErasureState, HiddenFaces};
use crate::infra::ids::token_hash;
use crate::infra::upload_locks::UploadLock;

/// Time between hiding and erasing faces on the word of a person who has shown no more than a face, seconds
/// (72 hours).
pub const UNDO_S: i64 = 72 * 3600;
/// Polling interval for the lock of an event, 20 ms.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// The result of a run: the erasure as it is now, and the receipt of this run, if it erased something.
pub struct ErasureRun {
    pub erasure: ErasureRecord,
    /// The signed receipt as text; empty if this run erased nothing.
    pub receipt: String,
}

/// The outcome of the first step.
pub struct FirstStep {
    /// The photos and faces that are hidden.
    pub photos: usize,
    pub faces: usize,
    /// Whether there is anything to erase later.
    pub remains: bool,
    /// The receipt of what was erased at once.
    pub receipt: Option<Receipt>,
}

/// Runs an erasure as far as it can go without waiting. Runs in a task of its own, so that a disconnected client does
/// not stop it.
///
/// # Errors
/// - The errors of the engine, the photo store and the database. The erasure stays in its state and is run again.
pub async fn run(app: &App, erasure: &str) -> Result<ErasureRun> {
    let (app, erasure) = (app.clone(), erasure.to_owned());
    spawn_held(async move { run_alone(&app, &erasure).await }).await.map_err(ApiError::internal)?
}

async fn run_alone(app: &App, id: &str) -> Result<ErasureRun> {
    let event = erasures::find(&app.db, id).await?.event;
    let _alone = lock(app, &event).await;
    let mut receipt = String::new();
    loop {
        let erasure = erasures::find(&app.db, id).await?;
        let step = match erasure.state {
            ErasureState::Requested => hide(app, &erasure).await?,
            ErasureState::Hidden if erasure.wait_s == 0 => {
                let mut tx = app.db.write().await?;
                erasures::advance(&mut tx, id, ErasureState::Hidden, ErasureState::Due).await?;
                tx.commit().await?;
                None
            }
            ErasureState::Due => erase(app, &erasure).await?,
            ErasureState::Lifting => lift(app, &erasure).await?,
            ErasureState::Hidden | ErasureState::Erased | ErasureState::Undone => {
                return Ok(ErasureRun { erasure, receipt });
            }
        };
        receipt = step.unwrap_or(receipt);
    }
}

/// Waits for the lock of an event, which serialises its erasures in this process.
async fn lock(app: &App, event: &str) -> UploadLock {
    loop {
        match app.erasure_locks.try_lock(event) {
            Some(held) => return held,
            None => tokio::time::sleep(LOCK_POLL).await,
        }
    }
}

/// Requested → hidden. A guest's own template, contact and sessions are erased here; without faces to hide, that
/// closes the erasure.
async fn hide(app: &App, erasure: &ErasureRecord) -> Result<Option<String>> {
    let step = match erasure.kind {
        ErasureKind::Event | ErasureKind::Photos => {
            FirstStep { photos: 0, faces: 0, remains: true, receipt: None }
        }
        ErasureKind::Guest => guest::hide_and_erase_own(app, erasure).await?,
        ErasureKind::Person => person::hide(app, erasure).await?,
    };
    let receipt = step.receipt.as_ref().map(receipt_text).transpose()?;
    let (now, waits) = (now_s(), erasure.wait_s > 0 && step.remains);
    let (photos, faces) = (step.photos as i64, step.faces as i64);
    let token = (waits && erasure.contact.is_some()).then(letters::undo_token).transpose()?;
    let undo_hash = token.as_ref().map(|token| token_hash(token));
    let due_unix_s = now + erasure.wait_s;
    let found = HiddenFaces { photos, faces, due_unix_s, undo_hash: undo_hash.as_deref() };
    if erasure.kind == ErasureKind::Guest {
        remnants::remove_guest_traces(app, &erasure.event, Some(&erasure.subject)).await;
    }
    let mut tx = app.db.write().await?;
    if !erasures::set_hidden(&mut tx, &erasure.id, &found).await? {
        return Ok(receipt);
    }
    if let Some(receipt) = &receipt {
        keep_receipt(&mut tx, &erasure.studio, &erasure.event, receipt).await?;
    }
    if erasure.kind == ErasureKind::Guest {
        guest::conclude_own(&mut tx, erasure).await?;
        note(&mut tx, erasure, "guest_erased", &erasure.subject, "").await?;
    }
    if erasure.hides_faces {
        let detail = format!("{faces} faces in {photos} photos, erased from {due_unix_s} on");
        note(&mut tx, erasure, "faces_hidden", &erasure.id, &detail).await?;
    }
    if !step.remains {
        erasures::close(&mut tx, &erasure.id, ErasureState::Erased, now).await?;
    }
    if waits {
        letters::announce(app, &mut tx, erasure, &found, token.as_ref()).await?;
    }
    tx.commit().await?;
    if receipt.is_some() {
        remnants::clear(app).await;
    }
    announce(app, erasure, waits);
    Ok(receipt)
}

/// Due → erased. The receipt is stored before anything else happens, because a repeated run gets none. An erasure whose
/// hidden faces a restore of an older backup has shown again is closed as undone: nothing was erased.
async fn erase(app: &App, erasure: &ErasureRecord) -> Result<Option<String>> {
    let receipt = match erasure.kind {
        ErasureKind::Event => event::purge_faces(app, erasure).await?,
        ErasureKind::Photos => photos::erase(app, erasure).await?,
        ErasureKind::Guest | ErasureKind::Person => person::erase(app, erasure).await?,
    };
    let text = receipt.as_ref().map(receipt_text).transpose()?;
    if let Some(text) = &text {
        let mut tx = app.db.write().await?;
        keep_receipt(&mut tx, &erasure.studio, &erasure.event, text).await?;
        let count = |count: Option<u64>| count.and_then(|of| i64::try_from(of).ok()).unwrap_or(0);
        let of = receipt.as_ref().map(|of| &of.receipt);
        let (photos, faces) = of.map_or((0, 0), |of| (count(of.photos), count(of.faces)));
        erasures::set_counts(&mut tx, &erasure.id, photos, faces).await?;
        tx.commit().await?;
    }
    if erasure.kind == ErasureKind::Event {
        event::remove_files(app, erasure).await?;
        remnants::remove_guest_traces(app, &erasure.event, None).await;
    }
    let lost = receipt.is_none() && person::is_lost(app, erasure).await?;
    let end = if lost { ErasureState::Undone } else { ErasureState::Erased };
    let mut tx = app.db.write().await?;
    if erasures::close(&mut tx, &erasure.id, end, now_s()).await? {
        match erasure.kind {
            _ if lost => note_system(&mut tx, erasure, "erasure_lost", &erasure.id).await?,
            ErasureKind::Event => {
                event::conclude(&mut tx, erasure, now_s()).await?;
                note_system(&mut tx, erasure, "event_purged", &erasure.event).await?;
            }
            ErasureKind::Photos => photos::conclude(&mut tx, erasure).await?,
            ErasureKind::Guest | ErasureKind::Person => {
                note_system(&mut tx, erasure, "faces_erased", &erasure.id).await?;
            }
        }
    }
    tx.commit().await?;
    remnants::clear(app).await;
    if erasure.kind == ErasureKind::Event {
        let event = &erasure.event;
        tracing::info!(event, "event removed");
    }
    announce(app, erasure, false);
    Ok(text)
}

/// Lifting → undone.
async fn lift(app: &App, erasure: &ErasureRecord) -> Result<Option<String>> {
    person::lift(app, erasure).await?;
    let mut tx = app.db.write().await?;
    erasures::close(&mut tx, &erasure.id, ErasureState::Undone, now_s()).await?;
    tx.commit().await?;
    announce(app, erasure, false);
    Ok(None)
}

/// Tells open pages of the event about changed photos and faces, and the mailer about new letters.
fn announce(app: &App, erasure: &ErasureRecord, letters: bool) {
    app.jobs.publish(&erasure.event);
    if erasure.hides_faces {
        app.guest_updates.publish(&erasure.event, None);
    }
    if letters {
        app.mailer.wake();
    }
}

/// Writes an audit entry under the actor who requested the erasure.
async fn note(
    tx: &mut Tx,
    erasure: &ErasureRecord,
    action: &'static str,
    target: &str,
    detail: &str,
) -> Result<()> {
    let ErasureRecord { studio, actor, .. } = erasure;
    record(tx, AuditEvent { studio, actor, action, target, detail }).await
}

/// Writes an audit entry for a step that no caller takes.
async fn note_system(
    tx: &mut Tx,
    erasure: &ErasureRecord,
    action: &'static str,
    target: &str,
) -> Result<()> {
    let studio = &erasure.studio;
    record(tx, AuditEvent { studio, actor: "system", action, target, detail: "" }).await
}
