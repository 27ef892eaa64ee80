//! Builds an HNSW graph with the crate hnsw_rs and freezes it. Two builds of the same rows differ slightly,
//! because threads insert concurrently.

use std::collections::VecDeque;

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::graph::{Graph, Links};
use super::quantized::QuantizedRows;
use crate::ids::FaceId;

/// Limits the links that hnsw_rs makes for a face to 16 on each layer above the base (the paper's M), and to
/// 32 on the base layer.
///
/// Range: 8 to 48. Cost: about 8 bytes of memory per link and face, and build time in proportion. With a
/// higher value, a search with equal `ef` finds more faces in large collections. Measure recall@10 against
/// the exact index over query time.
const LINKS: usize = 16;

/// Limits the layers of a graph to 16, the maximum of hnsw_rs. hnsw_rs draws levels so that one in `LINKS`
/// faces of a layer is in the next higher layer.
const LAYERS_MAX: usize = 16;

/// The distance of two rows given by number, so that hnsw_rs stores a row number per face and not its codes.
struct RowDistance<'a>(&'a QuantizedRows);

impl Distance<u32> for RowDistance<'_> {
    /// Returns 1 minus the cosine, 0..2. The result is never negative, because hnsw_rs panics on negative
    /// distances.
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        match (a, b) {
            (&[a], &[b]) => 1.0 - self.0.similarity_between(a as usize, b as usize),
            _ => 0.0,
        }
    }
}

/// Builds the graph of `rows` and `ids`, both \[N\], on all cores. `rows` must contain no cleared row.
pub(super) fn build(rows: &QuantizedRows, ids: &[FaceId], ef_construction: usize) -> Graph {
    let nodes = insert_all(rows, ef_construction);
    freeze(rows, ids, nodes)
}

/// A row and its links on each layer, from the base layer upwards.
struct BuildNode {
    row: u32,
    links: Vec<Vec<u32>>,
}

/// Inserts all rows into hnsw_rs. Returns them as nodes sorted by level, the highest first.
fn insert_all(rows: &QuantizedRows, ef_construction: usize) -> Vec<BuildNode> {
    let hnsw = Hnsw::new(LINKS, rows.len(), LAYERS_MAX, ef_construction, RowDistance(rows));
    let numbers: Vec<u32> = (0..).take(rows.len()).collect();
    let insert = |number: &u32| hnsw.insert((std::slice::from_ref(number), *number as usize));
    // The first face becomes the entry point. It is inserted alone, because a face that is inserted at the
    // same time would find no entry point and stay without links.
    if let Some((first, others)) = numbers.split_first() {
        insert(first);
        others.par_iter().for_each(insert);
    }
    let points = hnsw.get_point_indexation();
    let mut nodes = Vec::with_capacity(rows.len());
    for level in (0..LAYERS_MAX).rev() {
        for point in points.get_layer_iterator(level) {
            // A search can use only links up to the point's own level, and only links to points that are in
            // the link's layer. hnsw_rs also has other links, which it needs for the build.
            let links = point.get_neighborhood_id().into_iter().take(level + 1);
            let links = links.enumerate().map(|(layer, links)| {
                let links = links.iter().filter(|link| usize::from(link.p_id.0) >= layer);
                links.map(|link| link.d_id as u32).collect()
            });
            nodes.push(BuildNode { row: point.get_origin_id() as u32, links: links.collect() });
        }
    }
    nodes
}

/// Renumbers the rows in the order of `nodes`, repairs the base layer, and packs the links.
fn freeze(rows: &QuantizedRows, ids: &[FaceId], nodes: Vec<BuildNode>) -> Graph {
    let mut new_row = vec![0; rows.len()];
    for (new, node) in (0..).zip(&nodes) {
        new_row[node.row as usize] = new;
    }
    let mut sorted_rows = QuantizedRows::new(rows.dim());
    let mut sorted_ids = Vec::with_capacity(ids.len());
    for node in &nodes {
        sorted_rows.push_values(rows.values(node.row as usize));
        sorted_ids.push(ids[node.row as usize]);
    }
    let top = nodes.first().map_or(0, |node| node.links.len());
    let mut layers: Vec<Vec<Vec<u32>>> = vec![Vec::new(); top];
    for node in nodes {
        for (layer, links) in layers.iter_mut().zip(node.links) {
            layer.push(links.iter().map(|&row| new_row[row as usize]).collect());
        }
    }
    if let Some(base) = layers.first_mut() {
        restore(base, &sorted_rows);
        connect(base, &sorted_rows);
    }
    let layers = layers.iter().map(|layer| pack(layer)).collect();
    Graph::new(sorted_rows, sorted_ids, layers)
}

/// Restores links that hnsw_rs dropped from full lists. hnsw_rs drops the least similar link even if no other
/// link leads in that direction, so that many similar faces of one person link only each other. A link of a
/// row is restored if no neighbour of the row is closer to the link's target than the row (the heuristic of
/// the paper's algorithm 4).
fn restore(base: &mut [Vec<u32>], rows: &QuantizedRows) {
    let one_way = |(row, links): (usize, &Vec<u32>)| {
        let lost = links.iter().filter(|&&to| !base[to as usize].contains(&(row as u32)));
        lost.map(|&to| (to, row as u32)).collect::<Vec<_>>()
    };
    let lost: Vec<(u32, u32)> = base.par_iter().enumerate().flat_map_iter(one_way).collect();
    for (row, to) in lost {
        let similarity = rows.similarity_between(row as usize, to as usize);
        let closer =
            |&other: &u32| rows.similarity_between(other as usize, to as usize) > similarity;
        if !base[row as usize].iter().any(closer) {
            base[row as usize].push(to);
        }
    }
}

/// Adds links so that every row is reachable from row 0. A face that was dropped from all its neighbours'
/// lists has no incoming link, and no search would find it.
fn connect(base: &mut [Vec<u32>], rows: &QuantizedRows) {
    let mut reached = vec![false; base.len()];
    let mut open = VecDeque::new();
    for row in 0..base.len() {
        if !reached[row] {
            if row > 0 {
                let closest = |&a: &u32, &b: &u32| {
                    let to = |n: u32| rows.similarity_between(row, n as usize);
                    to(a).total_cmp(&to(b))
                };
                let known = |&n: &u32| reached[n as usize];
                let near = base[row].iter().copied().filter(known).max_by(closest);
                let from = near.or_else(|| (0..base.len() as u32).filter(known).max_by(closest));
                base[from.unwrap_or(0) as usize].push(row as u32);
            }
            reached[row] = true;
            open.push_back(row);
        }
        while let Some(from) = open.pop_front() {
            for &to in &base[from] {
                if !std::mem::replace(&mut reached[to as usize], true) {
                    open.push_back(to as usize);
                }
            }
        }
    }
}

/// Packs the link lists of one layer (compressed sparse rows).
fn pack(layer: &[Vec<u32>]) -> Links {
    let mut starts = vec![0];
    let mut targets = Vec::new();
    for links in layer {
        targets.extend_from_slice(links);
        starts.push(targets.len() as u32);
    }
    Links { starts, targets }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::sample::Random;

    #[test]
    fn every_row_can_be_reached() {
        // No link leads from rows 0 to 2 to rows 3 to 6. Row 5 equals row 3, and no link leads to it.
        let mut base = vec![vec![1], vec![0, 2], vec![1], vec![4, 0], vec![3], vec![3, 0], vec![]];
        let mut rows = QuantizedRows::new(8);
        let mut random = Random(7);
        for row in [0, 1, 2, 3, 4, 3, 6] {
            random.0 = row;
            let values: Vec<i8> = (0..8).map(|_| random.code()).collect();
            rows.push_values(&values);
        }
        connect(&mut base, &rows);
        assert!(base[3].contains(&5), "{base:?}");
        let mut open = vec![0];
        let mut reached = [false; 7];
        while let Some(row) = open.pop() {
            if !std::mem::replace(&mut reached[row as usize], true) {
                open.extend(&base[row as usize]);
            }
        }
        assert_eq!(reached, [true; 7], "{base:?}");
    }
}
