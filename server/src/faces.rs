//! The service's door to the engine: one data folder, the loaded models, and the collections in use.
//!
//! Everything here may block; asynchronous code calls it through [`Faces::run`]. Knows nothing of HTTP or SQL:
//! an event's id is its collection's name.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use picpick_engine::{
    Answer, BlobSealer, Collection, DEFAULT_PACK, DataFolder, DecodeLimits, Error, Keep, Liveness,
    Models, Pack, Pipeline, Precision, Receipt, Search, Vault,
};

use crate::error::{Failure, Kind, Result};
use crate::middleware::Place;
use crate::ops::metrics;
use crate::search::Together;
use crate::settings::Settings;

/// Collections kept open; the one that was used longest ago is closed first.
const OPEN_MAX: usize = 32;
/// How long a deletion waits for those who still look.
const RELEASE_TRIES: u32 = 200;
const RELEASE_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// The engine, shared by all requests.
#[derive(Clone)]
pub struct Faces(Arc<Shared>);

struct Shared {
    data: DataFolder,
    models: Models,
    pack: Pack,
    precision: Precision,
    pipeline: Mutex<Option<Arc<Pipeline>>>,
    liveness: Mutex<Option<Arc<Liveness>>>,
    open: Mutex<OpenCollections>,
}

#[derive(Default)]
struct OpenCollections {
    by_event: HashMap<String, Slot>,
    uses: u64,
}

/// Where an event's collection is kept open, or is being opened by whoever holds it. Whoever waits for that waits
/// here, so that nobody else does.
struct Slot {
    kept: Arc<Mutex<Option<Arc<EventFaces>>>>,
    used: u64,
}

impl Slot {
    /// Whether nobody uses the collection, opens it or waits for it. Asked under the lock on all slots.
    fn is_idle(&self) -> bool {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::strong_count(&self.kept) == 1
            && kept().as_ref().is_none_or(|faces| Arc::strong_count(faces) == 1)
    }
}

/// An event's collection, open.
pub struct EventFaces {
    pub collection: Collection,
    /// Held for reading by whoever adds faces, for writing by whoever erases some: an erasure is attested
    /// by its own counts, and nothing is added in its middle. Photos' files go under it as well: whoever adds
    /// faces reads a file and makes others of it.
    pub erasing: RwLock<()>,
    searches: Together<Search, picpick_engine::Result<Answer>>,
}

impl EventFaces {
    pub fn of(collection: Collection) -> Self {
        Self { collection, erasing: RwLock::default(), searches: Together::default() }
    }

    /// Searches the collection, together with whoever searches it at the same time.
    pub fn search(&self, search: Search) -> Result<Answer> {
        let answered = self.searches.ask(search, |all| self.collection.search_each(&all));
        let lost = || Failure::internal("a search that this one was done with panicked");
        Ok(answered.ok_or_else(lost)??)
    }
}

/// A receipt as people keep it. Its bytes are what is signed.
pub fn receipt_text(receipt: &Receipt) -> Result<String> {
    String::from_utf8(receipt.to_bytes()?).map_err(Failure::internal)
}

impl Faces {
    /// Opens the data folder, which is made when it is not there; loads no model yet.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let data = DataFolder::open(&settings.data, settings.keyring.as_deref())?;
        data.remarks().iter().for_each(|remark| tracing::warn!(%remark, "data folder"));
        let models = Models::new(settings.models.clone(), settings.offline.clone());
        let pack = Pack::builtin(DEFAULT_PACK)?;
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

    /// Does blocking `work` beside the asynchronous threads.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Faces) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let faces = self.clone();
        tokio::task::spawn_blocking(move || work(&faces)).await.map_err(Failure::internal)?
    }

    /// Does heavy `work` in the place that its request was given, which it keeps when the client hangs up.
    pub async fn run_in<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&Faces) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let faces = self.clone();
        place.run(move || work(&faces)).await
    }

    /// Names the data folder: no other has its signing key.
    pub fn home(&self) -> picpick_engine::Result<String> {
        Ok(self.0.data.public_key()?.to_string())
    }

    /// Announces a file that another library of this process has locked, so that scans leave its locks alone.
    pub fn announce_locked(&self, file: &Path) -> picpick_engine::Result<()> {
        self.0.data.announce_locked(file)
    }

    pub fn vault(&self) -> picpick_engine::Result<Vault> {
        self.0.data.vault()
    }

    /// The models, loaded by whoever needs them first.
    pub fn pipeline(&self) -> picpick_engine::Result<Arc<Pipeline>> {
        let mut slot = self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = &*slot {
            return Ok(Arc::clone(pipeline));
        }
        let Shared { models, pack, precision, .. } = &*self.0;
        let loaded = Pipeline::load(models, pack, *precision, DecodeLimits::default())?;
        Ok(Arc::clone(slot.insert(Arc::new(loaded))))
    }

    /// The models that tell a person from a picture of one, loaded by whoever needs them first.
    pub fn liveness(&self) -> picpick_engine::Result<Arc<Liveness>> {
        let mut slot = self.0.liveness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(liveness) = &*slot {
            return Ok(Arc::clone(liveness));
        }
        let loaded = Liveness::load(&self.0.models, self.0.precision)?;
        Ok(Arc::clone(slot.insert(Arc::new(loaded))))
    }

    /// Whether the models' files are in place, or can be taken from the offline folder; loads none.
    pub fn models_are_here(&self) -> bool {
        let Shared { models, pack, .. } = &*self.0;
        let here = models.status(pack).fetched || models.resolve(pack).is_ok();
        here && models.resolve_runtime().is_ok()
    }

    /// Makes the collection of a new event. One that is there already is the event's own.
    pub fn create(&self, event: &str, keep: &Keep) -> Result<()> {
        match self.0.data.create(event, self.0.pack.id(), keep) {
            Ok(_) | Err(Error::CollectionExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes why and until when an event's faces are kept.
    pub fn keep(&self, event: &str, keep: &Keep) -> Result<()> {
        self.close(event);
        Ok(self.0.data.keep(event, keep).map(drop)?)
    }

    /// An event's collection, opened where it is not open yet.
    pub fn event(&self, event: &str) -> Result<Arc<EventFaces>> {
        let slot = self.slot(event);
        let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(faces) = &*kept {
            return Ok(Arc::clone(faces));
        }
        let collection = Collection::open(&self.0.data, event, &self.0.pack)?;
        collection.remarks().iter().for_each(|remark| tracing::warn!(event, %remark, "collection"));
        Ok(Arc::clone(kept.insert(Arc::new(EventFaces::of(collection)))))
    }

    /// The slot of an event's collection; another one's is given up where there are too many.
    fn slot(&self, event: &str) -> Arc<Mutex<Option<Arc<EventFaces>>>> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
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
        let slot = Slot { kept: Arc::default(), used };
        let kept = Arc::clone(&slot.kept);
        open.by_event.insert(event.to_owned(), slot);
        metrics::set_open_collections(open.by_event.len());
        kept
    }

    /// Seals and opens an event's photos.
    pub fn sealer(&self, event: &str) -> Result<BlobSealer> {
        Ok(self.0.data.blob_sealer(event)?)
    }

    /// Closes an event's collection; false while somebody still works with it: it stays known then, so that it
    /// is not opened twice.
    fn close(&self, event: &str) -> bool {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = open.by_event.get(event).is_none_or(Slot::is_idle);
        if is_idle {
            open.by_event.remove(event);
        }
        is_idle
    }

    /// Purges an event's collection for good; waits for searches under way. `None` where there is none any
    /// more. Nobody must be able to reach the event by now.
    pub fn purge(&self, event: &str) -> Result<Option<Receipt>> {
        for _ in 0..RELEASE_TRIES {
            if self.close(event) {
                return match self.0.data.purge(event) {
                    Ok(receipt) => Ok(Some(receipt)),
                    Err(Error::NoCollection { .. }) => Ok(None),
                    Err(error) => Err(error.into()),
                };
            }
            std::thread::sleep(RELEASE_WAIT);
        }
        Err(Failure::new(Kind::Busy, "The event's faces are in use.").retry_after(5))
    }
}
