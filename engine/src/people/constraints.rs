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
    pub(super) fn of(constraints: &Words) -> Self {
        let group = |although: &bool| Bond { although_together: *although, ..Bond::default() };
        let mut all: Vec<Bond> = constraints.although_together.iter().map(group).collect();
        // Low-quality faces join last, but their cannot-links count from the start.
        for (face, group) in constraints.bonded() {
            if let Some(group) = all.get_mut(group) {
                merge_sorted(&mut group.marks, constraints.marks(face));
            }
        }
        Self { parents: (0..all.len()).collect(), all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the representative of a group that may have been united with others.
    pub(super) fn root(&self, mut group: usize) -> usize {
        while let Some(&parent) = self.parents.get(group).filter(|&&parent| parent != group) {
            group = parent;
        }
        group
    }

    fn bond_of(&self, node: &Node) -> Option<usize> {
        node.bond.map(|group| self.root(group))
    }

    /// Adds a node to a group, unless a cannot-link keeps them apart.
    pub(super) fn tie(&mut self, node: &mut Node, group: usize) {
        let group = self.root(group);
        let Some(cannot_links) = self.all.get(group).map(|group| &group.marks) else { return };
        if clash(cannot_links, self.marks(node)) {
            return;
        }
        match self.bond_of(node) {
            Some(known) => self.unite(group, known),
            None => self.take(group, node),
        }
        node.bond = Some(group);
    }

    /// Updates the groups when `gone` is merged into `node`.
    pub(super) fn join(&mut self, node: &mut Node, gone: &Node) {
        match (self.bond_of(node), self.bond_of(gone)) {
            (None, None) => {}
            (Some(group), None) => self.take(group, gone),
            (None, Some(group)) => {
                self.take(group, node);
                node.bond = Some(group);
            }
            (Some(group), Some(other)) => self.unite(group, other),
        }
    }

    fn take(&mut self, group: usize, node: &Node) {
        if let Some(group) = self.all.get_mut(group) {
            group.add(&node.photos, &node.marks);
        }
    }

    fn unite(&mut self, group: usize, other: usize) {
        if group == other {
            return;
        }
        let gone = self.all.get_mut(other).map(std::mem::take).unwrap_or_default();
        if let (Some(kept), Some(parent)) = (self.all.get_mut(group), self.parents.get_mut(other)) {
            kept.add(&gone.photos, &gone.marks);
            kept.although_together |= gone.although_together;
            *parent = group;
        }
    }

    /// Returns whether a shared photo or a cannot-link forbids that two nodes are one person.
    pub(super) fn bar(&self, a: &Node, b: &Node) -> bool {
        let one = a.bond.is_some() && self.bond_of(a) == self.bond_of(b);
        !one && (share(self.photos(a), self.photos(b)) || clash(self.marks(a), self.marks(b)))
    }

    /// Returns the photos that bar other nodes in them from joining this one, sorted.
    pub(super) fn photos<'a>(&'a self, node: &'a Node) -> &'a [PhotoId] {
        let group = self.bond_of(node).and_then(|group| self.all.get(group));
        group.filter(|group| !group.although_together).map_or(&node.photos, |group| &group.photos)
    }

    /// Returns the cannot-link sides that a node or its group is on, sorted.
    pub(super) fn marks<'a>(&'a self, node: &'a Node) -> &'a [u32] {
        let group = self.bond_of(node).and_then(|group| self.all.get(group));
        group.map_or(&node.marks, |group| &group.marks)
    }

    /// Adds cannot-link sides to a node and its group.
    pub(super) fn mark(&mut self, node: &mut Node, cannot_links: &[u32]) {
        merge_sorted(&mut node.marks, cannot_links);
        if let Some(group) = self.bond_of(node).and_then(|group| self.all.get_mut(group)) {
            merge_sorted(&mut group.marks, cannot_links);
        }
    }
}

impl Bond {
    fn add(&mut self, photos: &[PhotoId], cannot_links: &[u32]) {
        merge_sorted(&mut self.photos, photos);
        merge_sorted(&mut self.marks, cannot_links);
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
