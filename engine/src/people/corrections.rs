//! The owner's corrections of people: must-link and cannot-link constraints (Wagstaff et al. 2001) from
//! merges and splits, and hidden persons.
//!
//! A later correction retracts the constraints that it contradicts, so the stored constraints never
//! contradict each other. The caller passes the people of the current clustering.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::ids::FaceId;

/// Limits the corrections of a collection to 10,000, more than an owner makes by hand. Each update reads them
/// all.
pub(super) const CORRECTIONS_MAX: usize = 10_000;
/// Limits the faces that all corrections together name to 1,000,000, or 16 MB of ids.
pub(super) const FACES_MAX: usize = 1_000_000;

/// All corrections of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Corrections {
    /// The must-link groups; no face is in two of them.
    pub(super) must_links: Vec<MustLink>,
    /// The cannot-link constraints.
    pub(super) cannot_links: Vec<CannotLink>,
    /// Faces whose persons are hidden from the list.
    pub(super) hidden: BTreeSet<FaceId>,
}

/// A must-link group: at least two faces of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MustLink {
    pub(super) faces: BTreeSet<FaceId>,
    /// Whether the owner merged the faces although one photo shows two of them, as in a mirror or a collage.
    pub(super) allow_same_photo: bool,
}

/// A cannot-link constraint: no face of one side is of one person with a face of the other side. Neither side
/// is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CannotLink {
    pub(super) sides: [BTreeSet<FaceId>; 2],
}

/// A person that a correction refers to.
#[derive(Clone, Debug)]
pub(crate) struct PersonRef {
    pub(crate) faces: Vec<FaceId>,
    /// The face that represents the person in the stored corrections: its face of highest quality.
    pub(crate) best: FaceId,
}

/// The constraints by face, as clustering needs them.
#[derive(Default)]
pub(super) struct ConstraintView {
    cannot_link_ids: HashMap<FaceId, Vec<u32>>,
    groups: HashMap<FaceId, usize>,
    /// For each must-link group, its `MustLink::allow_same_photo`.
    pub(super) allow_same_photo: Vec<bool>,
}

impl Corrections {
    /// Merges `people` into one person: adds a must-link group of their best faces, and retracts the
    /// cannot-links between `people`. Also releases the faces without a person (`without_person`) from these
    /// cannot-links. The merged person is hidden only if all of `people` were hidden.
    pub(crate) fn merge(
        &mut self,
        people: &[PersonRef],
        allow_same_photo: bool,
        without_person: impl Fn(&FaceId) -> bool,
    ) {
        let all: HashSet<FaceId> =
            people.iter().flat_map(|person| &person.faces).copied().collect();
        self.retract_cannot_links(&all, without_person);
        let hidden =
            |person: &PersonRef| person.faces.iter().any(|face| self.hidden.contains(face));
        if !people.iter().all(hidden) {
            self.hidden.retain(|face| !all.contains(face));
        }
        let faces = people.iter().map(|person| person.best).collect();
        self.add_must_link(MustLink { faces, allow_same_photo });
    }

    /// Splits the faces `split` off the other faces `rest` of their person: adds a cannot-link between the
    /// two sides, a must-link group of `split`, and a must-link group of `of_rest`. `of_rest` has one face of
    /// each part of the rest. If the person was hidden, the rest stays hidden, represented by `best`, its
    /// face of highest quality.
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
        for group in std::mem::take(&mut self.must_links) {
            let crosses = group.faces.iter().any(|face| split.contains(face));
            allow_same_photo |= crosses && group.allow_same_photo;
            let (ours, theirs) = group.faces.into_iter().partition(|face| split.contains(face));
            for faces in [ours, theirs] {
                self.push_must_link(MustLink { faces, ..group });
            }
        }
        let sides = [split, rest];
        for side in &sides {
            self.retract_cannot_links(&side.iter().copied().collect(), |_| false);
        }
        if sides.iter().flatten().any(|face| self.hidden.contains(face)) {
            self.hidden.retain(|face| !sides.iter().any(|side| side.contains(face)));
            self.hidden.insert(best);
        }
        let [split, _] = &sides;
        self.add_must_link(MustLink { faces: split.clone(), allow_same_photo });
        self.add_must_link(MustLink { faces: of_rest.iter().copied().collect(), allow_same_photo });
        // An older cannot-link between subsets of the two sides is redundant.
        let within = |one: &CannotLink| {
            let [a, b] = &one.sides;
            let [c, d] = &sides;
            a.is_subset(c) && b.is_subset(d) || a.is_subset(d) && b.is_subset(c)
        };
        self.cannot_links.retain(|one| !within(one));
        self.cannot_links.push(CannotLink { sides });
    }

    /// Hides `person` from the list, or lists the person again.
    pub(crate) fn hide(&mut self, person: &PersonRef, hidden: bool) {
        for face in &person.faces {
            self.hidden.remove(face);
        }
        if hidden {
            self.hidden.insert(person.best);
        }
    }

    /// Removes the faces for which `gone` returns true from all corrections. Returns whether a correction
    /// named such a face.
    pub(crate) fn forget(&mut self, gone: impl Fn(&FaceId) -> bool) -> bool {
        let before = self.faces_named();
        self.hidden.retain(|face| !gone(face));
        for mut group in std::mem::take(&mut self.must_links) {
            group.faces.retain(|face| !gone(face));
            self.push_must_link(group);
        }
        for side in self.cannot_links.iter_mut().flat_map(|one| &mut one.sides) {
            side.retain(|face| !gone(face));
        }
        self.cannot_links.retain(|one| one.sides.iter().all(|side| !side.is_empty()));
        self.faces_named() != before
    }

    /// Checks the number of corrections and of the faces that they name.
    ///
    /// # Errors
    /// - `TooManyCorrections`: there are more than 10,000 corrections, or they name more than 1,000,000
    ///   faces.
    pub(crate) fn check(&self) -> Result<()> {
        let statements = self.must_links.len() + self.cannot_links.len() + self.hidden.len();
        for (what, most, received) in
            [("corrections", CORRECTIONS_MAX, statements), ("faces", FACES_MAX, self.faces_named())]
        {
            if received > most {
                return Err(Error::TooManyCorrections { what, most, received });
            }
        }
        Ok(())
    }

    fn faces_named(&self) -> usize {
        let together = self.must_links.iter().map(|group| group.faces.len());
        let apart = self.cannot_links.iter().flat_map(|one| &one.sides).map(BTreeSet::len);
        together.chain(apart).sum::<usize>() + self.hidden.len()
    }

    /// Retracts the cannot-links between faces of `all`. In a cannot-link with faces of `all` on both sides,
    /// the faces `without_person` are treated as members of `all`. Cannot-links of other pairs stay.
    fn retract_cannot_links(
        &mut self,
        all: &HashSet<FaceId>,
        without_person: impl Fn(&FaceId) -> bool,
    ) {
        for one in std::mem::take(&mut self.cannot_links) {
            if !one.sides.iter().all(|side| side.iter().any(|face| all.contains(face))) {
                self.cannot_links.push(one);
                continue;
            }
            let meant = |face: &FaceId| all.contains(face) || without_person(face);
            let [a, b] = one.sides;
            let (_, a_else): (BTreeSet<_>, BTreeSet<_>) = a.iter().copied().partition(meant);
            let b_else: BTreeSet<FaceId> = b.iter().copied().filter(|face| !meant(face)).collect();
            let a_meant = a.iter().copied().filter(meant).collect();
            for sides in [[a_else, b], [a_meant, b_else]] {
                if sides.iter().all(|side| !side.is_empty()) {
                    self.cannot_links.push(CannotLink { sides });
                }
            }
        }
    }

    /// Adds a must-link group, united with all groups that share a face with it.
    fn add_must_link(&mut self, mut group: MustLink) {
        let (near, others): (Vec<MustLink>, Vec<MustLink>) = std::mem::take(&mut self.must_links)
            .into_iter()
            .partition(|other| !other.faces.is_disjoint(&group.faces));
        self.must_links = others;
        for other in near {
            group.faces.extend(other.faces);
            group.allow_same_photo |= other.allow_same_photo;
        }
        self.push_must_link(group);
    }

    fn push_must_link(&mut self, group: MustLink) {
        if group.faces.len() > 1 {
            self.must_links.push(group);
        }
    }

    /// Returns the faces of the must-link group of `face`, or `face` alone.
    pub(crate) fn must_link_group(&self, face: &FaceId) -> Vec<FaceId> {
        let group = self.must_links.iter().find(|group| group.faces.contains(face));
        group.map_or_else(|| vec![*face], |group| group.faces.iter().copied().collect())
    }

    /// Returns the constraints by face.
    pub(super) fn constraints(&self) -> ConstraintView {
        let mut constraints = ConstraintView::default();
        for (bond, group) in self.must_links.iter().enumerate() {
            constraints.groups.extend(group.faces.iter().map(|face| (*face, bond)));
            constraints.allow_same_photo.push(group.allow_same_photo);
        }
        // The loop runs in order of the cannot-links, so that each face's sides are sorted.
        for (one, first) in self.cannot_links.iter().zip((0..).step_by(2)) {
            for (side, mark) in one.sides.iter().zip([first, first + 1]) {
                side.iter().for_each(|face| {
                    constraints.cannot_link_ids.entry(*face).or_default().push(mark)
                });
            }
        }
        constraints
    }

    /// Returns whether no constraints contradict each other. `merge` and `split` preserve this.
    pub(super) fn is_consistent(&self) -> bool {
        let constraints = self.constraints();
        let bonded: usize = self.must_links.iter().map(|group| group.faces.len()).sum();
        let disjoint = constraints.groups.len() == bonded;
        let marks_of = |group: &MustLink| {
            let cannot_links =
                group.faces.iter().flat_map(|face| constraints.cannot_link_ids(face));
            cannot_links.copied().collect::<BTreeSet<u32>>()
        };
        let contradictory = |cannot_links: &BTreeSet<u32>| {
            cannot_links.iter().any(|mark| cannot_links.contains(&(mark ^ 1)))
        };
        let two_sided = |one: &CannotLink| !one.sides[0].is_disjoint(&one.sides[1]);
        disjoint
            && !self.must_links.iter().any(|group| contradictory(&marks_of(group)))
            && !self.cannot_links.iter().any(two_sided)
    }
}

impl ConstraintView {
    /// Returns the cannot-link sides that a face is on, sorted. Cannot-link n has the sides 2n and 2n + 1.
    pub(super) fn cannot_link_ids(&self, face: &FaceId) -> &[u32] {
        self.cannot_link_ids.get(face).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of the face's must-link group.
    pub(super) fn group(&self, face: &FaceId) -> Option<usize> {
        self.groups.get(face).copied()
    }

    /// Iterates over the faces with cannot-links, each with its sides.
    pub(super) fn cannot_linked(&self) -> impl Iterator<Item = (&FaceId, &[u32])> {
        self.cannot_link_ids.iter().map(|(face, cannot_links)| (face, cannot_links.as_slice()))
    }

    /// Iterates over the faces of the must-link groups, each with the number of its group.
    pub(super) fn grouped(&self) -> impl Iterator<Item = (&FaceId, usize)> {
        self.groups.iter().map(|(face, bond)| (face, *bond))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cannot_link_ids.is_empty() && self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests;
