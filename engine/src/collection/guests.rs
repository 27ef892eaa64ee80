use std::collections::HashMap;

use parking_lot::MutexGuard;

use super::gallery::Gallery;
use super::{Collection, Match};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::guest::{Claim, Guest, GuestMatch, NewMatch};
use crate::ids::{FaceId, GuestId, PhotoId};
use crate::matcher::Accepted;
use crate::template::Template;

/// The guests of a collection in memory, and the new matches since the last `take_new_matches`.
pub(super) struct GuestRegistry {
    by_id: HashMap<GuestId, Guest>,
    new_matches: Vec<NewMatch>,
}

/// The photos that a guest may see.
#[derive(Clone, Debug, Default)]
pub struct GuestPhotos {
    /// The guest's matches, best first, one per photo.
    pub matches: Vec<Match>,
    /// Candidates that the guest may confirm or reject, best first, one per photo, at most 6.
    pub candidates: Vec<Match>,
}

impl GuestRegistry {
    pub(super) fn of(guests: Vec<Guest>) -> Self {
        let by_id = guests.into_iter().map(|guest| (guest.id, guest)).collect();
        Self { by_id, new_matches: Vec::new() }
    }

    /// Matches every guest against the faces of newly added photos, and records the matches.
    pub(super) fn match_photos(&mut self, gallery: &Gallery, photos: &[Photo]) {
        for guest in self.by_id.values() {
            for photo in photos {
                let theirs = |face| matches!(gallery.classify(guest, face), GuestMatch::Match(_));
                if photo.faces.iter().any(|face| theirs(face.id)) {
                    self.new_matches.push(NewMatch { guest: guest.id, photo: photo.id });
                }
            }
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Guest> {
        self.by_id.values()
    }

    pub(super) fn forget(&mut self, id: &GuestId) {
        self.by_id.remove(id);
        self.new_matches.retain(|sighting| sighting.guest != *id);
    }
}

impl Collection {
    /// Adds a guest, or replaces the guest with the same id. The guest's row is durable when the call
    /// returns.
    ///
    /// # Errors
    /// - `WrongPack`: the template was made with another model pack.
    /// - `Io`, `Store`: the row could not be written.
    pub fn put_guest(&self, guest: &Guest) -> Result<()> {
        if guest.template.pack != self.info.pack {
            let collection = self.info.name.clone();
            let (expected, received) = (self.info.pack.clone(), guest.template.pack.clone());
            return Err(Error::WrongPack { collection, expected, received });
        }
        self.catch_up()?;
        let mut guests = self.guests();
        self.store.put_guest(guest)?;
        guests.by_id.insert(guest.id, guest.clone());
        Ok(())
    }

    /// Changes an existing guest and stores the change. Never adds a guest, so that an erased guest stays
    /// erased.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Io`, `Store`: the row could not be written.
    fn change_guest(&self, id: &GuestId, change: impl FnOnce(&mut Guest)) -> Result<()> {
        self.catch_up()?;
        let missing = || Error::NotFound { kind: "guest", id: id.to_string() };
        let mut guests = self.guests();
        let mut guest = guests.by_id.get(id).cloned().ok_or_else(missing)?;
        change(&mut guest);
        self.store.put_guest(&guest)?;
        guests.by_id.insert(*id, guest);
        Ok(())
    }

    /// Replaces a guest's template after the guest has passed verification again.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Io`, `Store`: the row could not be written.
    pub fn replace_template(&self, id: &GuestId, template: Template) -> Result<()> {
        self.change_guest(id, |guest| guest.template = template)
    }

    /// Returns a guest by id.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    pub fn guest(&self, id: &GuestId) -> Result<Guest> {
        let missing = || Error::NotFound { kind: "guest", id: id.to_string() };
        self.guests().by_id.get(id).cloned().ok_or_else(missing)
    }

    /// Returns the ids of all guests, in no particular order.
    pub fn guest_ids(&self) -> Vec<GuestId> {
        self.guests().by_id.keys().copied().collect()
    }

    /// Returns the first guest of `among` whose template matches `template` at the collection's threshold.
    pub fn guest_like(&self, template: &Template, among: &[GuestId]) -> Option<GuestId> {
        let threshold = self.gallery().threshold();
        let guests = self.guests();
        among.iter().copied().find(|id| {
            let known = guests.by_id.get(id);
            known.is_some_and(|known| known.template.similarity(template) >= threshold)
        })
    }

    /// Returns the photos that a guest may see, and the candidates.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Dimension`, `Damaged`: the guest's template has another length than D, is all zeros, or is not
    ///   finite.
    pub fn photos_of_guest(&self, id: &GuestId) -> Result<GuestPhotos> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        let (theirs, perhaps) = gallery.guest_photos(&guest)?;
        let to_matches = |accepted: Vec<Accepted>| {
            accepted.into_iter().filter_map(|accepted| gallery.to_match(accepted)).collect()
        };
        Ok(GuestPhotos { matches: to_matches(theirs), candidates: to_matches(perhaps) })
    }

    /// Returns whether a photo is among the matches of `photos_of_guest`.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    pub fn guest_sees(&self, id: &GuestId, photo: &PhotoId) -> Result<bool> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        let Some(known) = gallery.photo(photo) else { return Ok(false) };
        let mut faces = known.faces.iter();
        Ok(faces.any(|face| matches!(gallery.classify(&guest, *face), GuestMatch::Match(_))))
    }

    /// Returns whether a guest may see a crop of this face, because the face is a match or one of the
    /// candidates that `photos_of_guest` returns.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Dimension`, `Damaged`: the guest's template has another length than D, is all zeros, or is not
    ///   finite.
    pub fn guest_sees_face(&self, id: &GuestId, face: &FaceId) -> Result<bool> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        if matches!(gallery.classify(&guest, *face), GuestMatch::Match(_)) {
            return Ok(true);
        }
        Ok(gallery.guest_photos(&guest)?.1.iter().any(|accepted| accepted.face == *face))
    }

    /// Stores a guest's claim about a face. A guest can claim only faces that `guest_sees_face` allows or
    /// that the guest has claimed before, so that claims give no access to other people's photos. Confirming
    /// a rejected face only clears the rejection.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest, or the guest may not see the face.
    /// - `Io`, `Store`: the claim could not be written.
    pub fn claim(&self, id: &GuestId, face: &FaceId, claim: Claim) -> Result<()> {
        let guest = self.guest(id)?;
        let has_claim = guest.rejected.contains(face) || guest.confirmed.contains(face);
        if !has_claim && !self.guest_sees_face(id, face)? {
            return Err(Error::NotFound { kind: "face", id: face.to_string() });
        }
        // After a rejection, the face matches again only by its own similarity.
        let claim = match claim {
            Claim::Confirm if guest.rejected.contains(face) => Claim::Clear,
            claim => claim,
        };
        self.change_guest(id, |guest| guest.claim(*face, claim))
    }

    /// Records that a guest was notified of `photos`. Returns the photos of which the guest was not notified
    /// before.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Io`, `Store`: the record could not be written.
    pub fn mark_notified(&self, id: &GuestId, photos: &[PhotoId]) -> Result<Vec<PhotoId>> {
        let known = self.guest(id)?.notified;
        let mut new: Vec<PhotoId> =
            photos.iter().copied().filter(|photo| !known.contains(photo)).collect();
        if !new.is_empty() {
            self.change_guest(id, |guest| new.retain(|photo| guest.notified.insert(*photo)))?;
        }
        Ok(new)
    }

    /// Returns and clears the matches between guests and photos added since the last call.
    pub fn take_new_matches(&self) -> Vec<NewMatch> {
        std::mem::take(&mut self.guests().new_matches)
    }

    pub(super) fn guests(&self) -> MutexGuard<'_, GuestRegistry> {
        self.guests.lock()
    }
}
