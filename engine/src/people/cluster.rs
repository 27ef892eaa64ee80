//! Agglomerative average-linkage clustering of embeddings, under the constraints of `constraints.rs`.
//!
//! A cluster is represented by the sum of its unit embeddings. The average cosine between two clusters is the
//! dot product of their sums divided by the product of their sizes, so the members are not needed.

use ndarray::{Array2, s};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::constraints::{MustLinkGroups, merge_sorted};
use super::similarity_blocks;
use crate::ids::PhotoId;

/// A cluster during agglomeration; it starts as one new face or as a known part of a person.
pub(super) struct ClusterNode {
    /// The sum of the members' unit embeddings, shape `[D]`.
    pub(super) sum: Vec<f32>,
    /// The number of members in `sum`.
    pub(super) count: u32,
    /// The members' photos, sorted: two faces in one photo are two people.
    pub(super) photos: Vec<PhotoId>,
    /// The cannot-link sides of the members (`ConstraintView::cannot_link_ids`), sorted. Never contains both
    /// sides of one constraint.
    pub(super) cannot_link_ids: Vec<u32>,
    /// The node's must-link group: all nodes of a group are one person.
    pub(super) group: Option<usize>,
}

impl ClusterNode {
    /// Returns the average cosine between the members of this cluster and of `other`, -1..1.
    pub(super) fn linkage(&self, other: &ClusterNode) -> f32 {
        dot(&self.sum, &other.sum) / (self.count as f32 * other.count as f32)
    }

    fn absorb(&mut self, other: ClusterNode) {
        self.sum.iter_mut().zip(other.sum).for_each(|(sum, value)| *sum += value);
        self.count += other.count;
        self.photos.extend(other.photos);
        self.photos.sort_unstable();
        merge_sorted(&mut self.cannot_link_ids, &other.cannot_link_ids);
    }
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight independent sums let the compiler use vector registers. With a single sum, each addition would
    // wait for the previous addition.
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Merges nodes, closest first, while the average linkage is at least `cut` and no constraint bars the merge.
/// The first `settled` nodes are known to be apart, so their pairs are not compared. Returns the cluster
/// number of each node, and the clusters. Clusters of one must-link group are one person, even if they are
/// not merged.
pub(super) fn agglomerate(
    nodes: Vec<ClusterNode>,
    settled: usize,
    cut: f32,
    must_links: &mut MustLinkGroups,
) -> (Vec<usize>, Vec<ClusterNode>) {
    let mut links: Vec<HashMap<usize, f32>> = vec![HashMap::new(); nodes.len()];
    let mut heap = BinaryHeap::new();
    for (a, b, linkage) in close_pairs(&nodes, settled, cut) {
        let barred = matches!((nodes.get(a), nodes.get(b)), (Some(x), Some(y)) if must_links.is_forbidden(x, y));
        if !barred {
            link(&mut links, a, b, linkage);
            heap.push(Pair { linkage, a, b });
        }
    }
    let mut parents: Vec<usize> = (0..nodes.len()).collect();
    let mut nodes: Vec<Option<ClusterNode>> = nodes.into_iter().map(Some).collect();
    while let Some(Pair { linkage, a, b }) = heap.pop() {
        // A pair is stale if one of its nodes was merged into another node, or if their linkage has changed.
        let fresh = links.get(a).and_then(|of| of.get(&b)) == Some(&linkage);
        // Nodes that joined the must-link groups of this pair after it was added may now bar the pair.
        let barred = fresh
            && !must_links.is_empty()
            && matches!((nodes.get(a), nodes.get(b)), (Some(Some(x)), Some(Some(y))) if must_links.is_forbidden(x, y));
        if fresh && !barred {
            merge(&mut nodes, &mut links, &mut heap, (a, b), cut, must_links);
            if let Some(parent) = parents.get_mut(b) {
                *parent = a;
            }
        }
    }
    number(&parents, nodes)
}

fn merge(
    nodes: &mut [Option<ClusterNode>],
    links: &mut [HashMap<usize, f32>],
    heap: &mut BinaryHeap<Pair>,
    (a, b): (usize, usize),
    cut: f32,
    must_links: &mut MustLinkGroups,
) {
    let Some(gone) = nodes.get_mut(b).and_then(Option::take) else { return };
    if let Some(Some(node)) = nodes.get_mut(a) {
        must_links.merge_nodes(node, &gone);
        node.absorb(gone);
    }
    // The merged cluster's linkage to a neighbour is the weighted mean of the linkages of its two parts. It
    // can reach the cut only if one of the two does, so only their neighbours are compared.
    let mut near: Vec<usize> = Vec::new();
    for side in [a, b] {
        near.extend(links.get_mut(side).map(std::mem::take).unwrap_or_default().into_keys());
    }
    near.sort_unstable();
    near.dedup();
    for other in near.into_iter().filter(|&other| other != a && other != b) {
        if let Some(of) = links.get_mut(other) {
            of.remove(&a);
            of.remove(&b);
        }
        let (Some(Some(node)), Some(Some(neighbour))) = (nodes.get(a), nodes.get(other)) else {
            continue;
        };
        let linkage = node.linkage(neighbour);
        if linkage >= cut && !must_links.is_forbidden(node, neighbour) {
            let (first, second) = (a.min(other), a.max(other));
            link(links, first, second, linkage);
            heap.push(Pair { linkage, a: first, b: second });
        }
    }
}

fn link(links: &mut [HashMap<usize, f32>], a: usize, b: usize, linkage: f32) {
    for (from, to) in [(a, b), (b, a)] {
        if let Some(of) = links.get_mut(from) {
            of.insert(to, linkage);
        }
    }
}

fn number(parents: &[usize], nodes: Vec<Option<ClusterNode>>) -> (Vec<usize>, Vec<ClusterNode>) {
    let mut numbers = HashMap::new();
    let mut clusters = Vec::new();
    for (i, node) in nodes.into_iter().enumerate() {
        if let Some(node) = node {
            numbers.insert(i, clusters.len());
            clusters.push(node);
        }
    }
    let root = |mut i: usize| {
        while let Some(&parent) = parents.get(i).filter(|&&parent| parent != i) {
            i = parent;
        }
        i
    };
    let of = (0..parents.len()).map(|i| numbers.get(&root(i)).copied().unwrap_or(0)).collect();
    (of, clusters)
}

/// Returns the pairs (a, b, linkage) with a < b and a linkage of at least `cut`, without pairs of settled
/// nodes.
fn close_pairs(nodes: &[ClusterNode], settled: usize, cut: f32) -> Vec<(usize, usize, f32)> {
    let means = means(nodes);
    // Rows are the new nodes, columns all nodes before them: each pair is computed once.
    let rows = means.slice(s![settled.min(means.nrows()).., ..]);
    let found = similarity_blocks::find_close(rows, means.view(), |row| settled + row, cut);
    found.into_iter().map(|close| (close.column, settled + close.row, close.product)).collect()
}

/// Returns the means of the nodes' members, shape `[nodes, D]`; their dot products are average linkages.
fn means(nodes: &[ClusterNode]) -> Array2<f32> {
    let dim = nodes.first().map_or(0, |node| node.sum.len());
    let mean = |node: &ClusterNode| {
        let count = node.count as f32;
        node.sum.iter().map(move |value| value / count).collect::<Vec<_>>()
    };
    similarity_blocks::stack_rows(nodes.iter().flat_map(mean).collect(), dim)
}

/// Returns for each of `embeddings` the highest average cosine to the members of a node, and the node's
/// number; `None` if this cosine is below `least`.
pub(super) fn most_similar(
    embeddings: &[&[f32]],
    nodes: &[ClusterNode],
    least: f32,
) -> Vec<Option<(f32, usize)>> {
    let mut best: Vec<Option<(f32, usize)>> = vec![None; embeddings.len()];
    let dim = nodes.first().map_or(0, |node| node.sum.len());
    let rows = similarity_blocks::stack_rows(embeddings.concat(), dim);
    let means = means(nodes);
    for close in similarity_blocks::find_close(rows.view(), means.view(), |_| means.nrows(), least)
    {
        let Some(known) = best.get_mut(close.row) else { continue };
        if known.is_none_or(|(product, _)| product <= close.product) {
            *known = Some((close.product, close.column));
        }
    }
    best
}

struct Pair {
    linkage: f32,
    a: usize,
    b: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equal linkages, the pair with the lower numbers is first, so that the result does not depend on
        // the heap's order.
        self.linkage
            .total_cmp(&other.linkage)
            .then_with(|| (other.a, other.b).cmp(&(self.a, self.b)))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(angle_degrees: f32, photo: u8) -> ClusterNode {
        let angle = angle_degrees.to_radians();
        let (sum, photos) = (vec![angle.cos(), angle.sin()], vec![PhotoId([photo; 16])]);
        ClusterNode { sum, count: 1, photos, cannot_link_ids: Vec::new(), group: None }
    }

    fn agglomerate(
        nodes: Vec<ClusterNode>,
        settled: usize,
        cut: f32,
    ) -> (Vec<usize>, Vec<ClusterNode>) {
        super::agglomerate(nodes, settled, cut, &mut MustLinkGroups::default())
    }

    #[test]
    fn close_faces_join_and_far_ones_stay_apart() {
        let nodes = vec![node(0.0, 1), node(90.0, 2), node(10.0, 3), node(95.0, 4), node(200.0, 5)];
        let (of, clusters) = agglomerate(nodes, 0, 0.9);
        assert_eq!(clusters.len(), 3);
        assert!(
            of[0] == of[2] && of[1] == of[3] && of[0] != of[1] && of[4] != of[0] && of[4] != of[1]
        );
    }

    #[test]
    fn two_faces_of_one_photo_never_join() {
        let (of, _) = agglomerate(vec![node(0.0, 1), node(1.0, 1), node(0.5, 2)], 0, 0.5);
        assert_ne!(of[0], of[1]);
        assert!(of[2] == of[0] || of[2] == of[1]);
    }

    #[test]
    fn no_face_is_on_both_sides_of_a_cannot_link() {
        let marked = |angle, photo, mark: u32| ClusterNode {
            cannot_link_ids: vec![mark],
            ..node(angle, photo)
        };
        // The third node could join either of the first two nodes, which then cannot join each other.
        let nodes = vec![marked(0.0, 1, 6), marked(1.0, 2, 7), node(0.4, 3), marked(0.2, 4, 8)];
        let (of, clusters) = agglomerate(nodes, 0, 0.5);
        assert_ne!(of[0], of[1]);
        assert_eq!(clusters.len(), 2);
        assert!(
            clusters
                .iter()
                .all(|node| !(node.cannot_link_ids.contains(&6)
                    && node.cannot_link_ids.contains(&7)))
        );
    }

    #[test]
    fn a_chain_does_not_drag_strangers_together() {
        // Single linkage would join 0° with 80° in steps of 20°; average linkage does not.
        let nodes = (0..5).map(|i| node(20.0 * i as f32, i)).collect();
        let (of, _) = agglomerate(nodes, 0, 20f32.to_radians().cos() - 0.01);
        assert_ne!(of[0], of[4]);
    }

    #[test]
    fn the_result_equals_plain_average_linkage_over_all_pairs() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f32 / (1u64 << 31) as f32 * 360.0
        };
        let angles: Vec<f32> = (0..60).map(|_| random()).collect();
        let nodes = angles.iter().enumerate().map(|(i, &angle)| node(angle, i as u8)).collect();
        let (of, _) = agglomerate(nodes, 0, 0.97);
        let mut plain: Vec<Vec<usize>> = (0..60).map(|i| vec![i]).collect();
        let cosine = |i: usize, j: usize| (angles[i] - angles[j]).to_radians().cos();
        loop {
            let mut best = (0.97, 0, 0);
            for a in 0..plain.len() {
                for b in a + 1..plain.len() {
                    let all: f32 = plain[a]
                        .iter()
                        .flat_map(|&i| plain[b].iter().map(move |&j| (i, j)))
                        .map(|(i, j)| cosine(i, j))
                        .sum();
                    let linkage = all / (plain[a].len() * plain[b].len()) as f32;
                    if linkage >= best.0 {
                        best = (linkage, a, b);
                    }
                }
            }
            if best.1 == best.2 {
                break;
            }
            let gone = plain.remove(best.2);
            plain[best.1].extend(gone);
        }
        for cluster in &plain {
            assert!(cluster.iter().all(|&i| of[i] == of[cluster[0]]), "{cluster:?}");
        }
        assert_eq!(of.iter().max().unwrap() + 1, plain.len());
    }
}
