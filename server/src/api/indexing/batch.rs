//! A batch of jobs of one event: reads photos from the photo store and adds their faces to the event's
//! collection.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use picpick_engine::indexing::{
    LastStage, PhotoSource, ProgressEvent, RunOptions, Sink as _, index_photos,
};
use picpick_engine::{BlobSealer, Collection, Error, PhotoId, Picture};

use crate::error::Result;
use crate::infra::face_engine::FaceEngine;
use crate::infra::imaging::derivatives::render;
use crate::infra::jobs::queue::{Job, JobOutcome};
use crate::infra::photo_store::{PhotoStore, Rendition};

/// A batch of jobs, run on a blocking thread.
pub struct IndexBatch {
    pub blobs: PhotoStore,
    pub event: String,
    /// `Decode` makes the derivatives and nothing else, for an event that waits for its first search.
    pub last_stage: LastStage,
    /// Maximum number of the engine's threads.
    pub index_jobs: usize,
    pub stop: Arc<AtomicBool>,
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

/// What the engine reported on the photos of a batch, by their ids.
#[derive(Default)]
struct Report {
    /// The photos that the engine rejected, with the reasons.
    refused: HashMap<String, String>,
    decoded: HashSet<String>,
}

impl IndexBatch {
    /// Indexes the photos of `jobs` and returns the outcome of each job.
    pub fn run(&self, faces: &FaceEngine, jobs: Vec<Job>) -> Vec<(Job, JobOutcome)> {
        let report: Mutex<Report> = Mutex::default();
        let ended = self.index(faces, &jobs, &report);
        let Report { refused, decoded } = report.into_inner();
        let deferred =
            |job: &Job| self.last_stage == LastStage::Decode && decoded.contains(&job.photo);
        let outcome = |job: &Job| {
            if let Some(reason) = refused.get(&job.photo) {
                return JobOutcome::Rejected(reason.clone());
            }
            match self.is_there(faces, job) {
                Ok(true) => JobOutcome::Done,
                Ok(false) if deferred(job) => JobOutcome::Deferred,
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

    /// Indexes the photos of `jobs`, and adds what the engine reports to `report`.
    fn index(&self, faces: &FaceEngine, jobs: &[Job], report: &Mutex<Report>) -> Result<()> {
        let event = faces.open_collection(&self.event)?;
        let collection = &event.collection;
        collection.hold_erasures(|| self.index_into(collection, faces, jobs, report))?
    }

    /// Does the work of `index`, while no erasure runs.
    fn index_into(
        &self,
        collection: &Collection,
        faces: &FaceEngine,
        jobs: &[Job],
        report: &Mutex<Report>,
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
            last_stage: self.last_stage,
            jobs: self.index_jobs,
            stop: Arc::clone(&self.stop),
            ..RunOptions::default()
        };
        let on_event = |progress: ProgressEvent<'_>| match progress {
            ProgressEvent::Skipped(path, reason) => {
                let photo = path.to_string_lossy().into_owned();
                report.lock().refused.insert(photo, reason);
            }
            ProgressEvent::Decoded(path, picture) => {
                let photo = path.to_string_lossy().into_owned();
                if let Err(failure) = self.show(&sealer, &photo, picture) {
                    // Not fatal: the first request for a missing derivative makes it.
                    tracing::error!(reason = failure.reason(), "rendering a photo failed");
                }
                report.lock().decoded.insert(photo);
            }
            ProgressEvent::Known(_) | ProgressEvent::Stored { .. } => {}
        };
        index_photos(&|| faces.pipeline(), photos.into_iter(), collection, &options, &on_event)?;
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
