//! The owner's corrections of people: must-link and cannot-link constraints (Wagstaff et al. 2001) from
//! merges and splits, and hidden persons.
//!
//! A later correction wins: it retracts what it contradicts, so the stored constraints never contradict each
//! other. The caller passes the people as they are clustered at that moment.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::ids::FaceId;

/// The maximum number of corrections: more than an owner makes by hand, and few enough to go through one by
/// one.
pub(super) const STATEMENTS_MAX: usize = 10_000;
/// The maximum number of faces named by all corrections together: 16 MB.
pub(super) const FACES_MAX: usize = 1_000_000;

/// All corrections of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Corrections {
    /// The must-link groups; no face is in two of them.
    pub(super) together: Vec<Together>,
    /// The cannot-link constraints.
    pub(super) apart: Vec<Apart>,
    /// Faces whose persons are hidden from the list.
    pub(super) hidden: BTreeSet<FaceId>,
}

/// A must-link group: at least two faces of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Together {
    pub(super) faces: BTreeSet<FaceId>,
    /// Whether the owner merged them although one photo shows both, as in a mirror or a collage.
    pub(super) although_together: bool,
}

/// A cannot-link constraint: no face of one side is the same person as a face of the other. Neither side is
/// empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) sides: [BTreeSet<FaceId>; 2],
}

/// A person that a correction refers to.
#[derive(Clone, Debug)]
pub(crate) struct Meant {
    pub(crate) faces: Vec<FaceId>,
    /// The face that represents the person in the stored corrections: the one of highest quality.
    pub(crate) best: FaceId,
}

/// The constraints by face, as clustering needs them.
#[derive(Default)]
pub(super) struct Words {
    marks: HashMap<FaceId, Vec<u32>>,
    bonds: HashMap<FaceId, usize>,
    /// For each must-link group, its `Together::although_together`.
    pub(super) although_together: Vec<bool>,
}

impl Corrections {
    /// Merges `people` into one person: adds a must-link group and retracts the cannot-links between them.
    /// Faces without a person (`without_person`) are released from those cannot-links too. The person stays hidden
    /// only if all of `people` were.
    pub(crate) fn merge(
        &mut self,
        people: &[Meant],
        allow_same_photo: bool,
        without_person: impl Fn(&FaceId) -> bool,
    ) {
        let all: HashSet<FaceId> =
            people.iter().flat_map(|person| &person.faces).copied().collect();
        self.unsay_apart(&all, without_person);
        let hidden = |person: &Meant| person.faces.iter().any(|face| self.hidden.contains(face));
        if !people.iter().all(hidden) {
            self.hidden.retain(|face| !all.contains(face));
        }
        let faces = people.iter().map(|person| person.best).collect();
        self.tie(Together { faces, although_together: allow_same_photo });
    }

    /// Splits the faces `split` off the faces `rest` of the same person: adds a cannot-link between the two,
    /// and a must-link group for each. `of_rest`: one face of each part of the rest; `best`: the rest's face
    /// of highest quality, which represents it if the person was hidden.
    pub(crate) fn split(
        &mut self,
        split: &[FaceId],
        rest: &[FaceId],
        of_rest: &[FaceId],
        best: FaceId,
    ) {
        let split: BTreeSet<FaceId> = split.iter().copied().collect();
        let rest: BTreeSet<FaceId> = rest.iter().copied().collect();
        let mut allow_same_photo = false;
        for group in std::mem::take(&mut self.together) {
            let crosses = group.faces.iter().any(|face| split.contains(face));
            allow_same_photo |= crosses && group.although_together;
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
        self.tie(Together { faces: split.clone(), although_together: allow_same_photo });
        self.tie(Together {
            faces: of_rest.iter().copied().collect(),
            although_together: allow_same_photo,
        });
        // Cannot-links that the new one includes are redundant.
        let within = |one: &Apart| {
            let [a, b] = &one.sides;
            let [c, d] = &sides;
            a.is_subset(c) && b.is_subset(d) || a.is_subset(d) && b.is_subset(c)
        };
        self.apart.retain(|one| !within(one));
        self.apart.push(Apart { sides });
    }

    /// Hides `person` from the list, or shows it again.
    pub(crate) fn hide(&mut self, person: &Meant, hidden: bool) {
        for face in &person.faces {
            self.hidden.remove(face);
        }
        if hidden {
            self.hidden.insert(person.best);
        }
    }

    /// Removes faces from all corrections. Returns whether any correction named one.
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

    /// Checks the corrections against `STATEMENTS_MAX` and `FACES_MAX`.
    ///
    /// # Errors
    /// - `TooMuchSaid`: there are more corrections, or they name more faces.
    pub(crate) fn check(&self) -> Result<()> {
        let statements = self.together.len() + self.apart.len() + self.hidden.len();
        for (what, most, received) in
            [("corrections", STATEMENTS_MAX, statements), ("faces", FACES_MAX, self.faces_named())]
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

    /// Retracts the cannot-links between faces of `all`. In these, `without_person` faces count as members of
    /// `all`. Cannot-links of other pairs stay.
    fn unsay_apart(&mut self, all: &HashSet<FaceId>, without_person: impl Fn(&FaceId) -> bool) {
        for one in std::mem::take(&mut self.apart) {
            if !one.sides.iter().all(|side| side.iter().any(|face| all.contains(face))) {
                self.apart.push(one);
                continue;
            }
            let meant = |face: &FaceId| all.contains(face) || without_person(face);
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

    /// Adds a must-link group, united with all groups that share a face with it.
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

    /// Returns the faces of the must-link group of `face`, or `face` alone.
    pub(crate) fn together_with(&self, face: &FaceId) -> Vec<FaceId> {
        let group = self.together.iter().find(|group| group.faces.contains(face));
        group.map_or_else(|| vec![*face], |group| group.faces.iter().copied().collect())
    }

    /// Returns the constraints by face.
    pub(super) fn words(&self) -> Words {
        let mut constraints = Words::default();
        for (bond, group) in self.together.iter().enumerate() {
            constraints.bonds.extend(group.faces.iter().map(|face| (*face, bond)));
            constraints.although_together.push(group.although_together);
        }
        // In order of the cannot-links, so that each face's sides are sorted.
        for (one, first) in self.apart.iter().zip((0..).step_by(2)) {
            for (side, mark) in one.sides.iter().zip([first, first + 1]) {
                side.iter().for_each(|face| constraints.marks.entry(*face).or_default().push(mark));
            }
        }
        constraints
    }

    /// Returns whether no constraints contradict each other. `merge` and `split` preserve this.
    pub(super) fn is_consistent(&self) -> bool {
        let constraints = self.words();
        let bonded: usize = self.together.iter().map(|group| group.faces.len()).sum();
        let disjoint = constraints.bonds.len() == bonded;
        let marks_of = |group: &Together| {
            let cannot_links = group.faces.iter().flat_map(|face| constraints.marks(face));
            cannot_links.copied().collect::<BTreeSet<u32>>()
        };
        let contradictory = |cannot_links: &BTreeSet<u32>| {
            cannot_links.iter().any(|mark| cannot_links.contains(&(mark ^ 1)))
        };
        let two_sided = |one: &Apart| !one.sides[0].is_disjoint(&one.sides[1]);
        disjoint
            && !self.together.iter().any(|group| contradictory(&marks_of(group)))
            && !self.apart.iter().any(two_sided)
    }
}

impl Words {
    /// Returns the cannot-link sides that a face is on, sorted. Cannot-link n has the sides 2n and 2n + 1.
    pub(super) fn marks(&self, face: &FaceId) -> &[u32] {
        self.marks.get(face).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of the face's must-link group.
    pub(super) fn bond(&self, face: &FaceId) -> Option<usize> {
        self.bonds.get(face).copied()
    }

    /// Iterates over the faces with cannot-links, with their sides.
    pub(super) fn marked(&self) -> impl Iterator<Item = (&FaceId, &[u32])> {
        self.marks.iter().map(|(face, cannot_links)| (face, cannot_links.as_slice()))
    }

    /// Iterates over the faces of the must-link groups, with the number of their group.
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
