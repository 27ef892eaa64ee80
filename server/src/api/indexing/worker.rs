//! The indexing worker: reads photos from the photo store and adds their faces to the event's collection.
//!
//! It runs one batch of one event at a time, with at most `index_jobs` threads of the engine; the other cores
//! are left to searches.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picpick_engine::{
    BlobSealer, Error, Event, PhotoId, PhotoSource, Picture, RunOptions, Sink as _, run,
};

use crate::api::guest::noticed;
use crate::app::App;
use crate::error::{Failure, Result};
use crate::infra::face_engine::Faces;
use crate::infra::imaging::derivatives::derive;
use crate::infra::jobs::queue::{Job, Outcome, give_back, settle, take, waiting};
use crate::infra::photo_store::{Blobs, Kind};
use crate::infra::telemetry::metrics;

/// Polling interval of the queue: a job becomes due without a wake-up when its back-off ends or its lease
/// expires.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Greatest number of photos that are added before people are clustered again. They are also clustered when
/// no job is due. Cost: a pass over the whole collection.
const SETTLE_PHOTOS: usize = 2000;

/// Runs jobs until `stop` is set. Finishes the current batch before it returns.
pub async fn work(app: App, stop: Arc<AtomicBool>) {
    if let Err(failure) = give_back(app.db(), app.home()).await {
        complain(&failure);
    }
    let mut unsettled: HashMap<String, usize> = HashMap::new();
    while !stop.load(Ordering::SeqCst) {
        match batch(&app, &stop).await {
            Ok(Some((event, photos))) => {
                app.jobs().tell(&event);
                let count = unsettled.entry(event.clone()).or_default();
                *count += photos;
                if *count >= SETTLE_PHOTOS {
                    form_people(&app, &event).await;
                    unsettled.remove(&event);
                }
            }
            Ok(None) => {
                for (event, _) in unsettled.drain() {
                    form_people(&app, &event).await;
                    app.jobs().tell(&event);
                    // Clustering can match guests to faces that did not match on their own.
                    app.news().tell(&event, None);
                }
                let _ = tokio::time::timeout(LOOK_EVERY, app.jobs().ready.notified()).await;
            }
            Err(failure) => {
                complain(&failure);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// Logs an error of the worker.
fn complain(failure: &Failure) {
    tracing::error!(reason = failure.reason(), "indexing failed");
}

/// Refreshes an event's people and index.
async fn form_people(app: &App, event: &str) {
    let name = event.to_owned();
    let settled = app.faces().run(move |faces| Ok(faces.event(&name)?.collection.settle()?)).await;
    if let Err(failure) = settled {
        complain(&failure);
    }
}

/// Claims and runs one batch. Returns its event and the number of photos that were added, or `None` if no job
/// is due.
async fn batch(app: &App, stop: &Arc<AtomicBool>) -> Result<Option<(String, usize)>> {
    let Some((event, jobs)) = take(app.db(), app.home()).await? else { return Ok(None) };
    app.jobs().tell(&event);
    let work = Work {
        blobs: app.blobs().clone(),
        event: event.clone(),
        index_jobs: app.settings().index_jobs,
        stop: Arc::clone(stop),
    };
    let (taken, name) = (jobs.clone(), event.clone());
    let of = event.clone();
    let done = app.faces().run(move |faces| {
        let outcomes = work.run(faces, taken);
        let met = faces.event(&of).map(|event| event.collection.take_sightings());
        Ok((outcomes, met.unwrap_or_default()))
    });
    let (outcomes, met) = done.await?;
    let added = outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Done).count();
    for (job, outcome) in &outcomes {
        metrics::count_indexed(match outcome {
            Outcome::Done => "done",
            Outcome::Refused(_) => "rejected",
            Outcome::Later(_) => "retry",
        });
        if let Outcome::Later(reason) = outcome {
            tracing::warn!(event = name, photo = job.photo, attempts = job.attempts, %reason, "indexing will be retried");
        }
    }
    settle(app.db(), &outcomes).await?;
    noticed(app, &event, &met).await?;
    metrics::set_waiting(waiting(app.db()).await?);
    Ok(Some((event, added)))
}

/// A batch of jobs, run on a blocking thread.
struct Work {
    blobs: Blobs,
    event: String,
    index_jobs: usize,
    stop: Arc<AtomicBool>,
}

/// A photo in the photo store, as the engine reads it.
struct Stored {
    sealer: Arc<BlobSealer>,
    blobs: Blobs,
    event: String,
    photo: String,
    /// The photo's id, which the engine uses as its path.
    path: PathBuf,
}

impl PhotoSource for Stored {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, _: u64) -> picpick_engine::Result<Vec<u8>> {
        let place = |reason: String| Error::Place { place: "the photo store".into(), reason };
        match self.blobs.get(&self.sealer, &self.event, &self.photo, Kind::Original) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => {
                Err(Error::Image { reason: "the photo's file does not exist any more".into() })
            }
            Err(failure) => Err(place(failure.reason().to_owned())),
        }
    }
}

impl Work {
    /// Indexes the photos of `jobs` and returns the outcome of each job.
    fn run(&self, faces: &Faces, jobs: Vec<Job>) -> Vec<(Job, Outcome)> {
        let refused: Mutex<HashMap<String, String>> = Mutex::default();
        let ended = self.index(faces, &jobs, &refused);
        let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = |job: &Job| {
            if let Some(reason) = refused.get(&job.photo) {
                return Outcome::Refused(reason.clone());
            }
            match self.is_there(faces, job) {
                Ok(true) => Outcome::Done,
                Ok(false) => Outcome::Later(match &ended {
                    Err(failure) => failure.reason().to_owned(),
                    Ok(()) => "stopped".into(),
                }),
                Err(failure) => Outcome::Later(failure.reason().to_owned()),
            }
        };
        jobs.into_iter().map(|job| (job.clone(), outcome(&job))).collect()
    }

    /// Indexes the photos of `jobs`. Adds the photos that the engine rejected to `refused`, with the reasons.
    fn index(
        &self,
        faces: &Faces,
        jobs: &[Job],
        refused: &Mutex<HashMap<String, String>>,
    ) -> Result<()> {
        let event = faces.event(&self.event)?;
        let _no_erasure = event.erasing.read().unwrap_or_else(PoisonError::into_inner);
        // Read once per batch: a purge waits for the batch, so this copy of the key does not outlive the
        // event.
        let sealer = Arc::new(faces.sealer(&self.event)?);
        let source = |job: &Job| Stored {
            sealer: Arc::clone(&sealer),
            blobs: self.blobs.clone(),
            event: self.event.clone(),
            photo: job.photo.clone(),
            path: PathBuf::from(&job.photo),
        };
        let photos: Vec<Stored> = jobs.iter().map(source).collect();
        let options = RunOptions {
            jobs: self.index_jobs,
            stop: Arc::clone(&self.stop),
            ..RunOptions::default()
        };
        let tell = |told: Event<'_>| match told {
            Event::Skipped(path, reason) => {
                let photo = path.to_string_lossy().into_owned();
                refused.lock().unwrap_or_else(PoisonError::into_inner).insert(photo, reason);
            }
            Event::Decoded(path, picture) => {
                if let Err(failure) = self.show(&sealer, &path.to_string_lossy(), picture) {
                    // Not fatal: derivatives are made again on the first request.
                    complain(&failure);
                }
            }
            Event::Known(_) | Event::Stored { .. } => {}
        };
        run(&|| faces.pipeline(), photos.into_iter(), &event.collection, &options, &tell)?;
        Ok(())
    }

    /// Makes and stores the derivatives of a decoded photo.
    fn show(&self, sealer: &BlobSealer, photo: &str, picture: &Picture) -> Result<()> {
        for kind in [Kind::Web, Kind::Thumb] {
            // The photo cannot be removed meanwhile: `index` holds `erasing`, which a removal locks
            // exclusively.
            self.blobs.put(sealer, &self.event, photo, kind, &derive(kind, picture)?)?;
        }
        Ok(())
    }

    /// Returns whether the collection has the job's photo.
    fn is_there(&self, faces: &Faces, job: &Job) -> Result<bool> {
        let id: PhotoId = job.content.parse()?;
        Ok(faces.event(&self.event)?.collection.has(&id)?)
    }
}
