//! The face engine of the service: one data folder, the loaded models and the open collections. An event's id
//! is the name of its collection.
//!
//! All functions may block; asynchronous code calls them through [`FaceEngine::run`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use picpick_engine::audit::{AuditCheckpoint, ChainKey};
use picpick_engine::liveness::Liveness;
use picpick_engine::receipts::{Receipt, Requester};
use picpick_engine::{
    BlobSealer, Collection, DataDir, DecodeLimits, Error, Models, Pack, Pipeline, Precision,
    RetentionPolicy, SearchOutcome, SearchQuery, Vault,
};

use crate::config::settings::Settings;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::admission::{Slot, run_blocking};
use crate::infra::search_batcher::SearchBatcher;
use crate::infra::telemetry::metrics;

/// Limits the open collections to 32: before one more is opened, the least recently used idle collection is
/// closed. Collections in use are never closed, so more than 32 may be open.
const OPEN_MAX: usize = 32;
/// Limits the polls of a purge that waits for searches to release the collection: 200 polls, 10 s in all.
const RELEASE_POLLS_MAX: u32 = 200;
/// Interval of these polls, 50 ms.
const RELEASE_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// The face engine, shared by all requests. Clones share one engine.
#[derive(Clone)]
pub struct FaceEngine(Arc<Shared>);

struct Shared {
    data: DataDir,
    models: Models,
    pack: Pack,
    precision: Precision,
    pipeline: Mutex<Option<Arc<Pipeline>>>,
    liveness: Mutex<Option<Arc<Liveness>>>,
    open: Mutex<OpenCollections>,
}

#[derive(Default)]
struct OpenCollections {
    by_event: HashMap<String, CollectionSlot>,
    uses: u64,
}

/// The slot of one event's collection. Its lock is held while the collection is opened, so that only callers
/// that need this collection wait for it (single flight).
struct CollectionSlot {
    kept: Arc<Mutex<Option<Arc<OpenCollection>>>>,
    used: u64,
}

impl CollectionSlot {
    /// Returns whether no caller uses the collection, opens it or waits for it. Called under the lock on all
    /// slots.
    fn is_idle(&self) -> bool {
        let kept = || self.kept.lock();
        Arc::strong_count(&self.kept) == 1
            && kept().as_ref().is_none_or(|faces| Arc::strong_count(faces) == 1)
    }
}

/// The open collection of an event.
pub struct OpenCollection {
    pub collection: Collection,
    searches: SearchBatcher<SearchQuery, picpick_engine::Result<SearchOutcome>>,
}

impl OpenCollection {
    pub fn of(collection: Collection) -> Self {
        Self { collection, searches: SearchBatcher::default() }
    }

    /// Searches the collection. Concurrent searches are batched.
    pub fn search(&self, search: SearchQuery) -> Result<SearchOutcome> {
        let answered = self.searches.submit(search, |all| self.collection.search_each(&all));
        let lost = || ApiError::internal("the batch of this search panicked");
        Ok(answered.ok_or_else(lost)??)
    }
}

impl FaceEngine {
    /// Opens the data folder and creates it if it is missing. Models are loaded on first use.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let data = DataDir::open(&settings.data, settings.keyring.as_deref())?;
        data.warnings().iter().for_each(|remark| tracing::warn!(%remark, "data folder"));
        if data.keyring_is_inside() {
            tracing::warn!(
                "the keyring lies inside the data folder: every snapshot or copy of the data folder holds the keys of \
                 what is purged later; move it with --keyring, see docs/operations.md"
            );
        }
        let models = Models::new(settings.models.clone(), settings.offline.clone());
        let pack = Pack::builtin(Pack::DEFAULT)?;
        Ok(Self(Arc::new(Shared {
            data,
            models,
            pack,
            precision: settings.precision,
            pipeline: Mutex::default(),
            liveness: Mutex::default(),
            open: Mutex::default(),
        })))
    }

    /// Runs blocking `work` on the thread pool for blocking tasks. The work of a request holds the request's
    /// slot until it is done, even if the client disconnects.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FaceEngine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let faces = self.clone();
        run_blocking(move || work(&faces)).await
    }

    /// Runs heavy `work` under the admission permit of its request. The work holds the permit until it is
    /// done, even if the client disconnects.
    pub async fn run_with_permit<T: Send + 'static>(
        &self,
        place: Slot,
        work: impl FnOnce(&FaceEngine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let faces = self.clone();
        place.run(move || work(&faces)).await
    }

    /// Returns the id of the data folder: its public signing key, which no other data folder has.
    pub fn node_id(&self) -> picpick_engine::Result<String> {
        Ok(self.0.data.public_key()?.to_string())
    }

    /// Registers a file on which another library of this process (SQLite) holds POSIX record locks. Residue
    /// scans then read the file without releasing these locks.
    pub fn announce_locked(&self, file: &Path) -> picpick_engine::Result<()> {
        self.0.data.announce_locked(file)
    }

    pub fn vault(&self) -> picpick_engine::Result<Vault> {
        self.0.data.vault()
    }

    /// Returns the key of the audit log.
    pub fn audit_key(&self) -> picpick_engine::Result<ChainKey> {
        self.0.data.audit_key()
    }

    /// Returns the last checkpoint of the audit log.
    pub fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        Ok(self.0.data.audit_checkpoint()?)
    }

    /// Replaces the checkpoint `old` of the audit log by `new`, unless another process has replaced it.
    pub fn replace_audit_checkpoint(
        &self,
        old: Option<&AuditCheckpoint>,
        new: AuditCheckpoint,
    ) -> Result<bool> {
        Ok(self.0.data.replace_audit_checkpoint(old, new)?)
    }

    /// Returns the detection and embedding pipeline; the first call loads its models.
    pub fn pipeline(&self) -> picpick_engine::Result<Arc<Pipeline>> {
        let mut slot = self.0.pipeline.lock();
        if let Some(pipeline) = &*slot {
            return Ok(Arc::clone(pipeline));
        }
        let Shared { models, pack, precision, .. } = &*self.0;
        let loaded = Pipeline::load(models, pack, *precision, DecodeLimits::default())?;
        Ok(Arc::clone(slot.insert(Arc::new(loaded))))
    }

    /// Returns the models for presentation attack detection; the first call loads them.
    pub fn liveness(&self) -> picpick_engine::Result<Arc<Liveness>> {
        let mut slot = self.0.liveness.lock();
        if let Some(liveness) = &*slot {
            return Ok(Arc::clone(liveness));
        }
        let loaded = Liveness::load(&self.0.models, self.0.precision)?;
        Ok(Arc::clone(slot.insert(Arc::new(loaded))))
    }

    /// Overwrites the buffers of the loaded models, which hold the last pictures, crops and embeddings.
    pub fn overwrite_buffers(&self) {
        let pipeline = self.0.pipeline.lock().clone();
        pipeline.iter().for_each(|pipeline| pipeline.overwrite_buffers());
        let liveness = self.0.liveness.lock().clone();
        liveness.iter().for_each(|liveness| liveness.overwrite_buffers());
    }

    /// Returns whether the model files are installed or available from the offline folder, and the inference
    /// runtime is found. Loads neither the models nor the runtime.
    pub fn models_available(&self) -> bool {
        let Shared { models, pack, .. } = &*self.0;
        let here = models.status(pack).fetched || models.resolve(pack).is_ok();
        here && models.resolve_runtime().is_ok()
    }

    /// Creates the collection of a new event. Idempotent: an existing collection of this name is the event's
    /// own.
    pub fn create(&self, event: &str, keep: &RetentionPolicy) -> Result<()> {
        match self.0.data.create(event, self.0.pack.id(), keep) {
            Ok(_) | Err(Error::CollectionExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the retention policy of an event's faces: purpose, legal basis and end.
    pub fn set_retention(&self, event: &str, keep: &RetentionPolicy) -> Result<()> {
        self.close(event);
        Ok(self.0.data.set_retention(event, keep).map(drop)?)
    }

    /// Returns an event's collection; opens it if necessary.
    pub fn open_collection(&self, event: &str) -> Result<Arc<OpenCollection>> {
        let slot = self.slot(event);
        let mut kept = slot.lock();
        if let Some(faces) = &*kept {
            return Ok(Arc::clone(faces));
        }
        let collection = Collection::open(&self.0.data, event, &self.0.pack)?;
        collection
            .warnings()
            .iter()
            .for_each(|remark| tracing::warn!(event, %remark, "collection"));
        Ok(Arc::clone(kept.insert(Arc::new(OpenCollection::of(collection)))))
    }

    /// Returns the slot of an event's collection. If [`OPEN_MAX`] collections are open, closes the least
    /// recently used idle one first.
    fn slot(&self, event: &str) -> Arc<Mutex<Option<Arc<OpenCollection>>>> {
        let mut open = self.0.open.lock();
        open.uses += 1;
        let used = open.uses;
        if let Some(slot) = open.by_event.get_mut(event) {
            slot.used = used;
            return Arc::clone(&slot.kept);
        }
        if open.by_event.len() >= OPEN_MAX {
            let idle = open.by_event.iter().filter(|(_, slot)| slot.is_idle());
            let oldest = idle.min_by_key(|(_, slot)| slot.used).map(|(event, _)| event.clone());
            oldest.map(|event| open.by_event.remove(&event));
        }
        let slot = CollectionSlot { kept: Arc::default(), used };
        let kept = Arc::clone(&slot.kept);
        open.by_event.insert(event.to_owned(), slot);
        metrics::set_open_collections(open.by_event.len());
        kept
    }

    /// Returns the cipher that seals and opens the photos of an event.
    pub fn sealer(&self, event: &str) -> Result<BlobSealer> {
        Ok(self.0.data.blob_sealer(event)?)
    }

    /// Closes an event's collection. Returns false if the collection is in use; the collection then stays
    /// registered, so that no caller opens it twice.
    fn close(&self, event: &str) -> bool {
        let mut open = self.0.open.lock();
        let is_idle = open.by_event.get(event).is_none_or(CollectionSlot::is_idle);
        if is_idle {
            open.by_event.remove(event);
            metrics::set_open_collections(open.by_event.len());
        }
        is_idle
    }

    /// Purges an event's collection. Waits up to 10 s for running searches. Returns `None` if
    /// the collection no longer exists. The caller must first make the event unreachable.
    ///
    /// # Errors
    /// - `Busy` if the collection is still in use after 10 s.
    /// - The engine's error if the purge fails.
    pub fn purge(&self, event: &str, requester: Requester) -> Result<Option<Receipt>> {
        for _ in 0..RELEASE_POLLS_MAX {
            if self.close(event) {
                match self.0.data.purge(event, requester) {
                    Ok(receipt) => return Ok(Some(receipt)),
                    Err(Error::NoCollection { .. }) => return Ok(None),
                    // The indexing worker opened the collection again, for jobs that it had claimed before.
                    Err(Error::InUse { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            std::thread::sleep(RELEASE_WAIT);
        }
        let detail = "The event's faces are in use; try again in 5 seconds.";
        Err(ApiError::new(ErrorKind::Busy, detail).retry_after(5))
    }
}
