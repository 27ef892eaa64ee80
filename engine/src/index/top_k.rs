use std::cmp::Ordering;

use super::Hit;
use crate::ids::FaceId;

/// A top-k selection: the best `k` of the offered hits whose similarity is at least a floor. Similarities
/// must not be NaN.
pub(super) struct TopK {
    k: usize,
    floor: f32,
    hits: Vec<Hit>,
}

impl TopK {
    /// Makes a selection of at most `k` hits with a similarity of at least `floor`; a NaN floor selects none.
    pub(super) fn new(k: usize, floor: f32) -> Self {
        let hits = Vec::new();
        Self { k, floor, hits }
    }

    /// Returns the similarity below which an offer is ignored.
    #[inline]
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    /// Adds a hit, unless its similarity is below the floor.
    #[inline]
    pub(super) fn offer(&mut self, face: FaceId, similarity: f32) {
        if similarity >= self.floor {
            self.hits.push(Hit { face, similarity });
            // One selection in every k offers makes the amortised cost of an offer constant.
            if self.hits.len() >= self.k.saturating_mul(2).max(64) {
                self.trim();
            }
        }
    }

    /// Returns the selected hits, best first, equally similar hits by id.
    pub(super) fn into_hits(mut self) -> Vec<Hit> {
        self.trim();
        self.hits.sort_unstable_by(rank);
        self.hits
    }

    /// Drops all but the best `k` hits, and raises the floor to the lowest similarity among them.
    fn trim(&mut self) {
        if self.hits.len() <= self.k {
            return;
        }
        if let Some(last) = self.k.checked_sub(1) {
            let (_, worst, _) = self.hits.select_nth_unstable_by(last, rank);
            self.floor = worst.similarity;
        }
        self.hits.truncate(self.k);
    }
}

/// Compares hits in the order of results: the more similar hit first, equally similar hits by id.
pub(super) fn rank(a: &Hit, b: &Hit) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.face.cmp(&b.face))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::sample::Random;

    #[test]
    fn a_selection_equals_sorting_everything() {
        let mut random = Random(3);
        for k in [0, 1, 2, 10, 63, 64, 200, 1_000, usize::MAX] {
            // Few distinct similarities, so that most hits are ties.
            let all: Vec<Hit> = (0..500)
                .map(|_| Hit {
                    face: random.face(),
                    similarity: (random.below(21) as f32 - 10.0) / 10.0,
                })
                .collect();
            let mut selection = TopK::new(k, -0.5);
            all.iter().for_each(|h| selection.offer(h.face, h.similarity));
            let mut expected = all;
            expected.retain(|h| h.similarity >= -0.5);
            expected.sort_by(rank);
            expected.truncate(k);
            assert_eq!(selection.into_hits(), expected, "k {k}");
        }
    }
}
