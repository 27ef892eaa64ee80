//! Runs erasures that are due or were interrupted, and begins those that time requires: of ended events, of guests
//! whose consent has ended or who never verified their face.

use std::collections::VecDeque;
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
    for erasure in in_turns(unfinished) {
        if let Err(failure) = machine::run(app, &erasure.id).await {
            let (erasure, reason) = (erasure.id, failure.reason());
            tracing::error!(erasure, reason, "erasure failed; it will be retried");
        }
    }
}

/// Orders erasures so that the studios take turns, each with its oldest erasure first: a studio with many erasures
/// does not delay the others'.
fn in_turns(all: Vec<ErasureRecord>) -> Vec<ErasureRecord> {
    let mut queues: Vec<(String, VecDeque<ErasureRecord>)> = Vec::new();
    for erasure in all {
        match queues.iter_mut().find(|(studio, _)| *studio == erasure.studio) {
            Some((_, queue)) => queue.push_back(erasure),
            None => queues.push((erasure.studio.clone(), [erasure].into())),
        }
    }
    let mut ordered = Vec::new();
    while !queues.is_empty() {
        ordered.extend(queues.iter_mut().filter_map(|(_, queue)| queue.pop_front()));
        queues.retain(|(_, queue)| !queue.is_empty());
    }
    ordered
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
    for DueErasure { studio, event, guest, faces } in due {
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
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::db::erasures::ErasureState;

    fn erasure(studio: &str, number: i64) -> ErasureRecord {
        ErasureRecord {
            id: format!("{studio}{number}"),
            studio: studio.to_owned(),
            event: String::new(),
            kind: ErasureKind::Photos,
            subject: String::new(),
            hides_faces: false,
            opt_out: false,
            requester: Requester::Studio,
            actor: String::new(),
            state: ErasureState::Requested,
            wait_s: 0,
            photos: 0,
            faces: 0,
            contact: None,
            language: None,
            requested_unix_s: number,
            due_unix_s: None,
            closed_unix_s: None,
        }
    }

    #[test]
    fn studios_take_turns() {
        let all = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("c", 6)];
        let all = all.map(|(studio, number)| erasure(studio, number));
        let order: Vec<String> = in_turns(all.into()).into_iter().map(|it| it.id).collect();
        assert_eq!(order, ["a1", "b4", "c5", "a2", "c6", "a3"]);
        assert!(in_turns(Vec::new()).is_empty());
    }
}
