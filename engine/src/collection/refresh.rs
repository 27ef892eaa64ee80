//! Refreshes the derived state of an open collection, and completes erasures that an error interrupted.
//!
//! A refresh computes people and index without holding the gallery's lock and replaces them at the end, so
//! searches continue during the computation. The lock order is described on [`Collection`].

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use parking_lot::{MutexGuard, RwLockWriteGuard};

use super::erase::PendingErasures;
use super::gallery::person_faces;
use super::guests::GuestRegistry;
use super::suppressions::SuppressionList;
use super::{Collection, faces_of, gallery_of, graph_of, guests_of, scan};
use crate::error::Result;
use crate::face::Photo;
use crate::ids::{FaceId, PhotoId};
use crate::index::EXACT_FACES_MAX;
use crate::store::DerivedState;

impl Collection {
    /// Updates index and people after photos were added, and stores both. The caller calls this method at the
    /// end of an indexing run. If the process crashes before, the next opening does this work; no face is
    /// lost.
    ///
    /// # Errors
    /// - `Seal`, `Damaged`, `Dimension`: no photo's row could be read.
    /// - `Io`, `Store`: the store could not be read or written.
    pub fn refresh(&self) -> Result<()> {
        let _alone = self.lock_refresh();
        self.refresh_locked()
    }

    /// Updates index and people as `refresh` does. The caller holds `refresh_lock`.
    pub(super) fn refresh_locked(&self) -> Result<()> {
        let photos = self.visible_photos()?;
        let mut people = self.gallery().people.clone();
        if people.update(&person_faces(photos.iter()), self.config.matching.cluster_cut) {
            let bytes = people.to_bytes();
            let mut gallery = self.gallery_mut();
            // A concurrent erasure may have removed faces from the corrections, so the gallery's version is
            // kept.
            people.corrections = std::mem::take(&mut gallery.people.corrections);
            gallery.people = people;
            drop(gallery);
            self.store.put_derived(DerivedState::People, &bytes)?;
        }
        if self.gallery().face_count() > EXACT_FACES_MAX {
            self.rebuild_graph(&photos)?;
        }
        Ok(())
    }

    /// Reads all photos, without hidden faces.
    fn visible_photos(&self) -> Result<Vec<Photo>> {
        let suppressions = self.suppressions().clone();
        scan(&self.store, &self.info, self.config.dim, &suppressions, &mut Vec::new())
    }

    /// Replaces the index with a graph of `photos`. Faces that were added or removed during the build are
    /// added to or removed from the graph.
    fn rebuild_graph(&self, photos: &[Photo]) -> Result<()> {
        let mut graph = graph_of(&self.store, photos, self.config.dim, &mut Vec::new())?;
        let mut gallery = self.gallery_mut();
        let came = gallery.faces.iter().filter(|(id, _)| !graph.contains(id));
        let came: HashSet<PhotoId> = came.map(|(_, known)| known.photo).collect();
        for id in came {
            let photo = self.store.get_by_key(&self.store.photo_key(&id)?)?;
            let faces = photo.iter().flat_map(|photo| &photo.faces);
            for face in faces.filter(|face| gallery.faces.contains_key(&face.id)) {
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

    /// Completes pending erasures, and waits for an erasure in progress. Each method that adds data calls it
    /// first, so that the store applies erasures in the order of the erasure log.
    pub(super) fn catch_up(&self) -> Result<()> {
        if self.erasure_pending.load(Ordering::SeqCst) {
            drop(self.lock_erasures()?);
        }
        Ok(())
    }

    /// Runs `work` while erasures wait. `work` must not erase anything itself. A caller that adds faces reads
    /// the photo files and adds the faces in `work`: a receipt attests counts, so nothing may be added during
    /// an erasure.
    ///
    /// # Errors
    /// `work` did not run, because an erasure that an earlier error left pending could not be completed:
    /// - `Residue`: the files still contain erased data.
    /// - `Io`, `Store`, `Keyring`, `Damaged`, `Seal`: a step of the erasure failed.
    pub fn hold_erasures<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        loop {
            // `work` may call `catch_up`. With an erasure pending, `catch_up` would wait for this shared
            // lock, so `work` runs only if none is pending.
            self.catch_up()?;
            let _held = self.erasure_lock.read();
            if !self.erasure_pending.load(Ordering::SeqCst) {
                return Ok(work());
            }
        }
    }

    /// Acquires `erasure_lock` exclusively, and completes an erasure that an earlier error left pending.
    pub(super) fn lock_erasures(&self) -> Result<RwLockWriteGuard<'_, ()>> {
        let alone = self.erasure_lock.write();
        if self.erasure_pending.load(Ordering::SeqCst) {
            self.complete_pending_erasures()?;
        }
        Ok(alone)
    }

    /// Completes all pending erasures and rebuilds gallery and guests. The caller holds `erasure_lock`
    /// exclusively.
    fn complete_pending_erasures(&self) -> Result<()> {
        let _still = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        let pending = PendingErasures::apply(&self.erasure_log, &self.store, self.info.id)?;
        self.erased_faces().clone_from(&pending.erased_faces);
        let suppressions = SuppressionList::of(self.store.suppressions()?);
        *gallery =
            gallery_of(&self.store, &self.info, self.config, &suppressions, &mut Vec::new())?;
        *self.suppressions() = suppressions;
        *self.guests() = GuestRegistry::of(guests_of(&self.store, &mut Vec::new())?);
        drop(gallery);
        self.complete_all(&pending)?;
        self.erasure_pending.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Locks the derived state against concurrent refreshes and corrections.
    pub(super) fn lock_refresh(&self) -> MutexGuard<'_, ()> {
        self.refresh_lock.lock()
    }
}
