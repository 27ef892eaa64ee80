//! An opened collection: its store (the source of truth) and its gallery (derived state).
//!
//! A change is written to the store first and then to the gallery. Opening a collection builds the gallery
//! from the store.

mod calibration;
mod erase;
mod frames;
mod gallery;
mod guests;
mod people;
mod refresh;
mod suppressions;
mod threshold_offset;
mod threshold_preview;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::data_dir::{CollectionInfo, DataDir};
use crate::erasure_log::ErasureLog;
use crate::error::{Error, Result};
use crate::face::{Face, Photo};
use crate::guest::Guest;
use crate::ids::{FaceId, PhotoId};
use crate::index::{EXACT_FACES_MAX, ExactIndex, HnswIndex, Index, kernel_name};
use crate::matcher::{Accepted, MatchKind};
use crate::models::manifest::{Matching, Pack};
use crate::pipeline::Sink;
use crate::store::{DerivedState, Store};
use crate::template::Template;

pub use calibration::Calibration;
use erase::PendingErasures;
use frames::FrameMemory;
pub use gallery::{Gallery, KnownFace, KnownPhoto, Scoring};
pub use guests::GuestPhotos;
use guests::GuestRegistry;
pub use people::FaceOfPerson;
use suppressions::SuppressionList;
pub use threshold_preview::{LostMatch, PreviewCounts, ThresholdPreview};

/// A collection opened for indexing, search and erasure, by one process at a time.
///
/// Lock order: `erasure_lock`, `refresh_lock`, `gallery`, `guests`, `frames`, `erased_faces`, `suppressions`. A method that holds one
/// of these locks acquires only later ones. The locks inside the store and the erasure log come after all of
/// them. `erasure_pending` is an atomic flag, written only while `erasure_lock` is held and read without a
/// lock.
pub struct Collection {
    info: CollectionInfo,
    store: Store,
    config: GalleryConfig,
    gallery: RwLock<Gallery>,
    guests: Mutex<GuestRegistry>,
    /// Read from the store at the first use.
    frames: Mutex<Option<FrameMemory>>,
    erasure_log: Arc<ErasureLog>,
    key_fingerprint: [u8; 16],
    /// Tombstones: keyed names of the erased faces. A photo that is indexed again is added without these
    /// faces.
    erased_faces: Mutex<HashSet<[u8; 16]>>,
    /// The people whose faces are not shown. The gallery never contains a hidden face.
    suppressions: Mutex<SuppressionList>,
    /// Whether the erasure log may contain an incomplete erasure: one in progress, or one that an error
    /// ended.
    erasure_pending: AtomicBool,
    /// Held exclusively by an erasure, from the log entry until the receipt is issued, and shared by
    /// [`Collection::hold_erasures`].
    erasure_lock: RwLock<()>,
    /// Serialises changes of the derived state: refreshes of index and people, and the owner's corrections of
    /// people.
    refresh_lock: Mutex<()>,
    warnings: Vec<String>,
}

/// The model pack's constants that a gallery is built with.
#[derive(Clone, Copy)]
struct GalleryConfig {
    dim: usize,
    matching: Matching,
}

/// One query of a batch of searches.
pub struct SearchQuery {
    pub template: Template,
    pub scoring: Scoring,
    /// The similarity that a good face must reach, -1..1; `None` for the collection's threshold.
    pub similarity_min: Option<f32>,
    /// The maximum number of photos returned; `None` for all.
    pub top: Option<usize>,
}

/// The result of a search.
pub struct SearchOutcome {
    /// The similarity that a good face had to reach, -1..1.
    pub threshold: f32,
    /// Best first, one per photo.
    pub matches: Vec<Match>,
}

/// A photo that shows the person.
#[derive(Clone, Debug)]
pub struct Match {
    pub photo: PhotoId,
    pub face: FaceId,
    /// The path that the photo was indexed under.
    pub path: std::path::PathBuf,
    /// The score that was compared with the threshold, -1..1.
    pub similarity: f32,
    pub kind: MatchKind,
    /// 0..1.
    pub quality: f32,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [i32; 4],
}

impl Collection {
    /// Opens the collection `name` of `data` for `pack`, completes interrupted erasures, and builds the
    /// gallery from the store. Damaged rows are left out and reported by `warnings`.
    ///
    /// # Errors
    /// - `NoCollection`: there is no collection of this name.
    /// - `WrongPack`: the collection holds embeddings of another model pack.
    /// - `InUse`: another process has opened the collection.
    /// - `RetentionEnded`: its retention period has ended.
    /// - `NewerFormat`: a newer program wrote the store.
    /// - `Seal`, `Damaged`, `Dimension`: no photo's row could be read.
    /// - `Residue`: the files still contain data of an interrupted erasure.
    /// - `Keyring`, `Store`, `Io`: the keyring, the store or the erasure log could not be read or written.
    pub fn open(data: &DataDir, name: &str, pack: &Pack) -> Result<Self> {
        let info = data.collection(name)?;
        if info.pack != pack.id() {
            let (expected, received) = (info.pack, pack.id().to_owned());
            return Err(Error::WrongPack { collection: name.to_owned(), expected, received });
        }
        let (info, store) = data.store(name)?;
        let erasure_log = data.erasure_log();
        let mut warnings: Vec<String> = store.warning().map(str::to_owned).into_iter().collect();
        let pending = PendingErasures::apply(&erasure_log, &store, info.id)?;
        let config = GalleryConfig { dim: pack.embedder.dim, matching: pack.matching };
        let suppressions = SuppressionList::of(store.suppressions()?);
        let gallery = gallery_of(&store, &info, config, &suppressions, &mut warnings)?;
        let guests = guests_of(&store, &mut warnings)?;
        let mut collection = Self {
            key_fingerprint: store.key_fingerprint(),
            erased_faces: Mutex::new(pending.erased_faces.clone()),
            gallery: RwLock::new(gallery),
            guests: Mutex::new(GuestRegistry::of(guests)),
            suppressions: Mutex::new(suppressions),
            frames: Mutex::default(),
            info,
            store,
            config,
            erasure_log,
            erasure_pending: AtomicBool::new(false),
            erasure_lock: RwLock::default(),
            refresh_lock: Mutex::default(),
            warnings,
        };
        if !pending.is_empty() {
            collection.complete_all(&pending)?;
            collection.warnings.push("interrupted erasures were completed".into());
        }
        Ok(collection)
    }

    /// Returns the collection's name, id, model pack, creation time and retention policy.
    pub fn info(&self) -> &CollectionInfo {
        &self.info
    }

    /// Returns the warnings of opening, for the log: damaged rows, rebuilt indexes, completed erasures.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Calls `read` with the gallery. Readers run in parallel. Changes wait until `read` returns, so `read`
    /// must not call methods of the collection.
    pub fn read_gallery<T>(&self, read: impl FnOnce(&Gallery) -> T) -> T {
        read(&self.gallery())
    }

    /// Locks the gallery for reading. A thread holds at most one such lock: a second lock would wait for a
    /// writer that waits for the first lock.
    pub(crate) fn gallery(&self) -> RwLockReadGuard<'_, Gallery> {
        self.gallery.read()
    }

    /// Locks the gallery for a change.
    pub(crate) fn gallery_mut(&self) -> RwLockWriteGuard<'_, Gallery> {
        self.gallery.write()
    }

    /// Searches for the template's person. Returns at most `top` photos, best first.
    ///
    /// # Errors
    /// - `WrongPack`: the template was made with another model pack.
    /// - `Dimension`, `Damaged`: the template has another length than D, is all zeros, or is not finite.
    pub fn search(
        &self,
        template: &Template,
        scoring: Scoring,
        similarity_min: Option<f32>,
        top: Option<usize>,
    ) -> Result<SearchOutcome> {
        self.check_pack(template)?;
        let gallery = self.gallery();
        let accepted = gallery.search(&template.embedding, scoring, similarity_min)?;
        Ok(run_search(&gallery, accepted, similarity_min, top))
    }

    /// Runs `searches` in one pass over the faces, which takes less time than separate searches. Returns the
    /// result of [`Collection::search`] for each, in order.
    pub fn search_each(&self, searches: &[SearchQuery]) -> Vec<Result<SearchOutcome>> {
        let gallery = self.gallery();
        let fits = |search: &&SearchQuery| self.check_pack(&search.template).is_ok();
        let good = searches.iter().filter(fits);
        let queries: Vec<_> = good
            .map(|of| (of.template.embedding.as_slice(), of.scoring, of.similarity_min))
            .collect();
        let mut found = gallery.search_each(&queries).into_iter();
        let outcome = |search: &SearchQuery| {
            self.check_pack(&search.template)?;
            let accepted = found.next().unwrap_or_else(|| Ok(Vec::new()))?;
            Ok(run_search(&gallery, accepted, search.similarity_min, search.top))
        };
        searches.iter().map(outcome).collect()
    }

    /// Returns the name of the SIMD kernel that searches use on this processor: "avx512-vnni", "avx2", "neon"
    /// or "portable".
    pub fn kernel() -> &'static str {
        kernel_name()
    }

    fn check_pack(&self, template: &Template) -> Result<()> {
        if template.pack == self.info.pack {
            return Ok(());
        }
        let (collection, expected, received) =
            (self.info.name.clone(), self.info.pack.clone(), template.pack.clone());
        Err(Error::WrongPack { collection, expected, received })
    }

    /// Makes a template from a face of this collection.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such face.
    /// - `Seal`, `Damaged`, `Store`: the row of the face's photo cannot be read.
    pub fn template_of(&self, face: &FaceId) -> Result<Template> {
        let missing = || Error::NotFound { kind: "face", id: face.to_string() };
        let photo = self.gallery().face(face).map(|known| known.photo).ok_or_else(missing)?;
        let photo = self.store.get_by_key(&self.store.photo_key(&photo)?)?.ok_or_else(missing)?;
        let stored = photo.faces.iter().find(|stored| stored.id == *face).ok_or_else(missing)?;
        Template::of(&[("the face", stored)], &self.info.pack)
    }

    /// Returns the score of `face` that a search by `template` compares with the threshold, -1..1; `None` if
    /// the collection has no such face.
    pub fn score(&self, template: &Template, face: &FaceId, scoring: Scoring) -> Option<f32> {
        self.gallery().score(face, &template.embedding, scoring)
    }

    fn erased_faces(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        self.erased_faces.lock()
    }
}

impl Sink for Collection {
    fn has(&self, id: &PhotoId) -> Result<bool> {
        self.store.has(id)
    }

    fn put(&self, mut photos: Vec<Photo>) -> Result<()> {
        self.catch_up()?;
        let erased = self.erased_faces();
        if !erased.is_empty() {
            for photo in &mut photos {
                self.store.remove_faces(photo, &erased)?;
            }
        }
        drop(erased);
        // Durable before the photos, so that no crash shows a face that is to be hidden.
        self.suppress_new(&mut photos)?;
        self.store.put(&photos)?;
        let mut gallery = self.gallery_mut();
        self.suppressions().remove_hidden_of(&mut photos);
        photos.iter().try_for_each(|photo| gallery.add(photo))?;
        self.guests().match_photos(&gallery, &photos);
        Ok(())
    }
}

fn run_search(
    gallery: &Gallery,
    mut accepted: Vec<Accepted>,
    similarity_min: Option<f32>,
    top: Option<usize>,
) -> SearchOutcome {
    accepted.truncate(top.unwrap_or(usize::MAX));
    let found = |accepted| gallery.to_match(accepted);
    let threshold = similarity_min.unwrap_or_else(|| gallery.threshold());
    SearchOutcome { threshold, matches: accepted.into_iter().filter_map(found).collect() }
}

/// Builds the gallery from the store. Stores the index and the people if they changed.
fn gallery_of(
    store: &Store,
    info: &CollectionInfo,
    config: GalleryConfig,
    suppressions: &SuppressionList,
    warnings: &mut Vec<String>,
) -> Result<Gallery> {
    let before = warnings.len();
    let photos = scan(store, info, config.dim, suppressions, warnings)?;
    let whole = warnings.len() == before;
    let mut gallery =
        Gallery::with(index_of(store, &photos, config.dim, warnings)?, config.matching);
    gallery.threshold_offset = threshold_offset::of(store, warnings)?;
    photos.iter().for_each(|photo| gallery.register_photo(photo));
    gallery.people = people::people_of(store, config, &photos, suppressions, whole, warnings)?;
    Ok(gallery)
}

/// Reads the guests. Leaves out guests whose row is damaged, who must pass verification again.
fn guests_of(store: &Store, warnings: &mut Vec<String>) -> Result<Vec<Guest>> {
    let mut lost = 0;
    let guests = store.guests(|_| lost += 1)?;
    if lost > 0 {
        warnings.push(format!("{lost} guest records are damaged: these guests must verify again"));
    }
    Ok(guests)
}

/// Reads all photos, without hidden faces. Leaves out damaged photos, with their number in `warnings`. If no photo can be read,
/// returns the first error: a wrong key is then more likely than damage to every row.
fn scan(
    store: &Store,
    info: &CollectionInfo,
    dim: usize,
    suppressions: &SuppressionList,
    warnings: &mut Vec<String>,
) -> Result<Vec<Photo>> {
    let (mut photos, mut damaged) = (Vec::new(), Vec::new());
    store.scan(|photo| photos.push(photo), |error| damaged.push(error))?;
    let wrong = |photo: &Photo| {
        photo.faces.iter().map(|face| face.embedding.len()).find(|&received| received != dim)
    };
    damaged.extend(
        photos
            .iter()
            .filter_map(wrong)
            .map(|received| Error::Dimension { expected: dim, received }),
    );
    photos.retain(|photo| wrong(photo).is_none());
    suppressions.remove_hidden_of(&mut photos);
    let lost = damaged.len();
    match damaged.into_iter().next() {
        Some(error) if photos.is_empty() => Err(error),
        Some(error) => {
            warnings.push(format!(
                "collection '{}': {lost} photos are left out; restore a backup: {error}",
                info.name
            ));
            Ok(photos)
        }
        None => Ok(photos),
    }
}

fn index_of(
    store: &Store,
    photos: &[Photo],
    dim: usize,
    warnings: &mut Vec<String>,
) -> Result<Box<dyn Index>> {
    if faces_of(photos).count() > EXACT_FACES_MAX {
        return graph_of(store, photos, dim, warnings);
    }
    let mut index = ExactIndex::new(dim);
    faces_of(photos).try_for_each(|face| index.insert(face.id, &face.embedding))?;
    Ok(Box::new(index))
}

fn faces_of(photos: &[Photo]) -> impl Iterator<Item = &Face> {
    photos.iter().flat_map(|photo| &photo.faces)
}

/// Loads the stored graph and reconciles it with `photos`. Builds a new graph if the stored graph is missing
/// or damaged.
fn graph_of(
    store: &Store,
    photos: &[Photo],
    dim: usize,
    warnings: &mut Vec<String>,
) -> Result<Box<dyn Index>> {
    let stored = store
        .get_derived(DerivedState::Index)
        .and_then(|bytes| bytes.map(|bytes| HnswIndex::from_bytes(&bytes)).transpose());
    let mut graph = match stored {
        Ok(Some(graph)) if graph.dim() == dim => graph,
        Ok(None) => HnswIndex::new(dim),
        Ok(Some(_)) => empty_index("it holds embeddings of another length", dim, warnings),
        Err(error) => empty_index(&error.to_string(), dim, warnings),
    };
    let present: HashSet<FaceId> = faces_of(photos).map(|face| face.id).collect();
    let erased = graph.reconcile(|face| present.contains(face));
    for face in faces_of(photos) {
        if !graph.contains(&face.id) {
            graph.insert(face.id, &face.embedding)?;
        }
    }
    let grown = graph.needs_freeze();
    if grown {
        graph.freeze()?;
    }
    if (grown || erased > 0) && !store.is_read_only() {
        store.put_derived(DerivedState::Index, &graph.to_bytes())?;
    }
    Ok(Box::new(graph))
}

fn empty_index(reason: &str, dim: usize, warnings: &mut Vec<String>) -> HnswIndex {
    warnings.push(format!("the stored index is rebuilt from the photos: {reason}"));
    HnswIndex::new(dim)
}
