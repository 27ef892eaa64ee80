//! What the owner of a collection has said of its people: who is one person, who are two, who is not listed.
//!
//! Pure. A later word wins over an earlier one: each word takes back what it contradicts, so that what is
//! kept never contradicts itself. Assumes that it is told who is who just now. Knows nothing of embeddings,
//! of clustering, of stores or of bytes.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::ids::FaceId;

/// Words kept, at most: more than anybody says by hand, and few enough for each to be looked at.
pub(super) const STATEMENTS_MAX: usize = 10_000;
/// Faces named by all words together, at most: 16 MB.
pub(super) const FACES_MAX: usize = 1_000_000;

/// Everything that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Corrections {
    /// No face is in two of them.
    pub(super) together: Vec<Together>,
    pub(super) apart: Vec<Apart>,
    /// Faces whose person is not listed.
    pub(super) hidden: BTreeSet<FaceId>,
}

/// At least two faces that are one person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Together {
    pub(super) faces: BTreeSet<FaceId>,
    /// Said although they are in one photo together: a mirror, a collage.
    pub(super) although_together: bool,
}

/// Nobody of one side is anybody of the other; neither is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) sides: [BTreeSet<FaceId>; 2],
}

/// A person as somebody speaks of it.
#[derive(Clone, Debug)]
pub(crate) struct Meant {
    pub(crate) faces: Vec<FaceId>,
    /// Stands for the person in what is kept.
    pub(crate) best: FaceId,
}

/// What was said, by face, as clustering asks for it.
#[derive(Default)]
pub(super) struct Words {
    marks: HashMap<FaceId, Vec<u32>>,
    bonds: HashMap<FaceId, usize>,
    /// Of each bond, whether it was said although its faces are in one photo.
    pub(super) although_together: Vec<bool>,
}

impl Corrections {
    /// `people` are one person. `homeless`: whether a face belongs to nobody just now; such faces go along
    /// when what keeps these people apart is taken back.
    pub(crate) fn merge(
        &mut self,
        people: &[Meant],
        although_together: bool,
        homeless: impl Fn(&FaceId) -> bool,
    ) {
        let all: HashSet<FaceId> =
            people.iter().flat_map(|person| &person.faces).copied().collect();
        self.unsay_apart(&all, homeless);
        let hidden = |person: &Meant| person.faces.iter().any(|face| self.hidden.contains(face));
        if !people.iter().all(hidden) {
            self.hidden.retain(|face| !all.contains(face));
        }
        let faces = people.iter().map(|person| person.best).collect();
        self.tie(Together { faces, although_together });
    }

    /// `split` is one person, and nobody of `rest`, with whom they were one so far. `of_rest`: a face of each
    /// part of the rest that was said to be one person with the others; `best`: the rest's best face.
    pub(crate) fn split(
        &mut self,
        split: &[FaceId],
        rest: &[FaceId],
        of_rest: &[FaceId],
        best: FaceId,
    ) {
        let split: BTreeSet<FaceId> = split.iter().copied().collect();
        let rest: BTreeSet<FaceId> = rest.iter().copied().collect();
        let mut although_together = false;
        for group in std::mem::take(&mut self.together) {
            let crosses = group.faces.iter().any(|face| split.contains(face));
            although_together |= crosses && group.although_together;
            let (ours, theirs) = group.faces.into_iter().partition(|face| split.contains(face));
            for faces in [ours, theirs] {
                self.keep_together(Together { faces, ..group });
            }
        }
        let sides = [split, rest];
        for side in &sides {
            self.unsay_apart(&side.iter().copied().collect(), |_| false);
        }
        if sides.iter().flatten().any(|face| self.hidden.contains(face)) {
            self.hidden.retain(|face| !sides.iter().any(|side| side.contains(face)));
            self.hidden.insert(best);
        }
        let [split, _] = &sides;
        self.tie(Together { faces: split.clone(), although_together });
        self.tie(Together { faces: of_rest.iter().copied().collect(), although_together });
        // What is said anew need not be kept twice.
        let within = |one: &Apart| {
            let [a, b] = &one.sides;
            let [c, d] = &sides;
            a.is_subset(c) && b.is_subset(d) || a.is_subset(d) && b.is_subset(c)
        };
        self.apart.retain(|one| !within(one));
        self.apart.push(Apart { sides });
    }

    /// Leaves `person` out of the list, or takes that back.
    pub(crate) fn hide(&mut self, person: &Meant, hidden: bool) {
        for face in &person.faces {
            self.hidden.remove(face);
        }
        if hidden {
            self.hidden.insert(person.best);
        }
    }

    /// Takes faces out of everything that was said; whether it had any.
    pub(crate) fn forget(&mut self, gone: impl Fn(&FaceId) -> bool) -> bool {
        let before = self.faces_named();
        self.hidden.retain(|face| !gone(face));
        for mut group in std::mem::take(&mut self.together) {
            group.faces.retain(|face| !gone(face));
            self.keep_together(group);
        }
        for side in self.apart.iter_mut().flat_map(|one| &mut one.sides) {
            side.retain(|face| !gone(face));
        }
        self.apart.retain(|one| one.sides.iter().all(|side| !side.is_empty()));
        self.faces_named() != before
    }

    /// Errors: `TooMuchSaid` where more was said than is kept.
    pub(crate) fn check(&self) -> Result<()> {
        let statements = self.together.len() + self.apart.len() + self.hidden.len();
        for (what, most, received) in
            [("words", STATEMENTS_MAX, statements), ("faces", FACES_MAX, self.faces_named())]
        {
            if received > most {
                return Err(Error::TooMuchSaid { what, most, received });
            }
        }
        Ok(())
    }

    fn faces_named(&self) -> usize {
        let together = self.together.iter().map(|group| group.faces.len());
        let apart = self.apart.iter().flat_map(|one| &one.sides).map(BTreeSet::len);
        together.chain(apart).sum::<usize>() + self.hidden.len()
    }

    /// Takes back what keeps any of `all` apart from others of them. What else a statement says stays.
    fn unsay_apart(&mut self, all: &HashSet<FaceId>, homeless: impl Fn(&FaceId) -> bool) {
        for one in std::mem::take(&mut self.apart) {
            if !one.sides.iter().all(|side| side.iter().any(|face| all.contains(face))) {
                self.apart.push(one);
                continue;
            }
            let meant = |face: &FaceId| all.contains(face) || homeless(face);
            let [a, b] = one.sides;
            let (_, a_else): (BTreeSet<_>, BTreeSet<_>) = a.iter().copied().partition(meant);
            let b_else: BTreeSet<FaceId> = b.iter().copied().filter(|face| !meant(face)).collect();
            let a_meant = a.iter().copied().filter(meant).collect();
            for sides in [[a_else, b], [a_meant, b_else]] {
                if sides.iter().all(|side| !side.is_empty()) {
                    self.apart.push(Apart { sides });
                }
            }
        }
    }

    /// Joins a group with all that share a face with it.
    fn tie(&mut self, mut group: Together) {
        let (near, others): (Vec<Together>, Vec<Together>) = std::mem::take(&mut self.together)
            .into_iter()
            .partition(|other| !other.faces.is_disjoint(&group.faces));
        self.together = others;
        for other in near {
            group.faces.extend(other.faces);
            group.although_together |= other.although_together;
        }
        self.keep_together(group);
    }

    fn keep_together(&mut self, group: Together) {
        if group.faces.len() > 1 {
            self.together.push(group);
        }
    }

    /// The faces that `face` was said to be one person with, itself among them.
    pub(crate) fn together_with(&self, face: &FaceId) -> Vec<FaceId> {
        let group = self.together.iter().find(|group| group.faces.contains(face));
        group.map_or_else(|| vec![*face], |group| group.faces.iter().copied().collect())
    }

    /// By face, for clustering.
    pub(super) fn words(&self) -> Words {
        let mut words = Words::default();
        for (bond, group) in self.together.iter().enumerate() {
            words.bonds.extend(group.faces.iter().map(|face| (*face, bond)));
            words.although_together.push(group.although_together);
        }
        // In order of the statements, so that each face's marks are sorted.
        for (one, first) in self.apart.iter().zip((0..).step_by(2)) {
            for (side, mark) in one.sides.iter().zip([first, first + 1]) {
                side.iter().for_each(|face| words.marks.entry(*face).or_default().push(mark));
            }
        }
        words
    }

    /// Whether nothing in it contradicts itself, as nothing does that `merge` and `split` have made.
    pub(super) fn is_consistent(&self) -> bool {
        let words = self.words();
        let bonded: usize = self.together.iter().map(|group| group.faces.len()).sum();
        let disjoint = words.bonds.len() == bonded;
        let marks_of = |group: &Together| {
            let marks = group.faces.iter().flat_map(|face| words.marks(face));
            marks.copied().collect::<BTreeSet<u32>>()
        };
        let said_twice =
            |marks: &BTreeSet<u32>| marks.iter().any(|mark| marks.contains(&(mark ^ 1)));
        let two_sided = |one: &Apart| !one.sides[0].is_disjoint(&one.sides[1]);
        disjoint
            && !self.together.iter().any(|group| said_twice(&marks_of(group)))
            && !self.apart.iter().any(two_sided)
    }
}

impl Words {
    /// The sides that a face is on, sorted: twice a statement's number, and one more for its second side.
    pub(super) fn marks(&self, face: &FaceId) -> &[u32] {
        self.marks.get(face).map_or(&[], Vec::as_slice)
    }

    /// Which faces `face` was said to be one person with: all that have the same number.
    pub(super) fn bond(&self, face: &FaceId) -> Option<usize> {
        self.bonds.get(face).copied()
    }

    /// All faces that are on a side, and all that have a bond.
    pub(super) fn marked(&self) -> impl Iterator<Item = (&FaceId, &[u32])> {
        self.marks.iter().map(|(face, marks)| (face, marks.as_slice()))
    }

    pub(super) fn bonded(&self) -> impl Iterator<Item = (&FaceId, usize)> {
        self.bonds.iter().map(|(face, bond)| (face, *bond))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.bonds.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
