//! Processes many photos with one source, several workers and one writer, connected by bounded queues.
//!
//! A photo is acknowledged once the sink has made it durable. A bad photo is reported and skipped; a failure
//! of the sink or of a model ends the run.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Pipeline;
use super::batcher::{Batcher, PendingPhoto};
use super::lazy::LazyPipeline;
use super::memory_budget::MemoryBudget;
use crate::decode::DecodeLimits;
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::PhotoId;
use crate::picture::Picture;

/// Limits the queue between two stages to 64 photos; a longer queue costs memory and saves no time.
const QUEUE_PHOTOS: usize = 64;
/// Limits a group commit to 64 photos, which share one fsync of a few milliseconds.
const COMMIT_PHOTOS: usize = 64;
/// Limits the wait of a group commit for more photos to 200 ms.
const COMMIT_WAIT: Duration = Duration::from_millis(200);

/// A destination of analysed photos.
pub trait Sink: Sync {
    /// Returns whether the photo is already stored. An error ends the run.
    fn has(&self, id: &PhotoId) -> Result<bool>;
    /// Stores `photos` durably, all or none; the run acknowledges them when the call returns. An error ends
    /// the run.
    fn put(&self, photos: Vec<Photo>) -> Result<()>;
}

/// A photo to process. The worker that processes the photo reads its bytes.
pub trait PhotoSource: Send {
    /// Returns the path that names the photo in reports and in the store.
    fn path(&self) -> &Path;
    /// Returns the photo's bytes, at most `bytes_max`.
    ///
    /// # Errors
    /// - `Error::Image` or `Error::Io` if the photo cannot be read; the run skips this photo.
    /// - Any other error ends the run.
    fn read(&self, bytes_max: u64) -> Result<Vec<u8>>;
}

impl PhotoSource for PathBuf {
    fn path(&self) -> &Path {
        self
    }

    fn read(&self, bytes_max: u64) -> Result<Vec<u8>> {
        read(self, bytes_max)
    }
}

/// The last stage of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastStage {
    /// Decoding: photos are read, decoded and reported. No model is loaded, no face is detected, and nothing is
    /// stored.
    Decode,
    /// Storing: all stages.
    #[default]
    Store,
}

/// Options of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub last_stage: LastStage,
    /// Number of workers, at least 1; each uses one core. Default: the number of cores, which is fastest.
    pub jobs: usize,
    /// Limits the memory of photos being decoded, bytes, over all workers; default 512 MiB.
    pub decode_bytes_max: u64,
    pub limits: DecodeLimits,
    /// A flag that the caller sets to stop the run. Photos in progress are finished and stored; no new photo
    /// is started.
    pub stop: Arc<AtomicBool>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            last_stage: LastStage::default(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            decode_bytes_max: 512 << 20,
            limits: DecodeLimits::default(),
            stop: Arc::default(),
        }
    }
}

/// A progress event of a run, reported from any worker.
pub enum ProgressEvent<'a> {
    /// The photo is already stored, or an equal file is in progress in this run.
    Known(&'a Path),
    /// The file is not a readable photo. Contains the reason.
    Skipped(&'a Path, String),
    /// A new photo is decoded and upright. The caller can make derivatives without decoding the photo again.
    Decoded(&'a Path, &'a Picture),
    /// A group of photos is durable.
    Stored { photos: usize, faces: usize },
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Photos that were added and are durable.
    pub photos: usize,
    /// Faces in the added photos.
    pub faces: usize,
    /// Photos that were already stored, and files that equal another file of the run.
    pub known: usize,
    pub skipped: usize,
    /// Whether the caller stopped the run.
    pub stopped: bool,
}

/// Processes `photos` with the pipeline that `load` returns, and stores the results in `sink`. `load` is
/// called at the first new photo, so a run without new photos loads no model.
///
/// # Errors
/// - The first error of `load`, of a model or of `sink`.
/// - The first error of a source other than `Error::Image` and `Error::Io`.
/// - `Error::Runtime` if a worker panics.
pub fn index_photos<S: PhotoSource>(
    load: &(dyn Fn() -> Result<Arc<Pipeline>> + Sync),
    photos: impl Iterator<Item = S> + Send,
    sink: &dyn Sink,
    options: &RunOptions,
    on_event: &(dyn Fn(ProgressEvent<'_>) + Sync),
) -> Result<Summary> {
    let shared = RunState {
        pipeline: LazyPipeline::new(load),
        budget: MemoryBudget::new(options.decode_bytes_max),
        under_way: Mutex::new(HashSet::new()),
        counts: Mutex::new(Summary::default()),
        failure: Mutex::new(None),
        sink,
        options,
        on_event,
    };
    let batcher = Batcher::new(&shared.pipeline);
    let (send_path, paths_in) = sync_channel::<S>(QUEUE_PHOTOS);
    let (send_photo, photos_in) = sync_channel::<Photo>(QUEUE_PHOTOS);
    let paths_in = Mutex::new(paths_in);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1))
            .map(|_| {
                let (shared, batcher, paths_in, out) =
                    (&shared, &batcher, &paths_in, send_photo.clone());
                scope.spawn(move || shared.record_failure(shared.work(batcher, paths_in, &out)))
            })
            .collect();
        let writer = scope.spawn(|| shared.record_failure(shared.write(photos_in)));
        for photo in photos {
            if shared.must_stop() || send_path.send(photo).is_err() {
                break;
            }
        }
        drop(send_path);
        // Workers are joined first: the last batch may be flushed only when no worker adds to it.
        let panicked =
            workers.into_iter().map(|worker| worker.join().is_err()).fold(false, |a, b| a | b);
        if panicked {
            shared.record_failure(Err(Error::Runtime {
                reason: "a worker panicked; report this, and run again".into(),
            }));
        }
        shared.record_failure(batcher.flush(&mut |photo| drop(send_photo.send(photo))));
        drop(send_photo);
        drop(writer.join());
    });
    let failure = shared.failure.into_inner();
    let mut summary = shared.counts.into_inner();
    summary.stopped = options.stop.load(Ordering::Relaxed);
    failure.map_or(Ok(summary), Err)
}

struct RunState<'a> {
    pipeline: LazyPipeline<'a>,
    budget: MemoryBudget,
    /// Photos in progress, which are not stored yet; recorded so that only one of two equal files is analysed.
    under_way: Mutex<HashSet<PhotoId>>,
    counts: Mutex<Summary>,
    failure: Mutex<Option<Error>>,
    sink: &'a dyn Sink,
    options: &'a RunOptions,
    on_event: &'a (dyn Fn(ProgressEvent<'_>) + Sync),
}

impl RunState<'_> {
    fn must_stop(&self) -> bool {
        let failed = self.failure.lock().is_some();
        failed || self.options.stop.load(Ordering::Relaxed)
    }

    /// Records the first failure, which ends the run.
    fn record_failure(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.failure.lock().get_or_insert(error);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Summary)) {
        change(&mut self.counts.lock());
    }

    fn work<S: PhotoSource>(
        &self,
        batcher: &Batcher<'_>,
        photos: &Mutex<Receiver<S>>,
        out: &SyncSender<Photo>,
    ) -> Result<()> {
        loop {
            let next = photos.lock().recv();
            let Ok(source) = next else { return Ok(()) };
            if self.must_stop() {
                return Ok(());
            }
            match self.photo(&source, batcher, out) {
                Err(Error::Image { reason }) => self.skip(source.path(), reason),
                Err(error @ Error::Io { .. }) => self.skip(source.path(), error.to_string()),
                other => other?,
            }
        }
    }

    fn skip(&self, path: &Path, reason: String) {
        self.count(|counts| counts.skipped += 1);
        (self.on_event)(ProgressEvent::Skipped(path, reason));
    }

    fn photo(
        &self,
        source: &impl PhotoSource,
        batcher: &Batcher<'_>,
        out: &SyncSender<Photo>,
    ) -> Result<()> {
        let path = source.path();
        let bytes = source.read(self.options.limits.file_bytes_max)?;
        let id = PhotoId::of(&bytes);
        if self.sink.has(&id)? || !self.begin(id) {
            self.count(|counts| counts.known += 1);
            (self.on_event)(ProgressEvent::Known(path));
            return Ok(());
        }
        let analysed = self.analyse(path, bytes, id, batcher, out);
        if analysed.is_err() {
            self.under_way.lock().remove(&id);
        }
        analysed
    }

    fn analyse(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        id: PhotoId,
        batcher: &Batcher<'_>,
        out: &SyncSender<Photo>,
    ) -> Result<()> {
        let header = Picture::probe(&bytes, &self.options.limits)?;
        let _permit = self.budget.acquire(header.memory_bytes + bytes.len() as u64);
        let picture = header.decode(&bytes, &self.options.limits)?;
        drop(bytes);
        (self.on_event)(ProgressEvent::Decoded(path, &picture));
        if self.options.last_stage == LastStage::Decode {
            self.under_way.lock().remove(&id);
            return Ok(());
        }
        let (width, height) = (picture.width(), picture.height());
        let pending = PendingPhoto::new(Photo {
            id,
            path: path.to_path_buf(),
            width,
            height,
            faces: Vec::new(),
        });
        let mut done = |photo| drop(out.send(photo));
        self.find(&picture, batcher, &pending, &mut done)?;
        if let Some(photo) = pending.close() {
            done(photo);
        }
        Ok(())
    }

    fn find(
        &self,
        picture: &Picture,
        batcher: &Batcher<'_>,
        pending: &Arc<PendingPhoto>,
        done: &mut dyn FnMut(Photo),
    ) -> Result<()> {
        self.pipeline.get()?.crops(picture, |found, crop| batcher.push(found, crop, pending, done))
    }

    /// Marks a photo as in progress. Returns false if an equal file is already in progress.
    fn begin(&self, id: PhotoId) -> bool {
        self.under_way.lock().insert(id)
    }

    fn write(&self, photos: Receiver<Photo>) -> Result<()> {
        while let Ok(first) = photos.recv() {
            let mut group = vec![first];
            let deadline = Instant::now() + COMMIT_WAIT;
            while group.len() < COMMIT_PHOTOS {
                match photos.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(photo) => group.push(photo),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.commit(group)?;
        }
        Ok(())
    }

    fn commit(&self, group: Vec<Photo>) -> Result<()> {
        let ids: Vec<PhotoId> = group.iter().map(|photo| photo.id).collect();
        let (photos, faces) = (group.len(), group.iter().map(|photo| photo.faces.len()).sum());
        self.sink.put(group)?;
        // Only after `put` returned: until then a second copy of the photo must count as in progress.
        let mut under_way = self.under_way.lock();
        for id in &ids {
            under_way.remove(id);
        }
        drop(under_way);
        self.count(|counts| {
            (counts.photos, counts.faces) = (counts.photos + photos, counts.faces + faces)
        });
        (self.on_event)(ProgressEvent::Stored { photos, faces });
        Ok(())
    }
}

/// Reads a photo file. Rejects anything but a regular file of at most `bytes_max` before reading.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::io("read", path, source);
    // Checked before opening, because opening a named pipe blocks until its other end is opened.
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(Error::Image { reason: "not a regular file".into() });
    }
    if found.len() > bytes_max {
        let (received, expected) = (found.len() >> 20, bytes_max >> 20);
        return Err(Error::Image {
            reason: format!(
                "the file has {received} MiB; save a smaller copy, because the limit is {expected} MiB"
            ),
        });
    }
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::with_capacity(found.len() as usize + 1);
    // One byte over the limit shows that the file has grown since the check; decoding then rejects the file.
    file.by_ref().take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
