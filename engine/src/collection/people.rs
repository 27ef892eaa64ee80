//! The owner's corrections of people: merge, split, hide.
//!
//! Corrections are source data: each is durable in the store before the gallery shows its effect. A
//! correction reads from the store only the faces of the people that it concerns.

use std::collections::{HashMap, HashSet};

use super::gallery::{Gallery, person_faces};
use super::suppressions::SuppressionList;
use super::{Collection, GalleryConfig};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::{FaceId, PhotoId};
use crate::people::{Corrections, People, Person, PersonRef};
use crate::quality::Quality;
use crate::store::{DerivedState, OwnerSetting, Store};

/// A person with its faces, for display.
#[derive(Clone, Debug)]
pub struct PersonDetails {
    /// Whether the owner has hidden this person from the list.
    pub hidden: bool,
    /// The faces, least similar to the person's centroid first.
    pub faces: Vec<FaceOfPerson>,
}

/// A face of a person.
#[derive(Clone, Copy, Debug)]
pub struct FaceOfPerson {
    pub face: FaceId,
    pub photo: PhotoId,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [i32; 4],
    /// 0..1.
    pub quality: f32,
    /// Cosine of the face and the mean of the person's good faces, -1..1.
    pub similarity: f32,
}

impl Collection {
    /// Returns the person of a face.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such face.
    /// - `NoPerson`: the face belongs to no person, because its quality is too low or it is not yet
    ///   clustered.
    pub fn person(&self, face: &FaceId) -> Result<PersonDetails> {
        let gallery = self.gallery();
        let person = gallery.person_of(face)?.ok_or_else(|| no_person(face))?;
        let details = |id: &FaceId| {
            let known = gallery.face(id)?;
            let similarity = gallery.index.similarity(id, &person.centroid)?;
            let (photo, bbox, quality) = (known.photo, known.bbox, known.quality);
            Some(FaceOfPerson { face: *id, photo, bbox, quality, similarity })
        };
        let mut faces: Vec<FaceOfPerson> = person.faces.iter().filter_map(details).collect();
        faces.sort_by(|a, b| a.similarity.total_cmp(&b.similarity).then(a.face.cmp(&b.face)));
        Ok(PersonDetails { hidden: person.hidden, faces })
    }

    /// Merges the people of these faces into one person (must-link constraint). Retracts earlier splits of
    /// these people. A low-quality face without a person joins the merged person. The correction is durable
    /// when the call returns.
    ///
    /// # Errors
    /// - `NotFound`: the collection does not have one of the faces.
    /// - `NoPerson`: none of the faces belongs to a person.
    /// - `SharedPhoto`: two of the people are in one photo and `allow_same_photo` is false.
    /// - `TooManyCorrections`: there would be more than 10,000 corrections, or they would name more than
    ///   1,000,000 faces.
    /// - `Io`, `Store`, `Seal`, `Damaged`: the store could not be read or written.
    pub fn merge_people(&self, faces: &[FaceId], allow_same_photo: bool) -> Result<()> {
        self.catch_up()?;
        let _alone = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        let mut people: Vec<PersonRef> = Vec::new();
        let mut none = true;
        for face in faces {
            if people.iter().any(|person| person.faces.contains(face)) {
                continue;
            }
            let person = gallery.person_of(face)?;
            none &= person.is_none();
            people.push(match person {
                Some(person) => gallery.person_ref(&person.faces).ok_or_else(|| no_person(face))?,
                None => PersonRef {
                    faces: gallery.people.corrections.must_link_group(face),
                    best: *face,
                },
            });
        }
        match faces.first() {
            Some(face) if none => return Err(no_person(face)),
            _ if people.len() < 2 => return Ok(()),
            _ => {}
        }
        if let Some(photo) = gallery.photo_of_two(&people).filter(|_| !allow_same_photo) {
            return Err(Error::SharedPhoto { photo: photo.to_string() });
        }
        let mut corrections = gallery.people.corrections.clone();
        corrections.merge(&people, allow_same_photo, |face| gallery.people.has_no_person(face));
        let touched = people.into_iter().flat_map(|person| person.faces).collect();
        self.apply_corrections(&mut gallery, corrections, &touched)
    }

    /// Splits these faces off their person. They become one person, which a cannot-link constraint keeps
    /// apart from the person's other faces. If all faces of a side are of low quality, that side forms no
    /// person. The correction is durable when the call returns.
    ///
    /// # Errors
    /// - `NotFound`: the collection does not have one of the faces.
    /// - `NoPerson`: one of the faces belongs to no person.
    /// - `ManyPeople`: the faces belong to different people.
    /// - `SplitTakesAllFaces`: no face of the person would stay.
    /// - `TooManyCorrections`, `Io`, `Store`, `Seal`, `Damaged`: as for `merge_people`.
    pub fn split_person(&self, faces: &[FaceId]) -> Result<()> {
        self.catch_up()?;
        let _alone = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        let Some(first) = faces.first() else { return Ok(()) };
        let person = gallery.person_of(first)?.ok_or_else(|| no_person(first))?.faces.clone();
        let theirs: HashSet<FaceId> = person.iter().copied().collect();
        for face in faces {
            gallery.person_of(face)?.ok_or_else(|| no_person(face))?;
            if !theirs.contains(face) {
                let (first, second) = (first.to_string(), face.to_string());
                return Err(Error::ManyPeople { first, second });
            }
        }
        let split: HashSet<FaceId> = faces.iter().copied().collect();
        let rest: Vec<FaceId> = person.iter().copied().filter(|id| !split.contains(id)).collect();
        let Some(best) = gallery.best_of(&rest) else {
            return Err(Error::SplitTakesAllFaces { faces: person.len() });
        };
        // The remaining faces stay one person, even if the split removes the face that linked their parts.
        let good: Vec<FaceId> = rest.iter().copied().filter(|id| gallery.is_good(id)).collect();
        let parts = gallery.people.by_part(&good);
        let of_rest: Vec<FaceId> = parts.iter().filter_map(|part| gallery.best_of(part)).collect();
        let mut corrections = gallery.people.corrections.clone();
        corrections.split(faces, &rest, &of_rest, best);
        self.apply_corrections(&mut gallery, corrections, &theirs)
    }

    /// Hides the person of a face from the list of people, or lists the person again. The correction is
    /// durable when the call returns.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such face.
    /// - `NoPerson`: the face belongs to no person.
    /// - `TooManyCorrections`: there would be more than 10,000 corrections.
    /// - `Io`, `Store`: the correction could not be written.
    pub fn hide_person(&self, face: &FaceId, hidden: bool) -> Result<()> {
        self.catch_up()?;
        let _alone = self.lock_refresh();
        let mut gallery = self.gallery_mut();
        let person = gallery.person_of(face)?.ok_or_else(|| no_person(face))?;
        let person = gallery.person_ref(&person.faces).ok_or_else(|| no_person(face))?;
        let mut corrections = gallery.people.corrections.clone();
        corrections.hide(&person, hidden);
        self.apply_corrections(&mut gallery, corrections, &HashSet::new())
    }

    /// Stores the corrections, and clusters the people of the `touched` faces again under these corrections.
    fn apply_corrections(
        &self,
        gallery: &mut Gallery,
        corrections: Corrections,
        touched: &HashSet<FaceId>,
    ) -> Result<()> {
        corrections.check()?;
        let photos = self.photos_with(gallery, touched)?;
        self.store.put_setting(OwnerSetting::People, &corrections.to_bytes())?;
        let mut faces = person_faces(photos.iter());
        faces.retain(|face| touched.contains(&face.id));
        gallery.people.correct(corrections, &faces, self.config.matching.cluster_cut);
        if touched.is_empty() {
            return Ok(());
        }
        self.store.put_derived(DerivedState::People, &gallery.people.to_bytes())
    }

    fn photos_with(&self, gallery: &Gallery, faces: &HashSet<FaceId>) -> Result<Vec<Photo>> {
        let ids: HashSet<PhotoId> =
            faces.iter().filter_map(|id| gallery.face(id)).map(|face| face.photo).collect();
        let mut photos = Vec::with_capacity(ids.len());
        for id in ids {
            photos.extend(self.store.get_by_key(&self.store.photo_key(&id)?)?);
        }
        self.suppressions().remove_hidden_of(&mut photos);
        // The order is fixed, so that a correction does not depend on the order of the set.
        photos.sort_by_key(|photo| photo.id);
        Ok(photos)
    }
}

impl Gallery {
    /// Returns the person of a face; `None` if the face belongs to no person.
    ///
    /// # Errors
    /// - `NotFound`: the gallery has no such face.
    fn person_of(&self, face: &FaceId) -> Result<Option<&Person>> {
        let missing = || Error::NotFound { kind: "face", id: face.to_string() };
        self.face(face).ok_or_else(missing)?;
        Ok(self.people.person_of(face))
    }

    fn person_ref(&self, faces: &[FaceId]) -> Option<PersonRef> {
        Some(PersonRef { faces: faces.to_vec(), best: self.best_of(faces)? })
    }

    fn best_of(&self, faces: &[FaceId]) -> Option<FaceId> {
        let quality = |id: &FaceId| Some((self.face(id)?.quality, *id));
        let best =
            faces.iter().filter_map(quality).max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        best.map(|(_, id)| id)
    }

    fn is_good(&self, face: &FaceId) -> bool {
        self.face(face).is_some_and(|face| face.quality >= Quality::LOW)
    }

    /// Returns a photo that shows two of these people, if there is one.
    fn photo_of_two(&self, people: &[PersonRef]) -> Option<PhotoId> {
        let mut shows: HashMap<PhotoId, usize> = HashMap::new();
        let faces = people.iter().enumerate();
        let mut faces =
            faces.flat_map(|(nth, person)| person.faces.iter().map(move |id| (nth, id)));
        faces.find_map(|(nth, id)| {
            let photo = self.face(id)?.photo;
            (*shows.entry(photo).or_insert(nth) != nth).then_some(photo)
        })
    }
}

/// Reads the corrections from the store. Returns empty corrections, with a warning in `warnings`, if the note
/// is unreadable.
fn read_corrections(store: &Store, warnings: &mut Vec<String>) -> Result<Corrections> {
    Ok(try_read_corrections(store)?.unwrap_or_else(|| {
        warnings.push("the corrections of people are damaged: they have to be made again".into());
        Corrections::default()
    }))
}

/// Reads the corrections from the store; `None` if the note is damaged.
pub(super) fn try_read_corrections(store: &Store) -> Result<Option<Corrections>> {
    match store.setting(OwnerSetting::People) {
        Ok(Some(bytes)) => Ok(Corrections::from_bytes(&bytes)),
        Ok(None) => Ok(Some(Corrections::default())),
        Err(Error::Seal { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Loads the people from the store and updates them for `photos` and the owner's corrections. If `whole` is
/// true, `photos` are all photos of the collection, and faces of other photos are removed from the
/// corrections, except hidden faces.
pub(super) fn people_of(
    store: &Store,
    config: GalleryConfig,
    photos: &[Photo],
    suppressions: &SuppressionList,
    whole: bool,
    warnings: &mut Vec<String>,
) -> Result<People> {
    let faces = person_faces(photos.iter());
    let mut corrections = read_corrections(store, warnings)?;
    let present: HashSet<FaceId> = faces.iter().map(|face| face.id).collect();
    // Corrections of hidden faces are kept, because the faces may be shown again.
    let lost = |face: &FaceId| !present.contains(face) && !suppressions.hides(face);
    if whole && corrections.forget(lost) && !store.is_read_only() {
        store.put_setting(OwnerSetting::People, &corrections.to_bytes())?;
    }
    let stored = store.get_derived(DerivedState::People).and_then(|bytes| {
        bytes.map(|bytes| People::read(&bytes, &faces, corrections.clone())).transpose()
    });
    let stored = stored.unwrap_or_else(|error| {
        warnings.push(format!("the people are clustered again from the photos: {error}"));
        None
    });
    let mut people = stored.unwrap_or_else(|| People::with_corrections(corrections));
    // A read-only store (full disk) cannot be written; a later opening stores the derived state.
    if people.update(&faces, config.matching.cluster_cut) && !store.is_read_only() {
        store.put_derived(DerivedState::People, &people.to_bytes())?;
    }
    Ok(people)
}

fn no_person(face: &FaceId) -> Error {
    Error::NoPerson { face: face.to_string() }
}

#[cfg(test)]
mod tests;
