//! Refreshes the derived state of an open collection, and completes erasures that an error interrupted.
//!
//! People and index are computed without holding the gallery's lock and swapped in at the end, so searches
//! continue meanwhile. The lock order is described on [`Collection`].

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
    /// Updates index and people after photos were added, and stores both. The caller runs it at the end of an
    /// indexing run. After a crash before it, the next opening does this work; no face is lost.
    pub fn settle(&self) -> Result<()> {
        let _alone = self.settling();
        self.settle_alone()
    }

    /// Does the work of `settle`. The caller holds `settling`.
    pub(super) fn settle_alone(&self) -> Result<()> {
        let photos = scan(&self.store, &self.info, self.made.dim, &mut Vec::new())?;
        let mut people = self.gallery().people.clone();
        if people.update(&person_faces(photos.iter()), self.made.matching.cluster_cut) {
            let bytes = people.to_bytes();
            let mut gallery = self.gallery();
            // A concurrent erasure may have removed faces from the corrections: keep the gallery's version.
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

    /// Replaces the index by a graph of `photos`, updated with the faces added and removed while it was
    /// built.
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

    /// Completes pending erasures; waits for an erasure in progress. Must run before anything is added or
    /// erased, so that the store applies erasures in the order of the erasure log.
    pub(super) fn catch_up(&self) -> Result<()> {
        if self.behind.load(Ordering::SeqCst) {
            drop(self.erasing()?);
        }
        Ok(())
    }

    /// Acquires the erasure lock and first completes an erasure that an earlier error left pending.
    pub(super) fn erasing(&self) -> Result<MutexGuard<'_, ()>> {
        let alone = self.erasures.lock().unwrap_or_else(PoisonError::into_inner);
        if self.behind.load(Ordering::SeqCst) {
            self.pay()?;
        }
        Ok(alone)
    }

    /// Completes all pending erasures and rebuilds gallery and guests. The caller holds `erasures`.
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

    /// Locks the derived state against concurrent refreshes and corrections.
    pub(super) fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
