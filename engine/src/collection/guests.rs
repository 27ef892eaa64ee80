//! The guests of a collection: what each may see, and who of them is in a photo that was just added.
//!
//! Every list and every single look goes through the same rule of the gallery. Knows nothing of sessions,
//! consent or challenges.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use super::gallery::Gallery;
use super::{Collection, Match};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::guest::{Claim, Guest, Sighting, Stance};
use crate::ids::{FaceId, GuestId, PhotoId};
use crate::matcher::Accepted;
use crate::query::Template;

/// What a collection keeps in memory of its guests.
pub(super) struct Guests {
    by_id: HashMap<GuestId, Guest>,
    sightings: Vec<Sighting>,
}

/// What a guest may see.
#[derive(Clone, Debug, Default)]
pub struct GuestPhotos {
    /// Best first, one per photo.
    pub theirs: Vec<Match>,
    /// Faces that the guest may be asked about, best first, one per photo, at most six.
    pub perhaps: Vec<Match>,
}

impl Guests {
    pub(super) fn of(guests: Vec<Guest>) -> Self {
        let by_id = guests.into_iter().map(|guest| (guest.id, guest)).collect();
        Self { by_id, sightings: Vec::new() }
    }

    /// Asks every guest about the faces of photos that were just added.
    pub(super) fn ask(&mut self, gallery: &Gallery, photos: &[Photo]) {
        for guest in self.by_id.values() {
            for photo in photos {
                let theirs = |face| matches!(gallery.stance(guest, face), Stance::Theirs(_));
                if photo.faces.iter().any(|face| theirs(face.id)) {
                    self.sightings.push(Sighting { guest: guest.id, photo: photo.id });
                }
            }
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Guest> {
        self.by_id.values()
    }

    pub(super) fn forget(&mut self, id: &GuestId) {
        self.by_id.remove(id);
        self.sightings.retain(|sighting| sighting.guest != *id);
    }
}

impl Collection {
    /// Takes somebody in as a guest, or keeps what has changed of them; durable when it returns.
    ///
    /// Errors: `WrongPack` for a template of another model pack.
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

    /// Changes a guest who is there; whoever was erased meanwhile does not come back.
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

    /// Gives a guest a new template, as they have shown their face again.
    pub fn renew_guest(&self, id: &GuestId, template: Template) -> Result<()> {
        self.change_guest(id, |guest| guest.template = template)
    }

    /// A guest by id; `NotFound` when there is none.
    pub fn guest(&self, id: &GuestId) -> Result<Guest> {
        let missing = || Error::NotFound { kind: "guest", id: id.to_string() };
        self.guests().by_id.get(id).cloned().ok_or_else(missing)
    }

    /// All guests, in no order.
    pub fn guest_ids(&self) -> Vec<GuestId> {
        self.guests().by_id.keys().copied().collect()
    }

    /// The first of `among` whose template shows the same person as `template`.
    pub fn guest_like(&self, template: &Template, among: &[GuestId]) -> Option<GuestId> {
        let threshold = self.gallery().threshold();
        let guests = self.guests();
        among.iter().copied().find(|id| {
            let known = guests.by_id.get(id);
            known.is_some_and(|known| known.template.similarity(template) >= threshold)
        })
    }

    /// The photos that a guest may see.
    pub fn photos_of_guest(&self, id: &GuestId) -> Result<GuestPhotos> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        let (theirs, perhaps) = gallery.of_guest(&guest)?;
        let shown = |accepted: Vec<Accepted>| {
            accepted.into_iter().filter_map(|accepted| gallery.shown(accepted)).collect()
        };
        Ok(GuestPhotos { theirs: shown(theirs), perhaps: shown(perhaps) })
    }

    /// Whether a photo is among those that `photos_of_guest` lists as theirs.
    pub fn guest_sees(&self, id: &GuestId, photo: &PhotoId) -> Result<bool> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        let Some(known) = gallery.photo(photo) else { return Ok(false) };
        let mut faces = known.faces.iter();
        Ok(faces.any(|face| matches!(gallery.stance(&guest, *face), Stance::Theirs(_))))
    }

    /// Whether a guest may be shown this one face, cut out: it is theirs, or they are being asked about it.
    pub fn guest_sees_face(&self, id: &GuestId, face: &FaceId) -> Result<bool> {
        let guest = self.guest(id)?;
        let gallery = self.gallery();
        if matches!(gallery.stance(&guest, *face), Stance::Theirs(_)) {
            return Ok(true);
        }
        Ok(gallery.of_guest(&guest)?.1.iter().any(|accepted| accepted.face == *face))
    }

    /// Remembers what a guest says of a face that they are shown. `NotFound` for a face that they are not:
    /// nobody talks themselves into other people's photos.
    pub fn claim(&self, id: &GuestId, face: &FaceId, claim: Claim) -> Result<()> {
        let guest = self.guest(id)?;
        let said = guest.refused.contains(face) || guest.confirmed.contains(face);
        if !said && !self.guest_sees_face(id, face)? {
            return Err(Error::NotFound { kind: "face", id: face.to_string() });
        }
        // What was refused becomes theirs again by its own likeness alone.
        let claim = match claim {
            Claim::Me if guest.refused.contains(face) => Claim::Unsaid,
            claim => claim,
        };
        self.change_guest(id, |guest| guest.claim(*face, claim))
    }

    /// Notes that a guest was told of photos; those of them that are new to the guest.
    pub fn tell_guest(&self, id: &GuestId, photos: &[PhotoId]) -> Result<Vec<PhotoId>> {
        let known = self.guest(id)?.told;
        let mut new: Vec<PhotoId> =
            photos.iter().copied().filter(|photo| !known.contains(photo)).collect();
        if !new.is_empty() {
            self.change_guest(id, |guest| new.retain(|photo| guest.told.insert(*photo)))?;
        }
        Ok(new)
    }

    /// Guests met in photos that were added since this was asked last.
    pub fn take_sightings(&self) -> Vec<Sighting> {
        std::mem::take(&mut self.guests().sightings)
    }

    pub(super) fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
