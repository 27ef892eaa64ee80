//! One opened collection: its store (truth) and its gallery (derived), kept in step.
//!
//! The store is changed first, the gallery after it; on opening, the gallery is made from the store.
//! Knows nothing of decoding, detection or the command line.

mod erase;
mod evidence;
mod gallery;
mod guests;
mod people;
mod preview;
mod settle;
mod stricter;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::books::Books;
use crate::data::{CollectionInfo, DataFolder};
use crate::error::{Error, Result};
use crate::face::{Face, Photo};
use crate::guest::Guest;
use crate::ids::{FaceId, PhotoId};
use crate::index::{EXACT_FACES_MAX, ExactIndex, HnswIndex, Index};
use crate::manifest::{Matching, Pack};
use crate::matcher::{Accepted, MatchKind};
use crate::pipeline::Sink;
use crate::query::Template;
use crate::store::{Blob, Store};

use erase::Pending;
pub use evidence::Calibration;
pub use gallery::{Gallery, KnownFace, KnownPhoto, Scoring};
pub use guests::GuestPhotos;
use guests::Guests;
pub use people::{FaceOfPerson, PersonShown};
pub use preview::{Counted, Dropped, Preview};

/// A collection that can be added to, searched and thinned out, by one process at a time.
pub struct Collection {
    info: CollectionInfo,
    store: Store,
    made: Made,
    gallery: Mutex<Gallery>,
    /// Whoever needs both locks the gallery first.
    guests: Mutex<Guests>,
    books: Arc<Books>,
    key_fingerprint: [u8; 16],
    /// Names of faces that were erased; they are not taken in again.
    erased_faces: Mutex<HashSet<[u8; 16]>>,
    /// Whether an erasure is in the ledger that an error kept from being seen through.
    behind: AtomicBool,
    /// Held by whoever erases, until the receipt is there.
    erasures: Mutex<()>,
    /// Held by whoever brings index and people in line, or changes what was said of people.
    settling: Mutex<()>,
    remarks: Vec<String>,
}

/// What galleries of a collection are made with.
#[derive(Clone, Copy)]
struct Made {
    dim: usize,
    matching: Matching,
}

/// What is searched for, among others at the same time.
pub struct Search {
    pub template: Template,
    pub scoring: Scoring,
    /// What a good face must reach, -1..1; the collection's threshold where nothing is said.
    pub similarity_min: Option<f32>,
    /// Photos at most.
    pub top: Option<usize>,
}

/// What a search gave.
pub struct Answer {
    /// What a good face had to reach.
    pub threshold: f32,
    /// Best first, one per photo.
    pub matches: Vec<Match>,
}

/// A photo that shows the person.
#[derive(Clone, Debug)]
pub struct Match {
    pub photo: PhotoId,
    pub face: FaceId,
    /// As it was given to `index`.
    pub path: std::path::PathBuf,
    /// Score held against the threshold, -1..1.
    pub similarity: f32,
    pub kind: MatchKind,
    /// 0..1.
    pub quality: f32,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [i32; 4],
}

impl Collection {
    /// Opens the collection called `name` of `data` for `pack`, and makes its gallery from the store.
    ///
    /// Errors: `NoCollection`, `WrongPack` when it holds embeddings of another pack, `InUse`, `Ended`,
    /// `Seal` or `Damaged` when not one row reads. Single damaged rows are left out and told by
    /// `remarks`.
    pub fn open(data: &DataFolder, name: &str, pack: &Pack) -> Result<Self> {
        let info = data.collection(name)?;
        if info.pack != pack.id() {
            let (expected, received) = (info.pack, pack.id().to_owned());
            return Err(Error::WrongPack { collection: name.to_owned(), expected, received });
        }
        let (info, store) = data.store(name)?;
        let books = data.books();
        let mut remarks: Vec<String> = store.remark().map(str::to_owned).into_iter().collect();
        let pending = Pending::apply(&books, &store, info.id)?;
        let made = Made { dim: pack.embedder.dim, matching: pack.matching };
        let gallery = gallery_of(&store, &info, made, &mut remarks)?;
        let guests = guests_of(&store, &mut remarks)?;
        let mut collection = Self {
            key_fingerprint: store.key_fingerprint(),
            erased_faces: Mutex::new(pending.erased_faces.clone()),
            gallery: Mutex::new(gallery),
            guests: Mutex::new(Guests::of(guests)),
            info,
            store,
            made,
            books,
            behind: AtomicBool::new(false),
            erasures: Mutex::default(),
            settling: Mutex::default(),
            remarks,
        };
        if !pending.is_empty() {
            collection.complete_all(&pending)?;
            collection.remarks.push("erasures that were cut short are completed".into());
        }
        Ok(collection)
    }

    /// Name, id, pack and age.
    pub fn info(&self) -> &CollectionInfo {
        &self.info
    }

    /// What was found wrong or rebuilt on opening, one sentence each, for the log.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The searchable state.
    pub fn gallery(&self) -> MutexGuard<'_, Gallery> {
        self.gallery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches for the template's person. `top`: at most so many photos.
    pub fn search(
        &self,
        template: &Template,
        scoring: Scoring,
        similarity_min: Option<f32>,
        top: Option<usize>,
    ) -> Result<Answer> {
        self.check_pack(template)?;
        let gallery = self.gallery();
        let accepted = gallery.search(&template.embedding, scoring, similarity_min)?;
        Ok(answer(&gallery, accepted, similarity_min, top))
    }

    /// Does all of `searches` at once, which takes less time than one after another; an answer for each, in
    /// order, as [`Collection::search`] gives it.
    pub fn search_each(&self, searches: &[Search]) -> Vec<Result<Answer>> {
        let gallery = self.gallery();
        let fits = |search: &&Search| self.check_pack(&search.template).is_ok();
        let good = searches.iter().filter(fits);
        let asked: Vec<_> = good
            .map(|of| (of.template.embedding.as_slice(), of.scoring, of.similarity_min))
            .collect();
        let mut found = gallery.search_each(&asked).into_iter();
        let answered = |search: &Search| {
            self.check_pack(&search.template)?;
            let accepted = found.next().unwrap_or_else(|| Ok(Vec::new()))?;
            Ok(answer(&gallery, accepted, search.similarity_min, search.top))
        };
        searches.iter().map(answered).collect()
    }

    fn check_pack(&self, template: &Template) -> Result<()> {
        if template.pack == self.info.pack {
            return Ok(());
        }
        let (collection, expected, received) =
            (self.info.name.clone(), self.info.pack.clone(), template.pack.clone());
        Err(Error::WrongPack { collection, expected, received })
    }

    /// A template of a face of this collection; `NotFound` when it is not here.
    pub fn template_of(&self, face: &FaceId) -> Result<Template> {
        let missing = || Error::NotFound { kind: "face", id: face.to_string() };
        let photo = self.gallery().face(face).map(|known| known.photo).ok_or_else(missing)?;
        let photo = self.store.get_by_key(&self.store.photo_key(&photo)?)?.ok_or_else(missing)?;
        let stored = photo.faces.iter().find(|stored| stored.id == *face).ok_or_else(missing)?;
        Template::of(&[("the face", stored)], &self.info.pack)
    }

    /// The score of one face against `template`: what a search holds against the threshold. `None`
    /// when the face is not here.
    pub fn score(&self, template: &Template, face: &FaceId, scoring: Scoring) -> Option<f32> {
        self.gallery().score(face, &template.embedding, scoring)
    }

    fn erased_faces(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        self.erased_faces.lock().unwrap_or_else(PoisonError::into_inner)
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
                self.store.without(photo, &erased)?;
            }
        }
        drop(erased);
        self.store.put(&photos)?;
        let mut gallery = self.gallery();
        photos.iter().try_for_each(|photo| gallery.add(photo))?;
        self.guests().ask(&gallery, &photos);
        Ok(())
    }
}

fn answer(
    gallery: &Gallery,
    mut accepted: Vec<Accepted>,
    similarity_min: Option<f32>,
    top: Option<usize>,
) -> Answer {
    accepted.truncate(top.unwrap_or(usize::MAX));
    let found = |accepted| gallery.shown(accepted);
    let threshold = similarity_min.unwrap_or_else(|| gallery.threshold());
    Answer { threshold, matches: accepted.into_iter().filter_map(found).collect() }
}

/// The gallery of what is stored; people that changed by it are stored anew.
fn gallery_of(
    store: &Store,
    info: &CollectionInfo,
    made: Made,
    remarks: &mut Vec<String>,
) -> Result<Gallery> {
    let before = remarks.len();
    let photos = scan(store, info, made.dim, remarks)?;
    let whole = remarks.len() == before;
    let mut gallery = Gallery::with(index_of(store, &photos, made.dim, remarks)?, made.matching);
    gallery.stricter = stricter::of(store, remarks)?;
    photos.iter().for_each(|photo| gallery.note(photo));
    gallery.people = people::people_of(store, made, &photos, whole, remarks)?;
    Ok(gallery)
}

/// The guests of what is stored; those that do not read can show their face again.
fn guests_of(store: &Store, remarks: &mut Vec<String>) -> Result<Vec<Guest>> {
    let mut lost = 0;
    let guests = store.guests(|_| lost += 1)?;
    if lost > 0 {
        remarks
            .push(format!("{lost} guests' rows are damaged: they have to show their face again"));
    }
    Ok(guests)
}

/// All photos that read; the others are counted in `remarks`. If none of many opens, the key is
/// wrong rather than every row damaged, and that is an error.
fn scan(
    store: &Store,
    info: &CollectionInfo,
    dim: usize,
    remarks: &mut Vec<String>,
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
    let lost = damaged.len();
    match damaged.into_iter().next() {
        Some(error) if photos.is_empty() => Err(error),
        Some(error) => {
            remarks
                .push(format!("collection '{}': {lost} photos are left out: {error}", info.name));
            Ok(photos)
        }
        None => Ok(photos),
    }
}

fn index_of(
    store: &Store,
    photos: &[Photo],
    dim: usize,
    remarks: &mut Vec<String>,
) -> Result<Box<dyn Index>> {
    if faces_of(photos).count() > EXACT_FACES_MAX {
        return graph_of(store, photos, dim, remarks);
    }
    let mut index = ExactIndex::new(dim);
    faces_of(photos).try_for_each(|face| index.insert(face.id, &face.embedding))?;
    Ok(Box::new(index))
}

fn faces_of(photos: &[Photo]) -> impl Iterator<Item = &Face> {
    photos.iter().flat_map(|photo| &photo.faces)
}

/// The stored graph brought in line with `photos`, or a new one where it is missing or damaged.
fn graph_of(
    store: &Store,
    photos: &[Photo],
    dim: usize,
    remarks: &mut Vec<String>,
) -> Result<Box<dyn Index>> {
    let stored = store
        .get_blob(Blob::Index)
        .and_then(|bytes| bytes.map(|bytes| HnswIndex::from_bytes(&bytes)).transpose());
    let mut graph = match stored {
        Ok(Some(graph)) if graph.dim() == dim => graph,
        Ok(None) => HnswIndex::new(dim),
        Ok(Some(_)) => rebuilt("it holds embeddings of another length", dim, remarks),
        Err(error) => rebuilt(&error.to_string(), dim, remarks),
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
        store.put_blob(Blob::Index, &graph.to_bytes())?;
    }
    Ok(Box::new(graph))
}

fn rebuilt(reason: &str, dim: usize, remarks: &mut Vec<String>) -> HnswIndex {
    remarks.push(format!("the stored index is rebuilt from the photos: {reason}"));
    HnswIndex::new(dim)
}

/// The free space of the file system that holds `path`, bytes.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = path.ancestors().find(|ancestor| ancestor.exists())?;
    rustix::fs::statvfs(found).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
