//! Collects the crops of several photos into full batches for the embedding model.
//!
//! The worker whose crop fills a batch embeds the batch. No worker waits for a batch to fill, and the queue
//! never exceeds one batch. Memory therefore grows neither with the number of photos nor with the faces in a
//! photo.

use std::sync::Arc;

use parking_lot::Mutex;

use super::DetectedFace;
use super::lazy::LazyPipeline;
use crate::embed::BATCH;
use crate::error::Result;
use crate::face::{Face, Photo};
use crate::ids::PhotoId;
use crate::picture::Picture;

/// A photo in progress: complete when it is closed and all its faces have their embeddings.
pub(super) struct PendingPhoto {
    id: PhotoId,
    state: Mutex<PendingState>,
}

struct PendingState {
    photo: Photo,
    /// Faces in order of detection; `None` until the embedding is computed.
    faces: Vec<Option<Face>>,
    /// Faces without an embedding.
    waiting: usize,
    closed: bool,
}

impl PendingPhoto {
    pub(super) fn new(photo: Photo) -> Arc<Self> {
        Arc::new(Self {
            id: photo.id,
            state: Mutex::new(PendingState { photo, faces: Vec::new(), waiting: 0, closed: false }),
        })
    }

    /// Marks the photo as having no further faces. Returns the photo if it is complete.
    pub(super) fn close(&self) -> Option<Photo> {
        let mut state = self.state.lock();
        state.closed = true;
        state.finish()
    }

    fn expect_face(&self) -> usize {
        let mut state = self.state.lock();
        state.faces.push(None);
        state.waiting += 1;
        state.faces.len() - 1
    }

    fn deliver(&self, place: usize, face: Face) -> Option<Photo> {
        let mut state = self.state.lock();
        if let Some(slot) = state.faces.get_mut(place) {
            *slot = Some(face);
            state.waiting -= 1;
        }
        state.finish()
    }
}

impl PendingState {
    fn finish(&mut self) -> Option<Photo> {
        if !self.closed || self.waiting > 0 {
            return None;
        }
        let faces = std::mem::take(&mut self.faces).into_iter().flatten().collect();
        Some(Photo { faces, ..self.photo.clone() })
    }
}

/// A face without an embedding, and its position in its photo.
struct WaitingCrop {
    found: DetectedFace,
    pending: Arc<PendingPhoto>,
    place: usize,
}

/// The queue of crops for the next batch, at most `BATCH`.
pub(super) struct Batcher<'a> {
    pipeline: &'a LazyPipeline<'a>,
    waiting: Mutex<Vec<(WaitingCrop, Picture)>>,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(pipeline: &'a LazyPipeline<'a>) -> Self {
        Self { pipeline, waiting: Mutex::new(Vec::with_capacity(BATCH)) }
    }

    /// Adds a crop, and embeds the batch if it is full. Calls `done` for each photo that the batch completes.
    pub(super) fn push(
        &self,
        found: DetectedFace,
        crop: Picture,
        pending: &Arc<PendingPhoto>,
        done: &mut dyn FnMut(Photo),
    ) -> Result<()> {
        let place = pending.expect_face();
        let mut waiting = self.waiting.lock();
        waiting.push((WaitingCrop { found, pending: pending.clone(), place }, crop));
        if waiting.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::replace(&mut *waiting, Vec::with_capacity(BATCH));
        drop(waiting);
        self.embed(batch, done)
    }

    /// Embeds the queued crops, even if the batch is not full.
    pub(super) fn flush(&self, done: &mut dyn FnMut(Photo)) -> Result<()> {
        let batch = std::mem::take(&mut *self.waiting.lock());
        self.embed(batch, done)
    }

    fn embed(&self, batch: Vec<(WaitingCrop, Picture)>, done: &mut dyn FnMut(Photo)) -> Result<()> {
        let (waiting, crops): (Vec<WaitingCrop>, Vec<Picture>) = batch.into_iter().unzip();
        if crops.is_empty() {
            return Ok(());
        }
        let pipeline = self.pipeline.get()?;
        let embeddings = pipeline.embedder.embed(&crops)?;
        for (WaitingCrop { found, pending, place }, embedding) in
            waiting.into_iter().zip(embeddings)
        {
            let face = pipeline.face(pending.id, &found, embedding);
            if let Some(photo) = pending.deliver(place, face) {
                done(photo);
            }
        }
        Ok(())
    }
}
