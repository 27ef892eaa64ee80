//! The constraints of clustering (Wagstaff et al. 2001): must-link groups, and cannot-links from shared
//! photos and from the owner's splits.
//!
//! The nodes of one must-link group are one person, whatever their similarity. They are not merged into one
//! node, so that a face is compared with each look of the person and not with a mean of several looks. A
//! cannot-link of one node applies to its whole group.

use super::cluster::ClusterNode;
use super::corrections::ConstraintView;
use crate::ids::PhotoId;

/// All must-link groups of one clustering, as a union-find forest.
#[derive(Default)]
pub(super) struct MustLinkGroups {
    parents: Vec<usize>,
    groups: Vec<MustLinkGroup>,
}

/// A must-link group: the constraints of all its nodes together.
#[derive(Clone, Default)]
struct MustLinkGroup {
    /// The photos of its nodes, sorted.
    photos: Vec<PhotoId>,
    /// The cannot-link sides of its nodes, sorted.
    cannot_link_ids: Vec<u32>,
    /// Whether the group may have two faces in one photo. Shared photos then count per node, not per group.
    allow_same_photo: bool,
}

impl MustLinkGroups {
    pub(super) fn of(constraints: &ConstraintView) -> Self {
        let group = |although: &bool| MustLinkGroup {
            allow_same_photo: *although,
            ..MustLinkGroup::default()
        };
        let mut all: Vec<MustLinkGroup> = constraints.allow_same_photo.iter().map(group).collect();
        // Low-quality faces join last, but their cannot-links must apply to the group from the start.
        for (face, group) in constraints.grouped() {
            if let Some(group) = all.get_mut(group) {
                merge_sorted(&mut group.cannot_link_ids, constraints.cannot_link_ids(face));
            }
        }
        Self { parents: (0..all.len()).collect(), groups: all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the representative of a group that may have been united with others.
    pub(super) fn root(&self, mut group: usize) -> usize {
        while let Some(&parent) = self.parents.get(group).filter(|&&parent| parent != group) {
            group = parent;
        }
        group
    }

    fn group_of(&self, node: &ClusterNode) -> Option<usize> {
        node.group.map(|group| self.root(group))
    }

    /// Adds a node to a group, unless a cannot-link keeps the node apart from the group.
    pub(super) fn add_to_group(&mut self, node: &mut ClusterNode, group: usize) {
        let group = self.root(group);
        let Some(cannot_links) = self.groups.get(group).map(|group| &group.cannot_link_ids) else {
            return;
        };
        if conflict(cannot_links, self.cannot_link_ids(node)) {
            return;
        }
        match self.group_of(node) {
            Some(known) => self.unite(group, known),
            None => self.take(group, node),
        }
        node.group = Some(group);
    }

    /// Updates the groups when `gone` is merged into `node`.
    pub(super) fn merge_nodes(&mut self, node: &mut ClusterNode, gone: &ClusterNode) {
        match (self.group_of(node), self.group_of(gone)) {
            (None, None) => {}
            (Some(group), None) => self.take(group, gone),
            (None, Some(group)) => {
                self.take(group, node);
                node.group = Some(group);
            }
            (Some(group), Some(other)) => self.unite(group, other),
        }
    }

    fn take(&mut self, group: usize, node: &ClusterNode) {
        if let Some(group) = self.groups.get_mut(group) {
            group.add(&node.photos, &node.cannot_link_ids);
        }
    }

    fn unite(&mut self, group: usize, other: usize) {
        if group == other {
            return;
        }
        let gone = self.groups.get_mut(other).map(std::mem::take).unwrap_or_default();
        if let (Some(kept), Some(parent)) =
            (self.groups.get_mut(group), self.parents.get_mut(other))
        {
            kept.add(&gone.photos, &gone.cannot_link_ids);
            kept.allow_same_photo |= gone.allow_same_photo;
            *parent = group;
        }
    }

    /// Returns whether a shared photo or a cannot-link forbids that two nodes are one person.
    pub(super) fn is_forbidden(&self, a: &ClusterNode, b: &ClusterNode) -> bool {
        let one = a.group.is_some() && self.group_of(a) == self.group_of(b);
        !one && (share(self.photos(a), self.photos(b))
            || conflict(self.cannot_link_ids(a), self.cannot_link_ids(b)))
    }

    /// Returns the sorted photos of a node or its group. Another node with a face in one of these photos must
    /// not join the node.
    pub(super) fn photos<'a>(&'a self, node: &'a ClusterNode) -> &'a [PhotoId] {
        let group = self.group_of(node).and_then(|group| self.groups.get(group));
        group.filter(|group| !group.allow_same_photo).map_or(&node.photos, |group| &group.photos)
    }

    /// Returns the cannot-link sides that a node or its group is on, sorted.
    pub(super) fn cannot_link_ids<'a>(&'a self, node: &'a ClusterNode) -> &'a [u32] {
        let group = self.group_of(node).and_then(|group| self.groups.get(group));
        group.map_or(&node.cannot_link_ids, |group| &group.cannot_link_ids)
    }

    /// Adds cannot-link sides to a node and its group.
    pub(super) fn add_cannot_links(&mut self, node: &mut ClusterNode, cannot_links: &[u32]) {
        merge_sorted(&mut node.cannot_link_ids, cannot_links);
        if let Some(group) = self.group_of(node).and_then(|group| self.groups.get_mut(group)) {
            merge_sorted(&mut group.cannot_link_ids, cannot_links);
        }
    }
}

impl MustLinkGroup {
    fn add(&mut self, photos: &[PhotoId], cannot_links: &[u32]) {
        merge_sorted(&mut self.photos, photos);
        merge_sorted(&mut self.cannot_link_ids, cannot_links);
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
pub(super) fn conflict(a: &[u32], b: &[u32]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|mark| many.binary_search(&(mark ^ 1)).is_ok())
}
