//! The frozen graph: codes, ids and links of faces that change no more, but can be erased.
//!
//! Rows are sorted by level, so layer L is the first rows of the table and row 0 is the entry.
//! Assumes links that were checked by the builder or the codec. Knows nothing of newer faces.

use super::Hit;
use super::rows::{Code, Rows};
use super::walk::Walk;
use crate::ids::FaceId;

/// The most faces a graph takes: its links are counted in 32 bits.
pub(super) const GRAPH_FACES_MAX: usize = 100_000_000;

/// The id of a row whose face was erased.
const NOBODY: FaceId = FaceId([0; 16]);

/// The links of one layer, in compressed rows.
#[derive(Clone)]
pub(super) struct Links {
    /// \[N + 1\]: where each row's targets begin, ascending from 0.
    pub(super) starts: Vec<u32>,
    /// The rows linked to, each below N.
    pub(super) targets: Vec<u32>,
}

impl Links {
    /// The rows that `row` links to.
    #[inline]
    pub(super) fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        &self.targets[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// The number of rows in this layer.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// A frozen graph over `rows`.
pub(super) struct Graph {
    rows: Rows,
    /// \[N\]: the face of each row.
    ids: Vec<FaceId>,
    /// The rows that hold a face, in the order of their ids.
    by_id: Vec<u32>,
    /// From the base, which links all rows, upwards.
    layers: Vec<Links>,
}

impl Graph {
    /// Joins the parts of a graph. Where two rows have one id, all but one of them are erased.
    pub(super) fn new(rows: Rows, ids: Vec<FaceId>, layers: Vec<Links>) -> Self {
        let mut by_id: Vec<u32> = (0..).take(ids.len()).collect();
        by_id.retain(|&row| !rows.is_clear(row as usize));
        by_id.sort_unstable_by_key(|&row| ids[row as usize]);
        let mut graph = Self { rows, ids, by_id, layers };
        let mut last = None;
        graph.retain(|face| last.replace(*face) != Some(*face));
        graph
    }

    /// A graph of no faces.
    pub(super) fn empty(dim: usize) -> Self {
        Self::new(Rows::new(dim), Vec::new(), Vec::new())
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) fn ids(&self) -> &[FaceId] {
        &self.ids
    }

    pub(super) fn layers(&self) -> &[Links] {
        &self.layers
    }

    /// The number of faces that can be found.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The number of rows whose face was erased.
    pub(super) fn erased(&self) -> usize {
        self.ids.len() - self.by_id.len()
    }

    pub(super) fn contains(&self, face: &FaceId) -> bool {
        self.place(face).is_some()
    }

    /// Every face with its codes \[D\].
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

    /// Overwrites the face's codes and id; its links stay, as ways to other faces.
    pub(super) fn erase(&mut self, face: &FaceId) -> bool {
        let Some(place) = self.place(face) else {
            return false;
        };
        let row = self.by_id.remove(place) as usize;
        self.rows.clear(row);
        self.ids[row] = NOBODY;
        true
    }

    /// Erases the faces, taken in the order of their ids, for which `keep` is false; returns how
    /// many.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&FaceId) -> bool) -> usize {
        let before = self.by_id.len();
        self.by_id.retain(|&row| {
            let row = row as usize;
            let kept = keep(&self.ids[row]);
            if !kept {
                self.rows.clear(row);
                self.ids[row] = NOBODY;
            }
            kept
        });
        before - self.by_id.len()
    }

    /// About the best `k` faces, by a walk that keeps the best `ef` faces in view (`ef` at least
    /// `k`).
    pub(super) fn nearest(&self, code: &Code, k: usize, ef: usize) -> Vec<Hit> {
        // A walk that keeps an eighth of all faces in view visits most of them, and out of order.
        if ef.saturating_mul(8) > self.len() {
            return self.scan(code, k, f32::NEG_INFINITY);
        }
        Walk::nearest(self, code, ef).hits(k, f32::NEG_INFINITY)
    }

    /// About every face with a similarity of at least `floor`. Walks past faces above `floor -
    /// slack`, at least `ef`; where more than `budget` faces had to be looked at, scans them all.
    pub(super) fn above(&self, code: &Code, floor: f32, search: Above) -> Vec<Hit> {
        match Walk::above(self, code, floor, search) {
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

/// How far a search above a similarity goes; see `Graph::above`.
#[derive(Clone, Copy)]
pub(super) struct Above {
    pub(super) ef: usize,
    pub(super) slack: f32,
    pub(super) budget: usize,
}
