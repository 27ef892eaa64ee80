//! The people of a collection: clusters of faces, kept up to date as faces come and go.
//!
//! Strict: precision is what a guest notices first. Poor faces join a person but never found one.
//! Derived state, rebuildable from the faces. Knows nothing of stores, indexes or queries.

mod cluster;
mod codec;
mod products;

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::ids::{FaceId, PhotoId};
use crate::quality::QUALITY_LOW;
use cluster::{Node, dot};

/// A face below `QUALITY_LOW` joins a person only at this much above the cut.
const POOR_FACE_MARGIN: f32 = 0.1;
/// When the new faces are at least this share of all, people are formed anew: the result then does
/// not depend on the order of arrival. Lower costs time, higher costs a little accuracy.
const ANEW_SHARE: f32 = 0.25;

/// A face as clustering sees it.
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
    /// Unit mean of the good faces' embeddings, shape `[D]`.
    pub(crate) centroid: Vec<f32>,
}

impl Person {
    /// Cosine of a unit embedding and this person's centroid, -1..1.
    pub fn similarity(&self, embedding: &[f32]) -> f32 {
        dot(&self.centroid, embedding)
    }
}

/// All people of a collection and who is which face.
#[derive(Clone, Default)]
pub struct People {
    persons: Vec<Person>,
    of: HashMap<FaceId, usize>,
}

impl People {
    /// The persons; a face of poor quality that fits nobody is in none.
    pub fn persons(&self) -> &[Person] {
        &self.persons
    }

    /// The person `face` belongs to.
    pub fn person_of(&self, face: &FaceId) -> Option<&Person> {
        self.of.get(face).and_then(|&i| self.persons.get(i))
    }

    /// Brings people up to date with `faces`, all faces of the collection; `cut`: average cosine
    /// down to which clusters are merged. Returns whether anything changed.
    ///
    /// Faces that are gone leave their person; new ones join or found one; people who turn out to be
    /// one are merged.
    pub fn update(&mut self, faces: &[PersonFace<'_>], cut: f32) -> bool {
        let new = faces
            .iter()
            .filter(|face| face.quality >= QUALITY_LOW && !self.of.contains_key(&face.id))
            .count();
        let known = faces.iter().filter(|face| self.of.contains_key(&face.id)).count();
        let gone = known < self.of.len();
        let waiting =
            faces.iter().any(|face| face.quality < QUALITY_LOW && !self.of.contains_key(&face.id));
        if new == 0 && !gone && !(waiting && self.persons.is_empty()) {
            return false;
        }
        let anew = new as f32 >= ANEW_SHARE * faces.len() as f32;
        let known = if anew { HashMap::new() } else { std::mem::take(&mut self.of) };
        *self = Self::form(faces, &known, cut);
        true
    }

    /// Clusters `faces`, starting from the persons that `known` gives for some of them.
    fn form(faces: &[PersonFace<'_>], known: &HashMap<FaceId, usize>, cut: f32) -> Self {
        let good: Vec<&PersonFace<'_>> =
            faces.iter().filter(|face| face.quality >= QUALITY_LOW).collect();
        let mut nodes: Vec<Node> = Vec::new();
        let mut node_of_person: HashMap<usize, usize> = HashMap::new();
        let mut node_of_face = vec![0; good.len()];
        let (old, new): (Vec<usize>, Vec<usize>) = (0..good.len())
            .partition(|&i| good.get(i).is_some_and(|face| known.contains_key(&face.id)));
        let settled_faces = old.len();
        let mut settled = 0;
        for (order, i) in old.into_iter().chain(new).enumerate() {
            let (Some(face), Some(slot)) = (good.get(i), node_of_face.get_mut(i)) else { continue };
            let node = match known.get(&face.id) {
                Some(&person) => *node_of_person.entry(person).or_insert(nodes.len()),
                None => nodes.len(),
            };
            *slot = node;
            match nodes.get_mut(node) {
                Some(node) => node.add(face),
                None => nodes.push(Node::of(face)),
            }
            if order < settled_faces {
                settled = nodes.len();
            }
        }
        let (cluster_of_node, clusters) = cluster::agglomerate(nodes, settled, cut);
        let mut people =
            Self { persons: clusters.iter().map(person).collect(), of: HashMap::new() };
        for (face, node) in good.iter().zip(node_of_face) {
            if let Some(&cluster) = cluster_of_node.get(node) {
                people.join(face.id, cluster);
            }
        }
        let poor: Vec<&PersonFace<'_>> =
            faces.iter().filter(|face| face.quality < QUALITY_LOW).collect();
        let embeddings: Vec<&[f32]> = poor.iter().map(|face| face.embedding).collect();
        let alike = cluster::most_alike(&embeddings, &clusters, cut + POOR_FACE_MARGIN);
        for (face, best) in poor.iter().zip(alike) {
            let in_photo = |i: usize| {
                clusters.get(i).is_some_and(|node| node.photos.binary_search(&face.photo).is_ok())
            };
            if let Some((i, _)) = best.filter(|&(i, _)| !in_photo(i)) {
                people.join(face.id, i);
            }
        }
        people
    }

    fn join(&mut self, face: FaceId, person: usize) {
        if let Some(of) = self.persons.get_mut(person) {
            of.faces.push(face);
            self.of.insert(face, person);
        }
    }

    /// The partition as bytes, to be sealed and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self.persons.iter().map(|person| person.faces.as_slice()))
    }

    /// Reads a partition and computes the centroids from `faces`; faces that are not there any more
    /// are left out. `Error::Damaged` when the bytes do not read.
    pub fn from_bytes(bytes: &[u8], faces: &[PersonFace<'_>]) -> Result<Self> {
        let damaged = || Error::Damaged {
            what: "the people of the collection".into(),
            reason: "the bytes do not read".into(),
        };
        let groups = codec::decode(bytes).ok_or_else(damaged)?;
        let by_id: HashMap<FaceId, &PersonFace<'_>> =
            faces.iter().map(|face| (face.id, face)).collect();
        let mut people = Self::default();
        for group in groups {
            let members: Vec<&PersonFace<'_>> =
                group.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let mut good = members.iter().filter(|face| face.quality >= QUALITY_LOW);
            let Some(first) = good.next() else { continue };
            let mut node = Node::of(first);
            good.for_each(|face| node.add(face));
            people.persons.push(person(&node));
            for member in members {
                people.join(member.id, people.persons.len() - 1);
            }
        }
        Ok(people)
    }
}

impl Node {
    fn of(face: &PersonFace<'_>) -> Self {
        Self { sum: face.embedding.to_vec(), count: 1, photos: vec![face.photo] }
    }

    fn add(&mut self, face: &PersonFace<'_>) {
        self.sum.iter_mut().zip(face.embedding).for_each(|(sum, value)| *sum += value);
        self.count += 1;
        let at = self.photos.partition_point(|photo| *photo < face.photo);
        self.photos.insert(at, face.photo);
    }
}

fn person(node: &Node) -> Person {
    let norm = dot(&node.sum, &node.sum).sqrt().max(f32::MIN_POSITIVE);
    Person { faces: Vec::new(), centroid: node.sum.iter().map(|value| value / norm).collect() }
}

#[cfg(test)]
mod tests;
