//! The frozen graph: an immutable HNSW graph, except that faces can be erased from it.
//!
//! Rows are sorted by level, highest first, so each layer is a prefix of the table and row 0 is the entry
//! point. The builder and the codec give only links that are in range.

use super::Hit;
use super::quantized::{Code, QuantizedRows};
use super::search_layer::LayerSearch;
use crate::ids::FaceId;

/// Limits the faces of a graph to 100,000,000, because the offsets of its links have 32 bits.
pub(super) const GRAPH_FACES_MAX: usize = 100_000_000;

/// The id that replaces the id of an erased face.
const ERASED_ID: FaceId = FaceId([0; 16]);

/// The links of one layer, as compressed sparse rows.
#[derive(Clone)]
pub(super) struct Links {
    /// \[N + 1\]: the offset of each row's targets, ascending from 0.
    pub(super) starts: Vec<u32>,
    /// The linked rows, each below N.
    pub(super) targets: Vec<u32>,
}

impl Links {
    /// Returns the rows that `row` links to.
    #[inline]
    pub(super) fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        &self.targets[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// Returns the number of rows in this layer.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// A frozen graph over `rows`.
pub(super) struct Graph {
    rows: QuantizedRows,
    /// \[N\]: the face of each row.
    ids: Vec<FaceId>,
    /// The rows whose face is not erased, sorted by face id.
    by_id: Vec<u32>,
    /// The layers from the base, which has all rows, upwards.
    layers: Vec<Links>,
}

impl Graph {
    /// Makes a graph from its parts. If several rows have one id, erases all but one of them.
    pub(super) fn new(rows: QuantizedRows, ids: Vec<FaceId>, layers: Vec<Links>) -> Self {
        let mut by_id: Vec<u32> = (0..).take(ids.len()).collect();
        by_id.retain(|&row| !rows.is_clear(row as usize));
        by_id.sort_unstable_by_key(|&row| ids[row as usize]);
        let mut graph = Self { rows, ids, by_id, layers };
        let mut last = None;
        graph.retain(|face| last.replace(*face) != Some(*face));
        graph
    }

    /// Makes a graph without faces.
    pub(super) fn empty(dim: usize) -> Self {
        Self::new(QuantizedRows::new(dim), Vec::new(), Vec::new())
    }

    pub(super) fn rows(&self) -> &QuantizedRows {
        &self.rows
    }

    pub(super) fn ids(&self) -> &[FaceId] {
        &self.ids
    }

    pub(super) fn layers(&self) -> &[Links] {
        &self.layers
    }

    /// Returns the number of faces that are not erased.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the number of rows whose face was erased.
    pub(super) fn erased(&self) -> usize {
        self.ids.len() - self.by_id.len()
    }

    pub(super) fn contains(&self, face: &FaceId) -> bool {
        self.place(face).is_some()
    }

    /// Iterates over the faces with their codes \[D\], sorted by id.
    pub(super) fn faces(&self) -> impl Iterator<Item = (FaceId, &[i8])> {
        let rows = self.by_id.iter().map(|&row| row as usize);
        rows.map(|row| (self.ids[row], self.rows.values(row)))
    }

    pub(super) fn similarity(&self, face: &FaceId, code: &Code) -> Option<f32> {
        let row = self.by_id[self.place(face)?] as usize;
        Some(self.rows.similarity(row, code))
    }

    pub(super) fn embedding(&self, face: &FaceId) -> Option<Vec<f32>> {
        Some(self.rows.embedding(self.by_id[self.place(face)?] as usize))
    }

    /// Overwrites the face's codes and id. The links of its row stay, as paths to other faces. Returns
    /// whether the graph had the face.
    pub(super) fn erase(&mut self, face: &FaceId) -> bool {
        let Some(place) = self.place(face) else {
            return false;
        };
        let row = self.by_id.remove(place) as usize;
        self.rows.clear(row);
        self.ids[row] = ERASED_ID;
        true
    }

    /// Erases the faces for which `is_kept` returns false. Calls `is_kept` in the order of ids. Returns the
    /// number of erased faces.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&FaceId) -> bool) -> usize {
        let before = self.by_id.len();
        self.by_id.retain(|&row| {
            let row = row as usize;
            let kept = is_kept(&self.ids[row]);
            if !kept {
                self.rows.clear(row);
                self.ids[row] = ERASED_ID;
            }
            kept
        });
        before - self.by_id.len()
    }

    /// Returns approximately the best `k` faces, by a graph search with a list of the best `ef` faces. `ef`
    /// must be at least `k`.
    pub(super) fn nearest(&self, code: &Code, k: usize, ef: usize) -> Vec<Hit> {
        // With `ef` above an eighth of all faces, a scan takes less time than a graph search, which visits
        // faces in random memory order.
        if ef.saturating_mul(8) > self.len() {
            return self.scan(code, k, f32::NEG_INFINITY);
        }
        LayerSearch::nearest(self, code, ef).hits(k, f32::NEG_INFINITY)
    }

    /// Returns approximately every face with a similarity of at least `floor`. The graph search follows the
    /// links of all faces above `floor - slack`, and at least of the best `ef` faces. If the graph search
    /// visits more than `budget` rows, a scan of all rows replaces it.
    pub(super) fn search_above(&self, code: &Code, floor: f32, search: SearchLimits) -> Vec<Hit> {
        match LayerSearch::above(self, code, floor, search) {
            Some(walk) => walk.hits(usize::MAX, floor),
            None => self.scan(code, usize::MAX, floor),
        }
    }

    fn scan(&self, code: &Code, k: usize, floor: f32) -> Vec<Hit> {
        self.rows.scan(&self.ids, code, k, floor)
    }

    fn place(&self, face: &FaceId) -> Option<usize> {
        self.by_id.binary_search_by_key(face, |&row| self.ids[row as usize]).ok()
    }
}

/// The limits of a search above a similarity; see `Graph::search_above`.
#[derive(Clone, Copy)]
pub(super) struct SearchLimits {
    pub(super) ef: usize,
    pub(super) slack: f32,
    pub(super) budget: usize,
}
