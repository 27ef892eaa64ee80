//! The indexing worker: reads photos from the photo store and adds their faces to the event's collection.
//!
//! The worker runs one batch of one event at a time, with at most `index_jobs` threads of the engine, so that
//! searches can use the other cores.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use picpick_engine::indexing::{PhotoSource, ProgressEvent, RunOptions, Sink as _, index_photos};
use picpick_engine::{BlobSealer, Collection, Error, PhotoId, Picture};

use crate::api::guest::record_new_matches;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::face_engine::FaceEngine;
use crate::infra::imaging::derivatives::render;
use crate::infra::jobs::queue::{
    Job, JobOutcome, claim_batch, pending, record_outcomes, release_leases,
};
use crate::infra::photo_store::{PhotoStore, Rendition};
use crate::infra::telemetry::metrics;

/// Polling interval of the queue: 2 s. Polling finds the jobs that become due without a wake-up, because
/// their back-off ends or their lease expires.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Number of added photos after which people are clustered again. People are also clustered when no job is
/// due. Cost of each clustering: a pass over the whole collection.
const REFRESH_PHOTOS: usize = 2000;

/// Runs jobs until `stop` is set. Finishes the current batch before it returns.
pub async fn run_worker(app: App, stop: Arc<AtomicBool>) {
    if let Err(failure) = release_leases(&app.db, &app.node_id).await {
        log_failure(&failure);
    }
    let mut unsettled: HashMap<String, usize> = HashMap::new();
    while !stop.load(Ordering::SeqCst) {
        match batch(&app, &stop).await {
            Ok(Some((event, photos))) => {
                app.jobs.publish(&event);
                let count = unsettled.entry(event.clone()).or_default();
                *count += photos;
                if *count >= REFRESH_PHOTOS {
                    form_people(&app, &event).await;
                    unsettled.remove(&event);
                }
            }
            Ok(None) => {
                for (event, _) in unsettled.drain() {
                    form_people(&app, &event).await;
                    app.jobs.publish(&event);
                    // Clustering can match guests to faces that did not match on their own.
                    app.guest_updates.publish(&event, None);
                }
                let _ = tokio::time::timeout(POLL_INTERVAL, app.jobs.ready.notified()).await;
            }
            Err(failure) => {
                log_failure(&failure);
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

fn log_failure(failure: &ApiError) {
    tracing::error!(reason = failure.reason(), "indexing failed");
}

/// Refreshes an event's people and index.
async fn form_people(app: &App, event: &str) {
    let name = event.to_owned();
    let settled = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.refresh()?))
        .await;
    if let Err(failure) = settled {
        log_failure(&failure);
    }
}

/// Claims and runs one batch. Returns its event and the number of photos that were added, or `None` if no job
/// is due.
async fn batch(app: &App, stop: &Arc<AtomicBool>) -> Result<Option<(String, usize)>> {
    let Some((event, jobs)) = claim_batch(&app.db, &app.node_id).await? else { return Ok(None) };
    app.jobs.publish(&event);
    let work = IndexBatch {
        blobs: app.photo_store.clone(),
        event: event.clone(),
        index_jobs: app.settings.index_jobs,
        stop: Arc::clone(stop),
    };
    let (taken, name) = (jobs.clone(), event.clone());
    let of = event.clone();
    let done = app.face_engine.run(move |faces| {
        let outcomes = work.run(faces, taken);
        let met = faces.open_collection(&of).map(|event| event.collection.take_new_matches());
        Ok((outcomes, met.unwrap_or_default()))
    });
    let (outcomes, met) = done.await?;
    let added = outcomes.iter().filter(|(_, outcome)| *outcome == JobOutcome::Done).count();
    for (job, outcome) in &outcomes {
        metrics::count_indexed(match outcome {
            JobOutcome::Done => "done",
            JobOutcome::Rejected(_) => "rejected",
            JobOutcome::Retry(_) => "retry",
        });
        if let JobOutcome::Retry(reason) = outcome {
            tracing::warn!(event = name, photo = job.photo, attempts = job.attempts, %reason, "indexing will be retried");
        }
    }
    record_outcomes(&app.db, &outcomes).await?;
    record_new_matches(app, &event, &met).await?;
    metrics::set_jobs_pending(pending(&app.db).await?);
    Ok(Some((event, added)))
}

/// A batch of jobs, run on a blocking thread.
struct IndexBatch {
    blobs: PhotoStore,
    event: String,
    index_jobs: usize,
    stop: Arc<AtomicBool>,
}

/// A photo in the photo store, as the engine reads it.
struct StoredPhoto {
    sealer: Arc<BlobSealer>,
    blobs: PhotoStore,
    event: String,
    photo: String,
    /// The photo's id, which the engine uses as its path.
    path: PathBuf,
}

impl PhotoSource for StoredPhoto {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, _: u64) -> picpick_engine::Result<Vec<u8>> {
        let place = |reason: String| Error::ObjectStore { place: "the photo store".into(), reason };
        match self.blobs.get(&self.sealer, &self.event, &self.photo, Rendition::Original) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Error::Image {
                reason: "the photo's file no longer exists; upload the photo again".into(),
            }),
            Err(failure) => Err(place(failure.reason().to_owned())),
        }
    }
}

impl IndexBatch {
    /// Indexes the photos of `jobs` and returns the outcome of each job.
    fn run(&self, faces: &FaceEngine, jobs: Vec<Job>) -> Vec<(Job, JobOutcome)> {
        let refused: Mutex<HashMap<String, String>> = Mutex::default();
        let ended = self.index(faces, &jobs, &refused);
        let refused = refused.into_inner();
        let outcome = |job: &Job| {
            if let Some(reason) = refused.get(&job.photo) {
                return JobOutcome::Rejected(reason.clone());
            }
            match self.is_there(faces, job) {
                Ok(true) => JobOutcome::Done,
                Ok(false) => JobOutcome::Retry(match &ended {
                    Err(failure) => failure.reason().to_owned(),
                    Ok(()) => {
                        "the server stopped before it indexed the photo; retry the job".into()
                    }
                }),
                Err(failure) => JobOutcome::Retry(failure.reason().to_owned()),
            }
        };
        jobs.into_iter().map(|job| (job.clone(), outcome(&job))).collect()
    }

    /// Indexes the photos of `jobs`. Adds the photos that the engine rejected to `refused`, with the reasons.
    fn index(
        &self,
        faces: &FaceEngine,
        jobs: &[Job],
        refused: &Mutex<HashMap<String, String>>,
    ) -> Result<()> {
        let event = faces.open_collection(&self.event)?;
        let collection = &event.collection;
        collection.hold_erasures(|| self.index_into(collection, faces, jobs, refused))?
    }

    /// Does the work of `index`, while no erasure runs.
    fn index_into(
        &self,
        collection: &Collection,
        faces: &FaceEngine,
        jobs: &[Job],
        refused: &Mutex<HashMap<String, String>>,
    ) -> Result<()> {
        // The sealer is read once per batch: a purge waits for the batch, so this copy of the key does not
        // outlive the event.
        let sealer = Arc::new(faces.sealer(&self.event)?);
        let source = |job: &Job| StoredPhoto {
            sealer: Arc::clone(&sealer),
            blobs: self.blobs.clone(),
            event: self.event.clone(),
            photo: job.photo.clone(),
            path: PathBuf::from(&job.photo),
        };
        let photos: Vec<StoredPhoto> = jobs.iter().map(source).collect();
        let options = RunOptions {
            jobs: self.index_jobs,
            stop: Arc::clone(&self.stop),
            ..RunOptions::default()
        };
        let report = |progress: ProgressEvent<'_>| match progress {
            ProgressEvent::Skipped(path, reason) => {
                let photo = path.to_string_lossy().into_owned();
                refused.lock().insert(photo, reason);
            }
            ProgressEvent::Decoded(path, picture) => {
                if let Err(failure) = self.show(&sealer, &path.to_string_lossy(), picture) {
                    // Not fatal: the first request for a missing derivative makes it.
                    log_failure(&failure);
                }
            }
            ProgressEvent::Known(_) | ProgressEvent::Stored { .. } => {}
        };
        index_photos(&|| faces.pipeline(), photos.into_iter(), collection, &options, &report)?;
        Ok(())
    }

    /// Makes and stores the derivatives of a decoded photo.
    fn show(&self, sealer: &BlobSealer, photo: &str, picture: &Picture) -> Result<()> {
        for kind in [Rendition::Web, Rendition::Thumb] {
            // No removal deletes the photo now: removals wait until `hold_erasures` ends.
            self.blobs.put(sealer, &self.event, photo, kind, &render(kind, picture)?)?;
        }
        Ok(())
    }

    /// Returns whether the collection has the job's photo.
    fn is_there(&self, faces: &FaceEngine, job: &Job) -> Result<bool> {
        let id: PhotoId = job.content.parse()?;
        Ok(faces.open_collection(&self.event)?.collection.has(&id)?)
    }
}
