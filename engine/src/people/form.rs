//! Forms people: good faces → nodes → clusters → persons. Then low-quality faces join the person that they
//! fit.
//!
//! A person has one part (a cluster), or several parts that must-link constraints join. Known parts from an
//! earlier clustering stay undivided, except if a cannot-link has faces of a part on both sides. The
//! cannot-link then divides the part.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cluster::{ClusterNode, agglomerate, dot, most_similar};
use super::constraints::{MustLinkGroups, conflict};
use super::corrections::{ConstraintView, Corrections};
use super::{People, Person, PersonFace};
use crate::ids::FaceId;
use crate::quality::Quality;

/// The margin, 0.1 above the cut, that the average cosine of a low-quality face (below `Quality::LOW`) with a
/// person must reach.
const LOW_QUALITY_MARGIN: f32 = 0.1;

/// The position of a face in the partition: the number of its person, and the number of the part within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartId {
    pub(super) person: usize,
    pub(super) part: usize,
}

/// The good faces as nodes of the clustering.
struct Nodes {
    nodes: Vec<ClusterNode>,
    /// The number of leading nodes that are unchanged known parts. These need no comparison with one another.
    settled: usize,
    /// The node of each good face.
    of_face: Vec<usize>,
}

impl Nodes {
    /// Makes a node for each part in `known`, and for each new face.
    fn of(
        good: &[&PersonFace<'_>],
        known: &HashMap<FaceId, PartId>,
        constraints: &ConstraintView,
    ) -> Self {
        let torn = violated_parts(good, known, constraints);
        // Returns the part of a known face and, if cannot-links divide the part, the sides that the face is
        // on. A face that joined after the split and is on no side is clustered again, as a new face.
        let part = |face: &PersonFace<'_>| {
            let part_id = known.get(&face.id)?;
            let Some(statements) = torn.get(part_id) else { return Some((*part_id, Vec::new())) };
            let sides = constraints.cannot_link_ids(&face.id).iter().copied();
            let sides: Vec<u32> = sides.filter(|mark| statements.contains(&(mark / 2))).collect();
            (sides.len() == statements.len()).then_some((*part_id, sides))
        };
        let parts: Vec<Option<(PartId, Vec<u32>)>> = good.iter().map(|face| part(face)).collect();
        let whole = |i: &usize| matches!(parts.get(*i), Some(Some((_, sides))) if sides.is_empty());
        let (old, new): (Vec<usize>, Vec<usize>) = (0..good.len()).partition(whole);
        let settled_faces = old.len();
        let mut all = Self { nodes: Vec::new(), settled: 0, of_face: vec![0; good.len()] };
        let mut node_of_part: HashMap<&(PartId, Vec<u32>), usize> = HashMap::new();
        for (order, i) in old.into_iter().chain(new).enumerate() {
            let (Some(face), Some(slot)) = (good.get(i), all.of_face.get_mut(i)) else { continue };
            let node = match parts.get(i) {
                Some(Some(part)) => *node_of_part.entry(part).or_insert(all.nodes.len()),
                _ => all.nodes.len(),
            };
            *slot = node;
            match all.nodes.get_mut(node) {
                Some(node) => node.add(face),
                None => all.nodes.push(ClusterNode::of(face)),
            }
            if order < settled_faces {
                all.settled = all.nodes.len();
            }
        }
        all
    }

    /// Applies the constraints of the faces to their nodes. Returns the must-link groups.
    fn apply_constraints(
        &mut self,
        good: &[&PersonFace<'_>],
        constraints: &ConstraintView,
    ) -> MustLinkGroups {
        let mut must_links = MustLinkGroups::of(constraints);
        if constraints.is_empty() {
            return must_links;
        }
        for (face, node) in good.iter().zip(&self.of_face) {
            if let Some(node) = self.nodes.get_mut(*node) {
                must_links.add_cannot_links(node, constraints.cannot_link_ids(&face.id));
            }
        }
        for (face, node) in good.iter().zip(&self.of_face) {
            if let (Some(node), Some(group)) =
                (self.nodes.get_mut(*node), constraints.group(&face.id))
            {
                must_links.add_to_group(node, group);
            }
        }
        must_links
    }
}

/// Returns the known parts with faces on both sides of a cannot-link, each with the numbers of its
/// cannot-links.
fn violated_parts(
    good: &[&PersonFace<'_>],
    known: &HashMap<FaceId, PartId>,
    constraints: &ConstraintView,
) -> HashMap<PartId, BTreeSet<u32>> {
    let mut cannot_links: HashMap<PartId, BTreeSet<u32>> = HashMap::new();
    for face in good.iter().filter(|face| !constraints.cannot_link_ids(&face.id).is_empty()) {
        if let Some(part_id) = known.get(&face.id) {
            cannot_links.entry(*part_id).or_default().extend(constraints.cannot_link_ids(&face.id));
        }
    }
    cannot_links.retain(|_, cannot_links| {
        *cannot_links = cannot_links
            .iter()
            .filter(|mark| cannot_links.contains(&(*mark ^ 1)))
            .map(|mark| mark / 2)
            .collect();
        !cannot_links.is_empty()
    });
    cannot_links
}

/// Groups clusters into persons by their must-link groups. Returns the [`PartId`] of each cluster, and the
/// persons; their faces are not yet filled in.
fn persons(clusters: &[ClusterNode], must_links: &MustLinkGroups) -> (Vec<PartId>, Vec<Person>) {
    let mut person_of_bond: HashMap<usize, usize> = HashMap::new();
    let mut sums: Vec<(Vec<f32>, usize)> = Vec::new();
    let mut places = Vec::with_capacity(clusters.len());
    for node in clusters {
        let person = match node.group.map(|group| must_links.root(group)) {
            Some(group) => *person_of_bond.entry(group).or_insert(sums.len()),
            None => sums.len(),
        };
        let part = match sums.get_mut(person) {
            Some((sum, parts)) => {
                sum.iter_mut().zip(&node.sum).for_each(|(sum, value)| *sum += value);
                *parts += 1;
                *parts - 1
            }
            None => {
                sums.push((node.sum.clone(), 1));
                0
            }
        };
        places.push(PartId { person, part });
    }
    (places, sums.iter().map(|(sum, parts)| person(sum, *parts > 1)).collect())
}

fn person(sum: &[f32], owner_merged: bool) -> Person {
    let norm = dot(sum, sum).sqrt().max(f32::MIN_POSITIVE);
    let centroid = sum.iter().map(|value| value / norm).collect();
    Person { centroid, owner_merged, ..Person::default() }
}

impl People {
    /// Clusters `faces` under the corrections. Starts from the parts in `known`, which need not contain every
    /// face.
    pub(super) fn form(
        faces: &[PersonFace<'_>],
        known: &HashMap<FaceId, PartId>,
        corrections: Corrections,
        cut: f32,
    ) -> Self {
        let constraints = corrections.constraints();
        let good: Vec<&PersonFace<'_>> =
            faces.iter().filter(|face| face.quality >= Quality::LOW).collect();
        let mut nodes = Nodes::of(&good, known, &constraints);
        let mut must_links = nodes.apply_constraints(&good, &constraints);
        let Nodes { nodes, settled, of_face } = nodes;
        let (cluster_of_node, mut clusters) = agglomerate(nodes, settled, cut, &mut must_links);
        let (places, persons) = persons(&clusters, &must_links);
        let mut people = Self { persons, of: HashMap::new(), corrections };
        for (face, node) in good.iter().zip(of_face) {
            if let Some(part_id) =
                cluster_of_node.get(node).and_then(|cluster| places.get(*cluster))
            {
                people.join(face.id, *part_id);
            }
        }
        people.assign_low_quality(
            faces,
            &constraints,
            &mut Clustering { clusters: &mut clusters, places, groups: must_links },
            cut,
        );
        people.mark_hidden();
        people
    }

    /// Restores people from their stored parts, `groups`. Leaves out faces that are not among `faces`.
    pub(super) fn from_parts(
        groups: Vec<Vec<FaceId>>,
        faces: &[PersonFace<'_>],
        corrections: Corrections,
    ) -> Self {
        let by_id: HashMap<FaceId, &PersonFace<'_>> =
            faces.iter().map(|face| (face.id, face)).collect();
        let constraints = corrections.constraints();
        let (mut parts, mut clusters) = (Vec::new(), Vec::new());
        let mut must_links = MustLinkGroups::of(&constraints);
        for group in groups {
            let members: Vec<&PersonFace<'_>> =
                group.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let mut good = members.iter().filter(|face| face.quality >= Quality::LOW);
            let Some(first) = good.next() else { continue };
            let mut node = ClusterNode::of(first);
            good.for_each(|face| node.add(face));
            if !constraints.is_empty() {
                let bonded = members.iter().filter_map(|face| constraints.group(&face.id));
                members.iter().for_each(|face| {
                    must_links.add_cannot_links(&mut node, constraints.cannot_link_ids(&face.id))
                });
                bonded.for_each(|group| must_links.add_to_group(&mut node, group));
            }
            clusters.push(node);
            parts.push(members);
        }
        let (places, persons) = persons(&clusters, &must_links);
        let mut people = Self { persons, of: HashMap::new(), corrections };
        for (members, part_id) in parts.iter().zip(places) {
            for face in members {
                people.join(face.id, part_id);
                if face.quality < Quality::LOW && constraints.group(&face.id).is_some() {
                    people.mark_owner_merged(&face.id);
                }
            }
        }
        people.mark_hidden();
        people
    }

    /// Assigns each low-quality face to the person of its must-link group. Assigns a face without a group to
    /// the most similar person, if the average cosine reaches the cut plus `LOW_QUALITY_MARGIN` and no
    /// constraint bars it.
    fn assign_low_quality(
        &mut self,
        faces: &[PersonFace<'_>],
        constraints: &ConstraintView,
        formed: &mut Clustering<'_>,
        cut: f32,
    ) {
        let poor = || faces.iter().filter(|face| face.quality < Quality::LOW);
        let owner_merged = |face: &PersonFace<'_>, formed: &Clustering<'_>| {
            let group = formed.groups.root(constraints.group(&face.id)?);
            let theirs =
                |node: &ClusterNode| node.group.map(|it| formed.groups.root(it)) == Some(group);
            formed.nearest(face, theirs).map(|(_, i)| i)
        };
        if !constraints.is_empty() {
            for face in poor() {
                if let Some(cluster) = owner_merged(face, formed) {
                    self.assign(face, cluster, constraints, formed);
                    self.mark_owner_merged(&face.id);
                }
            }
        }
        // Faces with a must-link are excluded: either they were assigned above, or their group has no good
        // face and therefore no person.
        let open: Vec<&PersonFace<'_>> =
            poor().filter(|face| constraints.group(&face.id).is_none()).collect();
        let embeddings: Vec<&[f32]> = open.iter().map(|face| face.embedding).collect();
        let alike = most_similar(&embeddings, formed.clusters, cut + LOW_QUALITY_MARGIN);
        for (face, best) in open.into_iter().zip(alike) {
            let cannot_links = constraints.cannot_link_ids(&face.id);
            let may = |node: &ClusterNode| {
                cannot_links.is_empty()
                    || !conflict(cannot_links, formed.groups.cannot_link_ids(node))
            };
            let free = |i: usize| {
                let photos = formed.clusters.get(i).map(|node| formed.groups.photos(node));
                photos.is_some_and(|photos| photos.binary_search(&face.photo).is_err())
            };
            // A face with cannot-links is compared only with the persons that its cannot-links allow.
            let best = if cannot_links.is_empty() { best } else { formed.nearest(face, may) };
            let best = best.filter(|&(near, i)| near >= cut + LOW_QUALITY_MARGIN && free(i));
            if let Some((_, cluster)) = best {
                self.assign(face, cluster, constraints, formed);
            }
        }
    }

    fn assign(
        &mut self,
        face: &PersonFace<'_>,
        cluster: usize,
        constraints: &ConstraintView,
        formed: &mut Clustering<'_>,
    ) {
        let (Some(part_id), Some(node)) =
            (formed.places.get(cluster), formed.clusters.get_mut(cluster))
        else {
            return;
        };
        self.join(face.id, *part_id);
        formed.groups.add_cannot_links(node, constraints.cannot_link_ids(&face.id));
    }

    fn join(&mut self, face: FaceId, part_id: PartId) {
        if let Some(of) = self.persons.get_mut(part_id.person) {
            of.faces.push(face);
            self.of.insert(face, part_id);
        }
    }

    fn mark_owner_merged(&mut self, face: &FaceId) {
        let part_id = self.of.get(face);
        if let Some(person) = part_id.and_then(|part_id| self.persons.get_mut(part_id.person)) {
            person.owner_merged = true;
        }
    }

    /// Returns the parts, each with its faces.
    pub(super) fn parts(&self) -> Vec<Vec<FaceId>> {
        let mut parts: BTreeMap<PartId, Vec<FaceId>> = BTreeMap::new();
        for (person, of) in self.persons.iter().enumerate() {
            for face in &of.faces {
                let part_id = self.of.get(face).filter(|part_id| part_id.person == person);
                let part = part_id.map_or(0, |part_id| part_id.part);
                parts.entry(PartId { person, part }).or_default().push(*face);
            }
        }
        parts.into_values().collect()
    }

    pub(super) fn mark_hidden(&mut self) {
        self.persons.iter_mut().for_each(|person| person.hidden = false);
        for face in &self.corrections.hidden {
            let part_id = self.of.get(face);
            if let Some(person) = part_id.and_then(|part_id| self.persons.get_mut(part_id.person)) {
                person.hidden = true;
            }
        }
    }
}

/// The clusters of the good faces, which low-quality faces join.
struct Clustering<'a> {
    clusters: &'a mut [ClusterNode],
    places: Vec<PartId>,
    groups: MustLinkGroups,
}

impl Clustering<'_> {
    /// Returns the allowed cluster (`may`) with the highest average cosine to `face`, and that cosine.
    fn nearest(
        &self,
        face: &PersonFace<'_>,
        may: impl Fn(&ClusterNode) -> bool,
    ) -> Option<(f32, usize)> {
        let linkage = |node: &ClusterNode| dot(&node.sum, face.embedding) / node.count as f32;
        let clusters = self.clusters.iter().enumerate().filter(|(_, node)| may(node));
        clusters.map(|(i, node)| (linkage(node), i)).max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

impl ClusterNode {
    pub(super) fn of(face: &PersonFace<'_>) -> Self {
        let (sum, photos) = (face.embedding.to_vec(), vec![face.photo]);
        Self { sum, count: 1, photos, cannot_link_ids: Vec::new(), group: None }
    }

    pub(super) fn add(&mut self, face: &PersonFace<'_>) {
        self.sum.iter_mut().zip(face.embedding).for_each(|(sum, value)| *sum += value);
        self.count += 1;
        let at = self.photos.partition_point(|photo| *photo < face.photo);
        self.photos.insert(at, face.photo);
    }
}
