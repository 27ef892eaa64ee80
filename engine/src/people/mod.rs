//! The people of a collection: clusters of faces, updated incrementally as faces are added and removed.
//!
//! Clustering favours precision, because guests notice a wrong face before a missing face. Low-quality faces
//! join a person but never form a person. The clustering satisfies the owner's corrections
//! (`corrections.rs`); all else is derived from the faces.

mod cluster;
mod codec;
mod constraints;
mod corrections;
mod corrections_codec;
mod form;
mod similarity_blocks;

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::ids::{FaceId, PhotoId};
use crate::quality::Quality;
use cluster::dot;
use corrections::ConstraintView;
pub(crate) use corrections::{Corrections, PersonRef};
use form::PartId;

/// Limits the share of new faces in an incremental update to a quarter. From that share on, an update
/// clusters all faces again, so that the result does not depend on the order of arrival. Range: 0 to 1. Cost:
/// a lower value takes more time, a higher value reduces accuracy.
const FULL_RECLUSTER_SHARE: f32 = 0.25;

/// A face as input of clustering.
pub struct PersonFace<'a> {
    pub id: FaceId,
    pub photo: PhotoId,
    /// 0..1.
    pub quality: f32,
    /// Shape `[D]`, L2 norm 1.
    pub embedding: &'a [f32],
}

/// One person of a collection.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The faces, in order of joining.
    pub faces: Vec<FaceId>,
    /// Whether the owner has hidden this person from the list.
    pub hidden: bool,
    /// Whether a must-link constraint of the owner joins several clusters in this person, or adds a
    /// low-quality face to it.
    pub(crate) owner_merged: bool,
    /// The unit mean of the good faces' embeddings, shape `[D]`.
    pub(crate) centroid: Vec<f32>,
}

impl Person {
    /// Returns the cosine of a unit embedding and this person's centroid, -1..1.
    pub fn similarity(&self, embedding: &[f32]) -> f32 {
        dot(&self.centroid, embedding)
    }
}

/// All people of a collection, and the person of each face that has one.
#[derive(Clone, Default)]
pub struct People {
    persons: Vec<Person>,
    of: HashMap<FaceId, PartId>,
    pub(crate) corrections: Corrections,
}

impl People {
    /// Makes a value without people that holds these corrections.
    pub(crate) fn with_corrections(corrections: Corrections) -> Self {
        Self { corrections, ..Self::default() }
    }

    /// Returns the persons. A low-quality face that fits no person is in no person.
    pub fn persons(&self) -> &[Person] {
        &self.persons
    }

    /// Returns the person that `face` belongs to; `None` if the face belongs to no person.
    pub fn person_of(&self, face: &FaceId) -> Option<&Person> {
        self.of.get(face).and_then(|part_id| self.persons.get(part_id.person))
    }

    /// Updates the people for `faces`, all faces of the collection. Returns whether the people changed.
    ///
    /// Removed faces leave their person. New faces join a person or form a new person. Clusters are merged
    /// while their average cosine is at least `cut`, -1..1.
    pub fn update(&mut self, faces: &[PersonFace<'_>], cut: f32) -> bool {
        let new = faces
            .iter()
            .filter(|face| face.quality >= Quality::LOW && !self.of.contains_key(&face.id))
            .count();
        let known = faces.iter().filter(|face| self.of.contains_key(&face.id)).count();
        let gone = known < self.of.len();
        let waiting =
            faces.iter().any(|face| face.quality < Quality::LOW && !self.of.contains_key(&face.id));
        let constraints = self.corrections.constraints();
        let settled = new == 0 && !gone && !(waiting && self.persons.is_empty());
        if settled && self.satisfies(&constraints) && !self.lacks_grouped_face(faces, &constraints)
        {
            return false;
        }
        let recluster = new as f32 >= FULL_RECLUSTER_SHARE * faces.len() as f32;
        let known = if recluster { HashMap::new() } else { std::mem::take(&mut self.of) };
        *self = Self::recluster(faces, &known, std::mem::take(&mut self.corrections), cut);
        true
    }

    /// Clusters as `form` does. If the result breaks a constraint because of known parts, clusters again
    /// without known parts.
    fn recluster(
        faces: &[PersonFace<'_>],
        known: &HashMap<FaceId, PartId>,
        corrections: Corrections,
        cut: f32,
    ) -> Self {
        let formed = Self::form(faces, known, corrections, cut);
        if known.is_empty() || formed.satisfies(&formed.corrections.constraints()) {
            return formed;
        }
        Self::form(faces, &HashMap::new(), formed.corrections, cut)
    }

    /// Replaces the corrections and clusters again the faces `touched`: all faces of the people that the
    /// change concerns. Other people do not change. `cut`: as in `update`.
    pub(crate) fn correct(
        &mut self,
        corrections: Corrections,
        touched: &[PersonFace<'_>],
        cut: f32,
    ) {
        let part_id = |face: &PersonFace<'_>| Some((face.id, *self.of.get(&face.id)?));
        let known: HashMap<FaceId, PartId> = touched.iter().filter_map(part_id).collect();
        let formed = Self::recluster(touched, &known, corrections, cut);
        let gone: HashSet<usize> = known.values().map(|part_id| part_id.person).collect();
        let mut people = Self { corrections: formed.corrections, ..Self::default() };
        for (person, kept) in std::mem::take(&mut self.persons).into_iter().enumerate() {
            if !gone.contains(&person) {
                people.append(kept, &self.of);
            }
        }
        formed.persons.into_iter().for_each(|person| people.append(person, &formed.of));
        people.mark_hidden();
        *self = people;
    }

    fn append(&mut self, person: Person, of: &HashMap<FaceId, PartId>) {
        let number = self.persons.len();
        let placed = person.faces.iter().map(|face| {
            let part = of.get(face).map_or(0, |part_id| part_id.part);
            (*face, PartId { person: number, part })
        });
        self.of.extend(placed);
        self.persons.push(person);
    }

    /// Returns whether the people satisfy all constraints: no person has faces on both sides of a
    /// cannot-link, and no must-link group is in two persons.
    fn satisfies(&self, constraints: &ConstraintView) -> bool {
        let mut person_of_bond: HashMap<usize, usize> = HashMap::new();
        let bonded =
            constraints.grouped().filter_map(|(face, group)| Some((group, self.of.get(face)?)));
        for (group, part_id) in bonded {
            if *person_of_bond.entry(group).or_insert(part_id.person) != part_id.person {
                return false;
            }
        }
        let mut sides: HashMap<usize, HashSet<u32>> = HashMap::new();
        for (face, cannot_links) in constraints.cannot_linked() {
            if let Some(part_id) = self.of.get(face) {
                sides.entry(part_id.person).or_default().extend(cannot_links);
            }
        }
        !sides.values().any(|sides| sides.iter().any(|mark| sides.contains(&(mark ^ 1))))
    }

    /// Returns whether a face without a person is in a must-link group that has a person.
    fn lacks_grouped_face(&self, faces: &[PersonFace<'_>], constraints: &ConstraintView) -> bool {
        let theirs = constraints.grouped().filter(|(face, _)| self.of.contains_key(face));
        let known: HashSet<usize> = theirs.map(|(_, group)| group).collect();
        let missed = |face: &PersonFace<'_>| {
            constraints.group(&face.id).is_some_and(|group| known.contains(&group))
                && !self.of.contains_key(&face.id)
        };
        !known.is_empty() && faces.iter().any(missed)
    }

    /// Removes erased faces from the corrections.
    pub(crate) fn forget(&mut self, gone: &HashSet<FaceId>) {
        if !gone.is_empty() {
            self.corrections.forget(|face| gone.contains(face));
        }
    }

    /// Returns whether a face belongs to no person.
    pub(crate) fn has_no_person(&self, face: &FaceId) -> bool {
        !self.of.contains_key(face)
    }

    /// Groups `faces` by part, that is, by the cluster of their person (see `form`). All faces without a person
    /// form one group.
    pub(crate) fn by_part(&self, faces: &[FaceId]) -> Vec<Vec<FaceId>> {
        let mut parts: HashMap<Option<&PartId>, Vec<FaceId>> = HashMap::new();
        faces.iter().for_each(|face| parts.entry(self.of.get(face)).or_default().push(*face));
        parts.into_values().collect()
    }

    /// Encodes the partition into parts; the caller encrypts and stores the bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self.parts().iter().map(Vec::as_slice))
    }

    /// Decodes a partition, and computes the centroids from `faces`. Leaves out faces that are not among
    /// `faces`.
    ///
    /// # Errors
    /// - `Damaged`: the bytes cannot be decoded.
    pub fn from_bytes(bytes: &[u8], faces: &[PersonFace<'_>]) -> Result<Self> {
        Self::read(bytes, faces, Corrections::default())
    }

    /// Decodes a partition as `from_bytes` does, with these corrections.
    pub(crate) fn read(
        bytes: &[u8],
        faces: &[PersonFace<'_>],
        corrections: Corrections,
    ) -> Result<Self> {
        let damaged = || Error::Damaged {
            what: "the list of people in the collection".into(),
            reason: "the bytes cannot be decoded".into(),
        };
        Ok(Self::from_parts(codec::decode(bytes).ok_or_else(damaged)?, faces, corrections))
    }
}

#[cfg(test)]
mod tests;
