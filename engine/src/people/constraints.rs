//! The constraints of clustering (Wagstaff et al. 2001): must-link groups, and cannot-links from shared
//! photos and from the owner's splits.
//!
//! The nodes of one must-link group ("bond") are one person, whatever their similarity. Each stays a node of
//! its own, so that a face is compared with the looks that it resembles and not with a mean of two looks. A
//! cannot-link of one node applies to its whole group.

use super::cluster::Node;
use super::corrections::Words;
use crate::ids::PhotoId;

/// All must-link groups of one clustering, as a union-find forest.
#[derive(Default)]
pub(super) struct Bonds {
    parents: Vec<usize>,
    all: Vec<Bond>,
}

/// A must-link group: the constraints of all its nodes together.
#[derive(Clone, Default)]
struct Bond {
    /// The photos of its nodes, sorted.
    photos: Vec<PhotoId>,
    /// The cannot-link sides of its nodes, sorted.
    marks: Vec<u32>,
    /// Whether the group may have two faces in one photo. Shared photos then count per node, not per group.
    although_together: bool,
}

impl Bonds {
    pub(super) fn of(words: &Words) -> Self {
        let bond = |although: &bool| Bond { although_together: *although, ..Bond::default() };
        let mut all: Vec<Bond> = words.although_together.iter().map(bond).collect();
        // Low-quality faces join last, but their cannot-links count from the start.
        for (face, bond) in words.bonded() {
            if let Some(bond) = all.get_mut(bond) {
                merge_sorted(&mut bond.marks, words.marks(face));
            }
        }
        Self { parents: (0..all.len()).collect(), all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the representative of a group that may have been united with others.
    pub(super) fn root(&self, mut bond: usize) -> usize {
        while let Some(&parent) = self.parents.get(bond).filter(|&&parent| parent != bond) {
            bond = parent;
        }
        bond
    }

    fn bond_of(&self, node: &Node) -> Option<usize> {
        node.bond.map(|bond| self.root(bond))
    }

    /// Adds a node to a group, unless a cannot-link keeps them apart.
    pub(super) fn tie(&mut self, node: &mut Node, bond: usize) {
        let bond = self.root(bond);
        let Some(marks) = self.all.get(bond).map(|bond| &bond.marks) else { return };
        if clash(marks, self.marks(node)) {
            return;
        }
        match self.bond_of(node) {
            Some(known) => self.unite(bond, known),
            None => self.take(bond, node),
        }
        node.bond = Some(bond);
    }

    /// Updates the groups when `gone` is merged into `node`.
    pub(super) fn join(&mut self, node: &mut Node, gone: &Node) {
        match (self.bond_of(node), self.bond_of(gone)) {
            (None, None) => {}
            (Some(bond), None) => self.take(bond, gone),
            (None, Some(bond)) => {
                self.take(bond, node);
                node.bond = Some(bond);
            }
            (Some(bond), Some(other)) => self.unite(bond, other),
        }
    }

    fn take(&mut self, bond: usize, node: &Node) {
        if let Some(bond) = self.all.get_mut(bond) {
            bond.add(&node.photos, &node.marks);
        }
    }

    fn unite(&mut self, bond: usize, other: usize) {
        if bond == other {
            return;
        }
        let gone = self.all.get_mut(other).map(std::mem::take).unwrap_or_default();
        if let (Some(kept), Some(parent)) = (self.all.get_mut(bond), self.parents.get_mut(other)) {
            kept.add(&gone.photos, &gone.marks);
            kept.although_together |= gone.although_together;
            *parent = bond;
        }
    }

    /// Returns whether a shared photo or a cannot-link forbids that two nodes are one person.
    pub(super) fn bar(&self, a: &Node, b: &Node) -> bool {
        let one = a.bond.is_some() && self.bond_of(a) == self.bond_of(b);
        !one && (share(self.photos(a), self.photos(b)) || clash(self.marks(a), self.marks(b)))
    }

    /// Returns the photos that bar other nodes in them from joining this one, sorted.
    pub(super) fn photos<'a>(&'a self, node: &'a Node) -> &'a [PhotoId] {
        let bond = self.bond_of(node).and_then(|bond| self.all.get(bond));
        bond.filter(|bond| !bond.although_together).map_or(&node.photos, |bond| &bond.photos)
    }

    /// Returns the cannot-link sides that a node or its group is on, sorted.
    pub(super) fn marks<'a>(&'a self, node: &'a Node) -> &'a [u32] {
        let bond = self.bond_of(node).and_then(|bond| self.all.get(bond));
        bond.map_or(&node.marks, |bond| &bond.marks)
    }

    /// Adds cannot-link sides to a node and its group.
    pub(super) fn mark(&mut self, node: &mut Node, marks: &[u32]) {
        merge_sorted(&mut node.marks, marks);
        if let Some(bond) = self.bond_of(node).and_then(|bond| self.all.get_mut(bond)) {
            merge_sorted(&mut bond.marks, marks);
        }
    }
}

impl Bond {
    fn add(&mut self, photos: &[PhotoId], marks: &[u32]) {
        merge_sorted(&mut self.photos, photos);
        merge_sorted(&mut self.marks, marks);
    }
}

/// Merges `more` into a sorted list without duplicates.
pub(super) fn merge_sorted<T: Ord + Copy>(sorted: &mut Vec<T>, more: &[T]) {
    if !more.is_empty() {
        sorted.extend_from_slice(more);
        sorted.sort_unstable();
        sorted.dedup();
    }
}

/// Returns whether two sorted lists have an element in common.
fn share(a: &[PhotoId], b: &[PhotoId]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|photo| many.binary_search(photo).is_ok())
}

/// Returns whether two sorted lists of sides contain opposite sides of one cannot-link.
pub(super) fn clash(a: &[u32], b: &[u32]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|mark| many.binary_search(&(mark ^ 1)).is_ok())
}
