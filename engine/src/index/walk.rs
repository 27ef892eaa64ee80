//! Best-first search on a frozen graph (Malkov and Yashunin 2016, algorithm 2).
//!
//! An erased face is never an answer and has no similarity of its own: a walk steps over it to the
//! faces behind it, and follows chains of erased faces only where it would otherwise end early.
//! Knows nothing of k, of newer faces or of how the graph was built.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::graph::{Above, Graph};
use super::rows::Code;
use super::select::Selection;
use super::{Hit, kernels};

/// A row and its similarity to the query.
#[derive(Clone, Copy)]
struct Scored {
    similarity: f32,
    row: u32,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored {}

/// The state of a search on one layer.
pub(super) struct Walk<'a> {
    graph: &'a Graph,
    code: &'a Code,
    layer: usize,
    /// One bit a row.
    seen: Vec<u64>,
    seen_count: usize,
    /// Rows whose links were not followed yet.
    frontier: BinaryHeap<Scored>,
    /// The similarities of the best `ef` faces.
    view: BinaryHeap<Reverse<Scored>>,
    ef: usize,
    /// Faces above it are followed even where they are not in view.
    floor: f32,
    /// Faces that were in view, or above the floor, when they were seen.
    found: Vec<Scored>,
}

impl<'a> Walk<'a> {
    /// Walks to the `ef` faces about nearest to `code`.
    pub(super) fn nearest(graph: &'a Graph, code: &'a Code, ef: usize) -> Self {
        let mut walk = Self::descend(graph, code, ef, f32::INFINITY);
        walk.run(usize::MAX);
        walk
    }

    /// Walks to all faces about as near to `code` as `floor`; none where there are too many.
    pub(super) fn above(
        graph: &'a Graph,
        code: &'a Code,
        floor: f32,
        search: Above,
    ) -> Option<Self> {
        let mut walk = Self::descend(graph, code, search.ef, floor - search.slack);
        walk.run(search.budget).then_some(walk)
    }

    /// The faces found, as the best `k` with a similarity of at least `floor`.
    pub(super) fn hits(&self, k: usize, floor: f32) -> Vec<Hit> {
        let mut best = Selection::new(k, floor);
        for found in &self.found {
            best.offer(self.graph.ids()[found.row as usize], found.similarity);
        }
        best.into_hits()
    }

    /// A walk of the base layer that starts where the layers above end.
    fn descend(graph: &'a Graph, code: &'a Code, ef: usize, floor: f32) -> Self {
        let mut start = 0;
        for layer in (1..graph.layers().len()).rev() {
            let mut walk = Self::new(graph, code, layer, 1, f32::INFINITY);
            walk.enter(start);
            walk.run(usize::MAX);
            start = walk.found.iter().max().map_or(start, |best| best.row);
        }
        let mut walk = Self::new(graph, code, 0, ef, floor);
        walk.enter(start);
        walk
    }

    fn new(graph: &'a Graph, code: &'a Code, layer: usize, ef: usize, floor: f32) -> Self {
        let rows = graph.layers().get(layer).map_or(0, |links| links.len());
        Self {
            graph,
            code,
            layer,
            seen: vec![0; rows.div_ceil(64)],
            seen_count: 0,
            frontier: BinaryHeap::new(),
            view: BinaryHeap::with_capacity(ef.min(rows) + 1),
            ef: ef.max(1),
            floor,
            found: Vec::new(),
        }
    }

    fn enter(&mut self, row: u32) {
        if self.seen.is_empty() || !self.see(row) {
            return;
        }
        if self.is_erased(row) {
            self.postpone(row);
        } else {
            self.score(row);
        }
    }

    /// Follows links from the best row known until no better one can follow; false where more than
    /// `budget` rows were seen before.
    fn run(&mut self, budget: usize) -> bool {
        let (mut near, mut erased) = (Vec::new(), Vec::new());
        while let Some(next) = self.frontier.pop() {
            if next.similarity < self.bound() {
                break;
            }
            self.open(next.row, &mut near, &mut erased);
            for row in std::mem::take(&mut erased) {
                let mut behind = Vec::new();
                self.open(row, &mut near, &mut behind);
                behind.into_iter().for_each(|row| self.postpone(row));
            }
            near.drain(..).for_each(|row| self.score(row));
            if self.seen_count > budget {
                return false;
            }
        }
        true
    }

    /// Sorts the unseen rows that `row` links to into faces and erased faces.
    fn open(&mut self, row: u32, near: &mut Vec<u32>, erased: &mut Vec<u32>) {
        let Some(links) = self.graph.layers().get(self.layer) else {
            return;
        };
        for &target in links.of(row) {
            if !self.see(target) {
                continue;
            }
            if self.is_erased(target) {
                erased.push(target);
            } else {
                kernels::prefetch(self.graph.rows().row(target as usize));
                near.push(target);
            }
        }
    }

    #[inline]
    fn score(&mut self, row: u32) {
        let similarity = self.graph.rows().similarity(row as usize, self.code);
        if similarity < self.bound() {
            return;
        }
        let scored = Scored { similarity, row };
        self.frontier.push(scored);
        self.found.push(scored);
        self.view.push(Reverse(scored));
        if self.view.len() > self.ef {
            self.view.pop();
        }
    }

    /// Leaves an erased row for the case that nothing better is left.
    fn postpone(&mut self, row: u32) {
        self.frontier.push(Scored { similarity: f32::NEG_INFINITY, row });
    }

    /// The similarity below which nothing is followed.
    #[inline]
    fn bound(&self) -> f32 {
        match self.view.peek() {
            Some(Reverse(worst)) if self.view.len() >= self.ef => worst.similarity.min(self.floor),
            _ => f32::NEG_INFINITY,
        }
    }

    #[inline]
    fn is_erased(&self, row: u32) -> bool {
        self.graph.rows().is_clear(row as usize)
    }

    /// Marks the row; true where it was not marked before.
    #[inline]
    fn see(&mut self, row: u32) -> bool {
        let (word, bit) = (&mut self.seen[row as usize / 64], 1 << (row % 64));
        let unseen = *word & bit == 0;
        *word |= bit;
        self.seen_count += usize::from(unseen);
        unseen
    }
}
