//! Best-first search on the layers of a frozen graph (SEARCH-LAYER: Malkov and Yashunin 2016, algorithm 2).
//!
//! An erased face is never a result and has no similarity, so the search continues with the faces that the
//! erased face links to. The search follows chains of erased faces only if no other candidate is left.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::graph::{Graph, SearchLimits};
use super::quantized::Code;
use super::top_k::TopK;
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
pub(super) struct LayerSearch<'a> {
    graph: &'a Graph,
    code: &'a Code,
    layer: usize,
    /// The visited rows, one bit per row.
    visited: Vec<u64>,
    visited_count: usize,
    /// The candidates: rows whose links the search has not yet followed.
    frontier: BinaryHeap<Scored>,
    /// The best `ef` faces found until now (the paper's dynamic list W).
    view: BinaryHeap<Reverse<Scored>>,
    ef: usize,
    /// The similarity from which the search follows a face even if the face is not in `view`.
    floor: f32,
    /// Faces that entered `view`, or reached the floor, when they were visited.
    found: Vec<Scored>,
}

impl<'a> LayerSearch<'a> {
    /// Searches for approximately the `ef` faces nearest to `code`.
    pub(super) fn nearest(graph: &'a Graph, code: &'a Code, ef: usize) -> Self {
        let mut walk = Self::descend(graph, code, ef, f32::INFINITY);
        walk.run(usize::MAX);
        walk
    }

    /// Searches for approximately all faces with a similarity of at least `floor`. Returns `None` if the
    /// search visits more rows than `search.budget`.
    pub(super) fn above(
        graph: &'a Graph,
        code: &'a Code,
        floor: f32,
        search: SearchLimits,
    ) -> Option<Self> {
        let mut walk = Self::descend(graph, code, search.ef, floor - search.slack);
        walk.run(search.budget).then_some(walk)
    }

    /// Returns the best `k` of the faces found, with a similarity of at least `floor`.
    pub(super) fn hits(&self, k: usize, floor: f32) -> Vec<Hit> {
        let mut best = TopK::new(k, floor);
        for found in &self.found {
            best.offer(self.graph.ids()[found.row as usize], found.similarity);
        }
        best.into_hits()
    }

    /// Makes a search of the base layer that starts at the nearest face found in the layers above.
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
            visited: vec![0; rows.div_ceil(64)],
            visited_count: 0,
            frontier: BinaryHeap::new(),
            view: BinaryHeap::with_capacity(ef.min(rows) + 1),
            ef: ef.max(1),
            floor,
            found: Vec::new(),
        }
    }

    /// Adds the row that the search starts at.
    fn enter(&mut self, row: u32) {
        if self.visited.is_empty() || !self.mark_visited(row) {
            return;
        }
        if self.is_erased(row) {
            self.postpone(row);
        } else {
            self.score(row);
        }
    }

    /// Follows links from the best candidate until no candidate reaches the bound. Returns false if it stops
    /// early because it has visited more than `budget` rows.
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
            if self.visited_count > budget {
                return false;
            }
        }
        true
    }

    /// Visits the unseen rows that `row` links to: adds faces to `near`, and erased faces to `erased`.
    fn open(&mut self, row: u32, near: &mut Vec<u32>, erased: &mut Vec<u32>) {
        let Some(links) = self.graph.layers().get(self.layer) else {
            return;
        };
        for &target in links.of(row) {
            if !self.mark_visited(target) {
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

    /// Adds a face to candidates and results, unless its similarity is below the bound.
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

    /// Adds an erased row as the last candidate, which the search follows only if no other candidate is left.
    fn postpone(&mut self, row: u32) {
        self.frontier.push(Scored { similarity: f32::NEG_INFINITY, row });
    }

    /// Returns the similarity below which the search follows no face.
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

    /// Marks the row as visited. Returns whether it was unvisited.
    #[inline]
    fn mark_visited(&mut self, row: u32) -> bool {
        let (word, bit) = (&mut self.visited[row as usize / 64], 1 << (row % 64));
        let unseen = *word & bit == 0;
        *word |= bit;
        self.visited_count += usize::from(unseen);
        unseen
    }
}
