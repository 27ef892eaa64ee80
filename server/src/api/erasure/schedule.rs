//! Runs erasures that are due or were interrupted, and begins those that time requires: of ended events, of guests
//! whose consent has ended or who never verified their face.

use std::time::Duration;

use picpick_engine::receipts::Requester;

use super::machine;
use super::orphaned_templates;
use super::requests::{ErasureRequest, GuestFaces};
use crate::app::App;
use crate::error::Result;
use crate::http::auth::GUEST_IDLE_S;
use crate::infra::clock::{confirmed_now_s, now_s};
use crate::infra::db::erasures::{self, ErasureKind, ErasureRecord};
use crate::infra::db::events::{self, OwnedEvent};
use crate::infra::db::guests::{self, DueErasure};
use crate::infra::rate_limit::delete_full_quotas;
use crate::infra::rotation::interleave;

/// Interval between two runs, 60 s.
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// Number of runs between two deletions of expired sessions and scans for orphaned templates: 10, that is, 10
/// minutes.
const CLEANUP_EVERY: u64 = 10;
/// Time after registration at which a guest without a verified face is erased, seconds (24 hours).
const UNVERIFIED_S: i64 = 86_400;

/// Runs the erasures of this server's events until the service stops.
///
/// What is not undone any more follows from no single reading of the clock: due dates are compared with a confirmed
/// time.
pub async fn run_erasures(app: App) {
    run_unfinished(&app).await;
    // The first scan covers all events with consents; later ones, recent consents only.
    let mut since_unix_s = 0;
    for run in 0_u64.. {
        if run % CLEANUP_EVERY == 0 {
            clean_up(&app, since_unix_s).await;
            since_unix_s = now_s() - 2 * UNVERIFIED_S;
        }
        match confirmed_now_s().await {
            Some(now) => {
                if let Err(failure) = begin_due(&app, now).await {
                    tracing::error!(reason = failure.reason(), "beginning due erasures failed");
                }
            }
            None => tracing::error!("the system clock was set: due erasures wait for the next run"),
        }
        run_unfinished(&app).await;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Runs all erasures that have work to do, in turns of the studios. A failed one is run again at the next run and
/// blocks no other.
async fn run_unfinished(app: &App) {
    let unfinished = match erasures::unfinished(&app.db, &app.node_id).await {
        Ok(unfinished) => unfinished,
        Err(failure) => {
            tracing::error!(reason = failure.reason(), "reading unfinished erasures failed");
            return;
        }
    };
    let owner = |erasure: &ErasureRecord| OwnedEvent {
        id: erasure.event.clone(),
        studio: erasure.studio.clone(),
    };
    for erasure in interleave(unfinished, owner) {
        if let Err(failure) = machine::run(app, &erasure.id).await {
            let (erasure, reason) = (erasure.id, failure.reason());
            tracing::error!(erasure, reason, "erasure failed; it will be retried");
        }
    }
}

/// Begins and makes due what the confirmed time `now` requires.
async fn begin_due(app: &App, now: i64) -> Result<()> {
    let mut tx = app.db.write().await?;
    erasures::make_due(&mut tx, &app.node_id, now).await?;
    events::mark_ended(&mut tx, &app.node_id, now).await?;
    tx.commit().await?;
    for OwnedEvent { id: event, studio } in events::deleting(&app.db, &app.node_id).await? {
        let mut tx = app.db.write().await?;
        if erasures::open_of(&mut tx, &event, ErasureKind::Event, "").await?.is_none() {
            request(&studio, &event).insert(&mut tx, ErasureKind::Event, String::new()).await?;
            tx.commit().await?;
        }
    }
    // After a crash between storing a template and setting `verified_unix_s`, the guest's row looks
    // unverified. The erasure removes the row together with the template.
    let due = guests::due_erasures(&app.db, &app.node_id, now, now - UNVERIFIED_S).await?;
    let owner = |due: &DueErasure| OwnedEvent { id: due.event.clone(), studio: due.studio.clone() };
    for DueErasure { studio, event, guest, faces } in interleave(due, owner) {
        // An event that does not open must not block the other guests; the next run retries it.
        let faces = GuestFaces { hide: faces, ..GuestFaces::default() };
        if let Err(failure) = request(&studio, &event).guest(app, &guest, faces).await {
            tracing::error!(guest, reason = failure.reason(), "guest erasure failed");
        }
    }
    Ok(())
}

fn request<'a>(studio: &'a str, event: &'a str) -> ErasureRequest<'a> {
    ErasureRequest { studio, event, requester: Requester::Retention, actor: "system" }
}

/// Deletes expired sessions, tokens and quotas, and erases templates without a guest.
async fn clean_up(app: &App, since_unix_s: i64) {
    if let Err(failure) = delete_expired(app).await {
        tracing::error!(reason = failure.reason(), "guest session cleanup failed");
    }
    if let Err(failure) = orphaned_templates::erase_orphans(app, since_unix_s).await {
        tracing::error!(reason = failure.reason(), "orphaned template scan failed");
    }
}

async fn delete_expired(app: &App) -> Result<()> {
    let now = now_s();
    let mut tx = app.db.write().await?;
    guests::delete_expired(&mut tx, now - GUEST_IDLE_S, now).await?;
    delete_full_quotas(&mut tx).await?;
    app.passed_faces.forget_expired();
    Ok(tx.commit().await?)
}
