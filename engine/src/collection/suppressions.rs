//! People whose faces the collection does not show: hidden until they are erased, or opted out.
//!
//! The gallery never contains a hidden face, so no search, list, count or guest can meet one. The faces' rows
//! stay in the store until [`Collection::erase_suppressed`] or [`Collection::lift_suppression`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use parking_lot::MutexGuard;

use super::Collection;
use super::gallery::Gallery;
use crate::embed::unit;
use crate::erasure_log::ErasedData;
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::guest::Guest;
use crate::ids::{FaceId, GuestId, PhotoId, SuppressionId};
use crate::suppression::{Suppression, SuppressionKind, SuppressionOverview};
use crate::template::Template;

/// The suppressions of a collection in memory.
#[derive(Clone, Default)]
pub(super) struct SuppressionList {
    by_id: BTreeMap<SuppressionId, Suppression>,
    hidden: HashSet<FaceId>,
}

impl SuppressionList {
    pub(super) fn of(all: Vec<Suppression>) -> Self {
        let hidden = all.iter().flat_map(|one| one.faces.keys().copied()).collect();
        Self { by_id: all.into_iter().map(|one| (one.id, one)).collect(), hidden }
    }

    pub(super) fn find(&self, id: &SuppressionId) -> Option<Suppression> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn hides(&self, face: &FaceId) -> bool {
        self.hidden.contains(face)
    }

    /// Removes the hidden faces from `photo`.
    pub(super) fn remove_hidden(&self, photo: &mut Photo) {
        photo.faces.retain(|face| !self.hidden.contains(&face.id));
    }

    /// Removes the hidden faces from `photos`.
    pub(super) fn remove_hidden_of(&self, photos: &mut [Photo]) {
        if !self.hidden.is_empty() {
            photos.iter_mut().for_each(|photo| self.remove_hidden(photo));
        }
    }

    fn insert(&mut self, one: Suppression) {
        self.hidden.extend(one.faces.keys());
        self.by_id.insert(one.id, one);
    }

    /// Removes the suppression `id`. A face that another suppression hides as well stays hidden.
    fn remove(&mut self, id: &SuppressionId) {
        self.by_id.remove(id);
        *self = Self::of(std::mem::take(&mut self.by_id).into_values().collect());
    }
}

impl Collection {
    /// Hides all faces that match a guest, by the rule of [`Collection::erase_guest`], and those of photos that
    /// are added later. Idempotent: a suppression with this id stays as it is. The faces are hidden durably
    /// when the call returns.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest, and no suppression with this id.
    /// - `Io`, `Store`, `Seal`, `Damaged`: the store could not be read or written.
    pub fn suppress_guest(
        &self,
        id: SuppressionId,
        guest: &GuestId,
    ) -> Result<SuppressionOverview> {
        if let Some(known) = self.suppressions().find(&id) {
            return Ok(known.overview());
        }
        let guest = self.guest(guest)?;
        self.suppress(id, guest.template.clone(), |gallery| gallery.faces_of_guest(&guest))
    }

    /// Hides all faces of the person of `face`: its cluster, and all faces that match the cluster's centroid.
    /// Otherwise as [`Collection::suppress_guest`].
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such face, and no suppression with this id.
    /// - `Io`, `Store`, `Seal`, `Damaged`: the store could not be read or written.
    pub fn suppress_person(&self, id: SuppressionId, face: &FaceId) -> Result<SuppressionOverview> {
        if let Some(known) = self.suppressions().find(&id) {
            return Ok(known.overview());
        }
        let mut template = self.template_of(face)?;
        let cluster: BTreeSet<FaceId> = {
            let gallery = self.gallery();
            let person = gallery.people.person_of(face);
            if let Some(centroid) = person.and_then(|person| unit(&person.centroid)) {
                template.embedding = centroid;
            }
            let faces = person.into_iter().flat_map(|person| &person.faces);
            faces.copied().chain([*face]).collect()
        };
        let like = Guest::new(GuestId(id.0), template.clone());
        self.suppress(id, template, |gallery| {
            let known = cluster.into_iter().filter(|face| gallery.face(face).is_some());
            let mut faces: BTreeSet<FaceId> = known.collect();
            faces.extend(gallery.faces_of_guest(&like)?);
            Ok(faces.into_iter().collect())
        })
    }

    fn suppress(
        &self,
        id: SuppressionId,
        template: Template,
        faces: impl FnOnce(&Gallery) -> Result<Vec<FaceId>>,
    ) -> Result<SuppressionOverview> {
        // No photo may be added between the search for the faces and the list's change.
        let _alone = self.lock_erasures()?;
        let settling = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        if let Some(known) = self.suppressions().find(&id) {
            return Ok(known.overview());
        }
        let faces = faces(&gallery)?;
        let photo = |face: &FaceId| Some((*face, gallery.face(face)?.photo));
        let faces: BTreeMap<FaceId, PhotoId> = faces.iter().filter_map(photo).collect();
        let hidden = faces.keys().copied().collect();
        let kind = SuppressionKind::Hidden;
        let one = Suppression { id, template, kind, faces, omitted: 0 };
        self.store.put_suppressions([&one].into_iter())?;
        let overview = one.overview();
        self.suppressions().insert(one);
        gallery.remove_faces(&hidden);
        drop(gallery);
        self.refresh_locked()?;
        drop(settling);
        Ok(overview)
    }

    /// Ends a suppression: hidden faces are shown again, and an opt-out no longer applies to later photos. Its
    /// template is removed from the files when the call returns.
    ///
    /// # Errors
    /// - `NotFound`: there is no suppression with this id.
    /// - `Io`, `Store`, `Seal`, `Damaged`: the store could not be read or written.
    pub fn lift_suppression(&self, id: &SuppressionId) -> Result<SuppressionOverview> {
        let _alone = self.lock_erasures()?;
        let settling = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        let mut suppressions = self.suppressions();
        let missing = || Error::NotFound { kind: "suppression", id: id.to_string() };
        let lifted = suppressions.find(id).ok_or_else(missing)?;
        let mut photos = Vec::new();
        for photo in lifted.photos() {
            photos.extend(self.store.get_by_key(&self.store.photo_key(&photo)?)?);
        }
        self.store.delete_suppression(id)?;
        suppressions.remove(id);
        for photo in &mut photos {
            suppressions.remove_hidden(photo);
            gallery.add(photo)?;
        }
        drop(suppressions);
        drop(gallery);
        self.refresh_locked()?;
        drop(settling);
        self.store.rewrite()?;
        Ok(lifted.overview())
    }

    /// Returns whether the hidden faces of the suppression `id` were erased, as the erasure log records it. False
    /// for a suppression that was lifted, or that a restore of an older backup has lost.
    ///
    /// # Errors
    /// - `Io`, `Damaged`: the erasure log cannot be read.
    pub fn was_erased(&self, id: &SuppressionId) -> Result<bool> {
        let name = self.store.suppression_name(id)?;
        let ended = |what: &ErasedData| match what {
            ErasedData::Faces { suppression, .. } => suppression.is_some_and(|of| of.name == name),
            ErasedData::Collection | ErasedData::Photos(_) => false,
        };
        let erasures = self.erasure_log.erasures()?;
        Ok(erasures.iter().any(|one| one.collection == self.info.id && ended(&one.what)))
    }

    /// Returns all suppressions.
    pub fn suppression_overviews(&self) -> Vec<SuppressionOverview> {
        self.suppressions().by_id.values().map(Suppression::overview).collect()
    }

    /// Applies the suppressions to photos that are to be added: lists their faces of hidden people as hidden,
    /// durably, and removes their faces of people who opted out.
    pub(super) fn suppress_new(&self, photos: &mut [Photo]) -> Result<()> {
        let threshold = self.gallery().threshold();
        let mut list = self.suppressions();
        let mut changed: BTreeMap<SuppressionId, Suppression> = BTreeMap::new();
        for one in list.by_id.values() {
            for photo in &mut *photos {
                let (before, of) = (photo.faces.len(), photo.id);
                let theirs: Vec<FaceId> = photo
                    .faces
                    .iter()
                    .filter(|face| one.matches(face, threshold))
                    .map(|face| face.id)
                    .collect();
                let new = theirs.iter().any(|face| !one.faces.contains_key(face));
                if !new {
                    continue;
                }
                let change = changed.entry(one.id).or_insert_with(|| one.clone());
                match one.kind {
                    SuppressionKind::Hidden => {
                        change.faces.extend(theirs.into_iter().map(|face| (face, of)));
                    }
                    SuppressionKind::OptOut => {
                        photo.faces.retain(|face| !theirs.contains(&face.id));
                        change.omitted += (before - photo.faces.len()) as u64;
                    }
                }
            }
        }
        self.store.put_suppressions(changed.values())?;
        changed.into_values().for_each(|one| list.insert(one));
        Ok(())
    }

    pub(super) fn suppressions(&self) -> MutexGuard<'_, SuppressionList> {
        self.suppressions.lock()
    }
}
