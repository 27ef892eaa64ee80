//! The indexing worker: claims jobs in a round robin over studios and their events, and runs them in batches.
//!
//! The worker usually runs one batch at a time, with at most `index_jobs` threads of the engine, so that searches
//! can use the other cores. A batch that takes longer than [`TURN`], because its event is being erased from or
//! its photo store does not respond, does not hold up other studios: the next batch starts beside it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use picpick_engine::indexing::LastStage;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::IndexBatch;
use super::settling::Settling;
use crate::api::guest::record_new_matches;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::db::events::{self, OwnedEvent};
use crate::infra::jobs::queue::{
    JobOutcome, claim_batch, due_events, pending, record_outcomes, release_leases,
};
use crate::infra::rotation::Rotation;
use crate::infra::telemetry::metrics;

/// Polling interval of the queue: 2 s. Polling finds the jobs that become due without a wake-up, because
/// their back-off ends or their lease expires.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Number of added photos after which people are clustered again. People are also clustered when the event has
/// no due job. Cost of each clustering: a pass over the whole collection.
const REFRESH_PHOTOS: usize = 2000;
/// Limits a batch to 16 jobs, all of one event. A larger batch delays the time from which an uploaded photo is
/// found; a smaller batch costs more durable writes per photo.
const BATCH_MAX: i64 = 16;
/// Number of jobs in the first batch of an event, whose photos may be large.
const BATCH_FIRST: i64 = 4;
/// Intended time of a batch, 1 s: a studio with one photo waits for as many turns as other studios have work.
const TURN: Duration = Duration::from_secs(1);
/// Limits the batches that run beside each other while some take longer than `TURN`: 3.
const BATCHES_MAX: usize = 3;

/// The outcome of a batch.
struct BatchDone {
    event: OwnedEvent,
    jobs: usize,
    /// Number of photos that were added.
    added: usize,
    took: Duration,
}

/// The work in progress, and what the worker knows of each event.
struct Worker {
    app: App,
    stop: Arc<AtomicBool>,
    settling: Arc<Settling>,
    rotation: Rotation,
    /// The running batches with the times of their starts.
    running: JoinSet<(OwnedEvent, Result<BatchDone>)>,
    begun: HashMap<String, Instant>,
    /// Photos added since people were clustered last.
    unsettled: HashMap<String, (OwnedEvent, usize)>,
    /// Seconds a photo, an exponential average. Holds the events that had a job at the last look.
    photo_s: HashMap<String, f64>,
}

/// Runs jobs until `stop` is set. Finishes the batches in progress before it returns.
pub async fn run_worker(app: App, stop: Arc<AtomicBool>) {
    if let Err(failure) = release_leases(&app.db, &app.node_id).await {
        log_failure(&failure);
    }
    let settling = Arc::new(Settling::default());
    let settler = tokio::spawn(Arc::clone(&settling).run(app.clone()));
    let mut worker = Worker {
        app,
        stop,
        settling,
        rotation: Rotation::default(),
        running: JoinSet::new(),
        begun: HashMap::new(),
        unsettled: HashMap::new(),
        photo_s: HashMap::new(),
    };
    worker.run().await;
    settler.abort();
}

fn log_failure(failure: &ApiError) {
    tracing::error!(reason = failure.reason(), "indexing failed");
}

impl Worker {
    async fn run(&mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            if self.may_start() {
                match self.start_next().await {
                    Ok(true) => {}
                    Ok(false) if self.running.is_empty() => {
                        let ready = self.app.jobs.ready.notified();
                        let _ = tokio::time::timeout(POLL_INTERVAL, ready).await;
                        continue;
                    }
                    Ok(false) => {
                        let ready = Arc::clone(&self.app.jobs.ready);
                        tokio::select! {
                            () = self.wait(POLL_INTERVAL) => {}
                            () = ready.notified() => {}
                        }
                        continue;
                    }
                    Err(failure) => {
                        log_failure(&failure);
                        self.wait(POLL_INTERVAL).await;
                    }
                }
            }
            self.wait(TURN).await;
        }
        while !self.running.is_empty() {
            self.wait(POLL_INTERVAL).await;
        }
    }

    /// Returns whether a further batch may start: none is running, or all that run take longer than `TURN`.
    fn may_start(&self) -> bool {
        self.begun.len() < BATCHES_MAX && self.begun.values().all(|begun| begun.elapsed() >= TURN)
    }

    /// Starts a batch of the next event. Returns false if no event has a job to claim.
    async fn start_next(&mut self) -> Result<bool> {
        let mut due = due_events(&self.app.db, &self.app.node_id).await?;
        self.settle(&due);
        self.photo_s.retain(|id, _| due.iter().any(|event| event.id == *id));
        due.retain(|event| !self.begun.contains_key(&event.id));
        let Some(event) = self.rotation.next(&due) else { return Ok(false) };
        let limit = batch_size(self.photo_s.get(&event.id).copied());
        self.begun.insert(event.id.clone(), Instant::now());
        let (app, stop) = (self.app.clone(), Arc::clone(&self.stop));
        self.running.spawn(async move {
            let done = batch(&app, &stop, event.clone(), limit).await;
            (event, done)
        });
        Ok(true)
    }

    /// Hands the events over for clustering that have no job any more, or many new photos.
    fn settle(&mut self, due: &[OwnedEvent]) {
        let settling = Arc::clone(&self.settling);
        let begun = &self.begun;
        self.unsettled.retain(|id, (event, photos)| {
            let has_work = begun.contains_key(id) || due.iter().any(|due| due.id == *id);
            let waits = has_work && *photos < REFRESH_PHOTOS;
            if !waits {
                settling.add(event.clone());
            }
            waits
        });
    }

    /// Waits for a running batch, at most `limit`, and takes its result.
    async fn wait(&mut self, limit: Duration) {
        let Ok(Some(ended)) = tokio::time::timeout(limit, self.running.join_next()).await else {
            if self.running.is_empty() {
                self.begun.clear();
                tokio::time::sleep(limit).await;
            }
            return;
        };
        match ended {
            Ok((event, done)) => {
                self.begun.remove(&event.id);
                match done {
                    Ok(done) => self.take(done),
                    Err(failure) => {
                        log_failure(&failure);
                        tokio::time::sleep(POLL_INTERVAL).await;
                    }
                }
            }
            // The task panicked; the leases of its jobs expire.
            Err(error) => log_failure(&ApiError::internal(error)),
        }
    }

    fn take(&mut self, done: BatchDone) {
        let BatchDone { event, jobs, added, took } = done;
        self.app.jobs.publish(&event.id);
        if jobs > 0 {
            let latest = took.as_secs_f64() / jobs as f64;
            let average = self.photo_s.entry(event.id.clone()).or_insert(latest);
            *average = (*average + latest) / 2.0;
        }
        self.unsettled.entry(event.id.clone()).or_insert((event, 0)).1 += added;
    }
}

/// Returns the number of jobs of a batch that takes about [`TURN`].
fn batch_size(photo_s: Option<f64>) -> i64 {
    let fits = |photo_s: f64| (TURN.as_secs_f64() / photo_s.max(1e-3)) as i64;
    photo_s.map_or(BATCH_FIRST, fits).clamp(1, BATCH_MAX)
}

/// Returns the last stage for the claimed jobs of an event. This is the one place that decides whether the faces of a
/// photo are embedded.
///
/// The event is locked after its jobs are claimed: a change to `at_first_search` that commits before is seen here, and
/// one that comes later finds the jobs running and is refused (`api/event/analysis_time.rs`).
async fn last_stage(app: &App, event: &str) -> Result<LastStage> {
    let mut tx = app.db.write().await?;
    let event = events::lock(&mut tx, event).await?;
    tx.commit().await?;
    Ok(match event {
        Some(event) if !event.defers_analysis() => LastStage::Store,
        // An event that is being deleted needs no faces either.
        _ => LastStage::Decode,
    })
}

/// Claims and runs one batch of at most `limit` jobs.
async fn batch(
    app: &App,
    stop: &Arc<AtomicBool>,
    event: OwnedEvent,
    limit: i64,
) -> Result<BatchDone> {
    let jobs = claim_batch(&app.db, &event.id, limit).await?;
    let begun = Instant::now();
    if jobs.is_empty() {
        return Ok(BatchDone { event, jobs: 0, added: 0, took: Duration::ZERO });
    }
    let count = jobs.len();
    app.jobs.publish(&event.id);
    let work = IndexBatch {
        blobs: app.photo_store.clone(),
        event: event.id.clone(),
        last_stage: last_stage(app, &event.id).await?,
        index_jobs: app.settings.index_jobs,
        stop: Arc::clone(stop),
    };
    let of = event.id.clone();
    let done = app.face_engine.run(move |faces| {
        let outcomes = work.run(faces, jobs);
        let met = faces.open_collection(&of).map(|event| event.collection.take_new_matches());
        Ok((outcomes, met.unwrap_or_default()))
    });
    let (outcomes, met) = done.await?;
    let took = begun.elapsed();
    let added = outcomes.iter().filter(|(_, outcome)| *outcome == JobOutcome::Done).count();
    for (job, outcome) in &outcomes {
        metrics::count_indexed(match outcome {
            JobOutcome::Done => "done",
            JobOutcome::Deferred => "deferred",
            JobOutcome::Rejected(_) => "rejected",
            JobOutcome::Retry(_) => "retry",
        });
        if let JobOutcome::Retry(reason) = outcome {
            let (photo, attempts) = (&job.photo, job.attempts);
            tracing::warn!(event = event.id, photo, attempts, %reason, "indexing will be retried");
        }
    }
    record_outcomes(&app.db, &event.id, &outcomes).await?;
    record_new_matches(app, &event.id, &met).await?;
    metrics::set_jobs_pending(pending(&app.db).await?);
    Ok(BatchDone { event, jobs: count, added, took })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_about_one_turn() {
        assert_eq!(batch_size(None), BATCH_FIRST);
        assert_eq!([0.0, 0.01, 0.1, 0.3, 5.0].map(|s| batch_size(Some(s))), [16, 16, 10, 3, 1]);
    }
}
