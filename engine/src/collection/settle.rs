//! Bringing a living collection in line: index and people with the photos, the store with the ledger.
//!
//! What takes long is made beside the gallery and put in its place when it is there: searches go on meanwhile.
//! Locks are taken in this order: `erasures`, `settling`, the gallery, the guests. Knows nothing of how index
//! and people are made.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::erase::Pending;
use super::gallery::person_faces;
use super::guests::Guests;
use super::{Collection, faces_of, gallery_of, graph_of, guests_of, scan};
use crate::error::Result;
use crate::face::Photo;
use crate::ids::{FaceId, PhotoId};
use crate::index::EXACT_FACES_MAX;
use crate::store::Blob;

impl Collection {
    /// Brings index and people up to date after photos were added, and stores both. To be called at
    /// the end of a run; a crash before it costs time at the next opening, never a face.
    pub fn settle(&self) -> Result<()> {
        let _alone = self.settling();
        self.settle_alone()
    }

    /// The same for whoever holds `settling`.
    pub(super) fn settle_alone(&self) -> Result<()> {
        let photos = scan(&self.store, &self.info, self.made.dim, &mut Vec::new())?;
        let mut people = self.gallery().people.clone();
        if people.update(&person_faces(photos.iter()), self.made.matching.cluster_cut) {
            let bytes = people.to_bytes();
            let mut gallery = self.gallery();
            // Faces that were erased meanwhile are out of what was said, and stay out.
            people.corrections = std::mem::take(&mut gallery.people.corrections);
            gallery.people = people;
            drop(gallery);
            self.store.put_blob(Blob::People, &bytes)?;
        }
        if self.gallery().face_count() > EXACT_FACES_MAX {
            self.renew_graph(&photos)?;
        }
        Ok(())
    }

    /// Replaces the index by a graph of `photos`, and of what came and went while it was made.
    fn renew_graph(&self, photos: &[Photo]) -> Result<()> {
        let mut graph = graph_of(&self.store, photos, self.made.dim, &mut Vec::new())?;
        let mut gallery = self.gallery();
        let came = gallery.faces.iter().filter(|(id, _)| !graph.contains(id));
        let came: HashSet<PhotoId> = came.map(|(_, known)| known.photo).collect();
        for id in came {
            let photo = self.store.get_by_key(&self.store.photo_key(&id)?)?;
            for face in photo.iter().flat_map(|photo| &photo.faces) {
                graph.insert(face.id, &face.embedding)?;
            }
        }
        let gone = faces_of(photos).map(|face| face.id);
        let gone: Vec<FaceId> = gone.filter(|id| !gallery.faces.contains_key(id)).collect();
        for id in gone {
            graph.remove(&id);
        }
        gallery.index = graph;
        Ok(())
    }

    /// Sees erasures through that an error has kept from it. Before they are, nothing is added or
    /// erased: the order of the ledger is the order of the store. Waits for an erasure that is under way.
    pub(super) fn catch_up(&self) -> Result<()> {
        if self.behind.load(Ordering::SeqCst) {
            drop(self.erasing()?);
        }
        Ok(())
    }

    /// For whoever erases: no other erasure is under way, and none is owed.
    pub(super) fn erasing(&self) -> Result<MutexGuard<'_, ()>> {
        let alone = self.erasures.lock().unwrap_or_else(PoisonError::into_inner);
        if self.behind.load(Ordering::SeqCst) {
            self.pay()?;
        }
        Ok(alone)
    }

    fn pay(&self) -> Result<()> {
        let _still = self.settling();
        let mut gallery = self.gallery();
        let pending = Pending::apply(&self.books, &self.store, self.info.id)?;
        self.erased_faces().clone_from(&pending.erased_faces);
        *gallery = gallery_of(&self.store, &self.info, self.made, &mut Vec::new())?;
        *self.guests() = Guests::of(guests_of(&self.store, &mut Vec::new())?);
        drop(gallery);
        self.complete_all(&pending)?;
        self.behind.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Nobody else brings anything in line meanwhile.
    pub(super) fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
