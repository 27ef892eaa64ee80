//! What the owner says of people: two are one, these faces are somebody else, leave this one out of the list.
//!
//! What is said is truth: durable before it shows, in the store's note and then in the gallery. Only the faces
//! of the people that a word is about are read. Knows nothing of how people are formed.

use std::collections::{HashMap, HashSet};

use super::gallery::{Gallery, person_faces};
use super::{Collection, Made};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::{FaceId, PhotoId};
use crate::people::{Corrections, Meant, People, Person};
use crate::quality::QUALITY_LOW;
use crate::store::{Blob, Note, Store};

/// A person as somebody looks at it.
#[derive(Clone, Debug)]
pub struct PersonShown {
    pub hidden: bool,
    /// The one that fits the others worst first.
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
    /// The person of a face. Errors: `NotFound` for no face of this collection, `NoPerson` for one that is
    /// nobody's.
    pub fn person(&self, face: &FaceId) -> Result<PersonShown> {
        let gallery = self.gallery();
        let person = gallery.person_meant(face)?.ok_or_else(|| nobody(face))?;
        let shown = |id: &FaceId| {
            let known = gallery.face(id)?;
            let similarity = gallery.index.similarity(id, &person.centroid)?;
            let (photo, bbox, quality) = (known.photo, known.bbox, known.quality);
            Some(FaceOfPerson { face: *id, photo, bbox, quality, similarity })
        };
        let mut faces: Vec<FaceOfPerson> = person.faces.iter().filter_map(shown).collect();
        faces.sort_by(|a, b| a.similarity.total_cmp(&b.similarity).then(a.face.cmp(&b.face)));
        Ok(PersonShown { hidden: person.hidden, faces })
    }

    /// The people of these faces are one person; durable when it returns. Whatever was said to keep them apart
    /// is taken back. A face of poor quality that is nobody's becomes this person's.
    ///
    /// Errors: `NotFound` for no face of this collection, `NoPerson` where none of the faces is anybody's,
    /// `TogetherInPhoto` where two of the people are in one photo, unless `although_together`, `TooMuchSaid`.
    pub fn merge_people(&self, faces: &[FaceId], although_together: bool) -> Result<()> {
        self.catch_up()?;
        let _alone = self.settling();
        let mut gallery = self.gallery();
        let mut people: Vec<Meant> = Vec::new();
        let mut none = true;
        for face in faces {
            if people.iter().any(|person| person.faces.contains(face)) {
                continue;
            }
            let person = gallery.person_meant(face)?;
            none &= person.is_none();
            people.push(match person {
                Some(person) => gallery.meant(&person.faces).ok_or_else(|| nobody(face))?,
                None => {
                    Meant { faces: gallery.people.corrections.together_with(face), best: *face }
                }
            });
        }
        match faces.first() {
            Some(face) if none => return Err(nobody(face)),
            _ if people.len() < 2 => return Ok(()),
            _ => {}
        }
        if let Some(photo) = gallery.photo_of_two(&people).filter(|_| !although_together) {
            return Err(Error::TogetherInPhoto { photo });
        }
        let mut said = gallery.people.corrections.clone();
        said.merge(&people, although_together, |face| gallery.people.is_homeless(face));
        let touched = people.into_iter().flat_map(|person| person.faces).collect();
        self.say(&mut gallery, said, &touched)
    }

    /// These faces of one person are somebody else; durable when it returns. They are one person from now on,
    /// and nobody of the rest. What of either has poor faces only is nobody's then.
    ///
    /// Errors: `NotFound`, `NoPerson`; `ManyPeople` where they are not one person's, `WholePerson` where none
    /// would stay, `TooMuchSaid`.
    pub fn split_person(&self, faces: &[FaceId]) -> Result<()> {
        self.catch_up()?;
        let _alone = self.settling();
        let mut gallery = self.gallery();
        let Some(first) = faces.first() else { return Ok(()) };
        let person = gallery.person_meant(first)?.ok_or_else(|| nobody(first))?.faces.clone();
        let theirs: HashSet<FaceId> = person.iter().copied().collect();
        for face in faces {
            gallery.person_meant(face)?.ok_or_else(|| nobody(face))?;
            if !theirs.contains(face) {
                let (first, second) = (first.to_string(), face.to_string());
                return Err(Error::ManyPeople { first, second });
            }
        }
        let split: HashSet<FaceId> = faces.iter().copied().collect();
        let rest: Vec<FaceId> = person.iter().copied().filter(|id| !split.contains(id)).collect();
        let Some(best) = gallery.best_of(&rest) else {
            return Err(Error::WholePerson { faces: person.len() });
        };
        // The rest stays one person, even where the face is gone by which it was said to be one.
        let good: Vec<FaceId> = rest.iter().copied().filter(|id| gallery.is_good(id)).collect();
        let parts = gallery.people.by_part(&good);
        let of_rest: Vec<FaceId> = parts.iter().filter_map(|part| gallery.best_of(part)).collect();
        let mut said = gallery.people.corrections.clone();
        said.split(faces, &rest, &of_rest, best);
        self.say(&mut gallery, said, &theirs)
    }

    /// Leaves the person of a face out of the list, or lists them again; durable when it returns. Errors:
    /// `NotFound`, `NoPerson`, `TooMuchSaid`.
    pub fn hide_person(&self, face: &FaceId, hidden: bool) -> Result<()> {
        self.catch_up()?;
        let _alone = self.settling();
        let mut gallery = self.gallery();
        let person = gallery.person_meant(face)?.ok_or_else(|| nobody(face))?;
        let person = gallery.meant(&person.faces).ok_or_else(|| nobody(face))?;
        let mut said = gallery.people.corrections.clone();
        said.hide(&person, hidden);
        self.say(&mut gallery, said, &HashSet::new())
    }

    /// Keeps what is said now, and brings the people of the `touched` faces in line with it.
    fn say(
        &self,
        gallery: &mut Gallery,
        said: Corrections,
        touched: &HashSet<FaceId>,
    ) -> Result<()> {
        said.check()?;
        let photos = self.photos_with(gallery, touched)?;
        self.store.put_note(Note::People, &said.to_bytes())?;
        let mut faces = person_faces(photos.iter());
        faces.retain(|face| touched.contains(&face.id));
        gallery.people.correct(said, &faces, self.made.matching.cluster_cut);
        if touched.is_empty() {
            return Ok(());
        }
        self.store.put_blob(Blob::People, &gallery.people.to_bytes())
    }

    fn photos_with(&self, gallery: &Gallery, faces: &HashSet<FaceId>) -> Result<Vec<Photo>> {
        let ids: HashSet<PhotoId> =
            faces.iter().filter_map(|id| gallery.face(id)).map(|face| face.photo).collect();
        let mut photos = Vec::with_capacity(ids.len());
        for id in ids {
            photos.extend(self.store.get_by_key(&self.store.photo_key(&id)?)?);
        }
        // In one order, so that the same word has the same outcome.
        photos.sort_by_key(|photo| photo.id);
        Ok(photos)
    }
}

impl Gallery {
    /// The person of a face, `None` where it is nobody's. Errors: `NotFound` for no face of this collection.
    fn person_meant(&self, face: &FaceId) -> Result<Option<&Person>> {
        let missing = || Error::NotFound { kind: "face", id: face.to_string() };
        self.face(face).ok_or_else(missing)?;
        Ok(self.people.person_of(face))
    }

    fn meant(&self, faces: &[FaceId]) -> Option<Meant> {
        Some(Meant { faces: faces.to_vec(), best: self.best_of(faces)? })
    }

    fn best_of(&self, faces: &[FaceId]) -> Option<FaceId> {
        let quality = |id: &FaceId| Some((self.face(id)?.quality, *id));
        let best =
            faces.iter().filter_map(quality).max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        best.map(|(_, id)| id)
    }

    fn is_good(&self, face: &FaceId) -> bool {
        self.face(face).is_some_and(|face| face.quality >= QUALITY_LOW)
    }

    /// A photo that shows two of these people.
    fn photo_of_two(&self, people: &[Meant]) -> Option<PhotoId> {
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

/// What was said of people, as the store has it. A note that does not read has to be said again.
fn said(store: &Store, remarks: &mut Vec<String>) -> Result<Corrections> {
    Ok(read_note(store)?.unwrap_or_else(|| {
        remarks.push("what was said of people is damaged: it has to be said again".into());
        Corrections::default()
    }))
}

/// What was said, `None` where the note does not read.
pub(super) fn read_note(store: &Store) -> Result<Option<Corrections>> {
    match store.note(Note::People) {
        Ok(Some(bytes)) => Ok(Corrections::from_bytes(&bytes)),
        Ok(None) => Ok(Some(Corrections::default())),
        Err(Error::Seal { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The people of what is stored, under what was said of them. `whole`: no photo is left out, so that a face
/// that is not among `photos` is gone.
pub(super) fn people_of(
    store: &Store,
    made: Made,
    photos: &[Photo],
    whole: bool,
    remarks: &mut Vec<String>,
) -> Result<People> {
    let faces = person_faces(photos.iter());
    let mut said = said(store, remarks)?;
    let present: HashSet<FaceId> = faces.iter().map(|face| face.id).collect();
    if whole && said.forget(|face| !present.contains(face)) && !store.is_read_only() {
        store.put_note(Note::People, &said.to_bytes())?;
    }
    let stored = store.get_blob(Blob::People).and_then(|bytes| {
        bytes.map(|bytes| People::read(&bytes, &faces, said.clone())).transpose()
    });
    let stored = stored.unwrap_or_else(|error| {
        remarks.push(format!("the stored people are formed anew: {error}"));
        None
    });
    let mut people = stored.unwrap_or_else(|| People::under(said));
    // On a full disk the collection is searched as it is; the next opening stores what is derived.
    if people.update(&faces, made.matching.cluster_cut) && !store.is_read_only() {
        store.put_blob(Blob::People, &people.to_bytes())?;
    }
    Ok(people)
}

fn nobody(face: &FaceId) -> Error {
    Error::NoPerson { face: face.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
