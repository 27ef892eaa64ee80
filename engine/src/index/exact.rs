use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::quantized::{Code, QuantizedRows};
use super::{Hit, Index};
use crate::error::Result;
use crate::ids::FaceId;

/// The exact index: a table of int8 codes, which each search scans completely. The index takes about D + 60
/// bytes of memory per face. Measurements of the approximate index compare its results with those of the
/// exact index.
pub struct ExactIndex {
    rows: QuantizedRows,
    /// \[N\]: the face of each row.
    ids: Vec<FaceId>,
    row_of: HashMap<FaceId, usize>,
}

impl ExactIndex {
    /// Makes an empty index for embeddings of `dim` numbers, 1 to 4,096.
    pub fn new(dim: usize) -> Self {
        Self { rows: QuantizedRows::new(dim), ids: Vec::new(), row_of: HashMap::new() }
    }

    /// Iterates over the faces with their codes \[D\].
    pub(super) fn faces(&self) -> impl Iterator<Item = (FaceId, &[i8])> {
        let codes = (0..self.ids.len()).map(|row| self.rows.values(row));
        self.ids.iter().copied().zip(codes)
    }

    /// Returns the best `k` faces with a similarity of at least `floor` to `code`, best first.
    pub(super) fn best(&self, code: &Code, k: usize, floor: f32) -> Vec<Hit> {
        self.rows.scan(&self.ids, code, k, floor)
    }

    /// Removes the faces for which `present` returns false. Returns the number of removed faces.
    pub fn reconcile(&mut self, present: impl Fn(&FaceId) -> bool) -> usize {
        let gone: Vec<FaceId> = self.ids.iter().filter(|id| !present(id)).copied().collect();
        gone.iter().filter(|id| self.remove(id)).count()
    }
}

impl Index for ExactIndex {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn kind(&self) -> &'static str {
        "exact"
    }

    fn insert(&mut self, face: FaceId, embedding: &[f32]) -> Result<()> {
        let code = Code::new(self.rows.dim(), embedding)?;
        match self.row_of.entry(face) {
            Entry::Occupied(row) => self.rows.set(*row.get(), &code),
            Entry::Vacant(row) => {
                row.insert(self.ids.len());
                self.ids.push(face);
                self.rows.push(&code);
            }
        }
        Ok(())
    }

    fn remove(&mut self, face: &FaceId) -> bool {
        let Some(row) = self.row_of.remove(face) else {
            return false;
        };
        self.ids.swap_remove(row);
        self.rows.swap_remove(row);
        if let Some(moved) = self.ids.get(row) {
            self.row_of.insert(*moved, row);
        }
        true
    }

    fn contains(&self, face: &FaceId) -> bool {
        self.row_of.contains_key(face)
    }

    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        let code = Code::new(self.rows.dim(), query)?;
        Ok(self.best(&code, k, f32::NEG_INFINITY))
    }

    fn search_above(&self, query: &[f32], similarity_min: f32) -> Result<Vec<Hit>> {
        let code = Code::new(self.rows.dim(), query)?;
        Ok(self.best(&code, usize::MAX, similarity_min))
    }

    fn search_above_each(&self, queries: &[(&[f32], f32)]) -> Vec<Result<Vec<Hit>>> {
        let codes: Vec<Result<Code>> =
            queries.iter().map(|(query, _)| Code::new(self.rows.dim(), query)).collect();
        let floors = queries.iter().map(|(_, floor)| *floor);
        let good =
            codes.iter().zip(floors).filter_map(|(code, floor)| Some((code.as_ref().ok()?, floor)));
        let good: Vec<(&Code, f32)> = good.collect();
        let mut found = self.rows.scan_each(&self.ids, &good, usize::MAX).into_iter();
        codes.into_iter().map(|code| code.map(|_| found.next().unwrap_or_default())).collect()
    }

    fn similarity(&self, face: &FaceId, query: &[f32]) -> Option<f32> {
        let row = *self.row_of.get(face)?;
        let code = Code::new(self.rows.dim(), query).ok()?;
        Some(self.rows.similarity(row, &code))
    }

    fn embedding(&self, face: &FaceId) -> Option<Vec<f32>> {
        Some(self.rows.embedding(*self.row_of.get(face)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::index::sample::{Random, SyntheticPeople, fill, recall};
    use crate::index::{model, top_k};

    /// Returns the top `k` by the cosines of the `f32` embeddings, without rounding to codes.
    fn brute_force(faces: &[(FaceId, Vec<f32>)], query: &[f32], k: usize) -> Vec<Hit> {
        let dot = |v: &[f32]| v.iter().zip(query).map(|(a, b)| a * b).sum();
        let hit = |(face, v): &(FaceId, Vec<f32>)| Hit { face: *face, similarity: dot(v) };
        let mut hits: Vec<Hit> = faces.iter().map(hit).collect();
        hits.sort_by(top_k::rank);
        hits.truncate(k);
        hits
    }

    #[test]
    fn answers_are_those_of_brute_force() {
        let mut people = SyntheticPeople::new(128, 400);
        let faces = people.faces();
        let mut index = ExactIndex::new(128);
        fill(&mut index, &faces);
        let queries = people.queries(200);
        let expected: Vec<_> = queries.iter().map(|q| brute_force(&faces, q, 10)).collect();
        let received: Vec<_> = queries.iter().map(|q| index.search(q, 10).unwrap()).collect();
        assert!(recall(&expected, &received) >= 0.98, "{}", recall(&expected, &received));
        for (expected, received) in expected.iter().zip(&received) {
            assert!(received.is_sorted_by(|a, b| top_k::rank(a, b).is_lt()));
            for (e, r) in expected.iter().zip(received) {
                assert!((e.similarity - r.similarity).abs() < 0.005, "{e:?} {r:?}");
            }
        }
        for (query, all) in queries.iter().zip(&received) {
            let above = index.search_above(query, all[4].similarity).unwrap();
            assert_eq!(above, all[..above.len()]);
            assert!(above.len() >= 5);
            assert_eq!(index.similarity(&all[0].face, query), Some(all[0].similarity));
        }
    }

    #[test]
    fn threads_share_a_large_scan_without_changing_it() {
        let mut random = Random(5);
        let mut index = ExactIndex::new(4);
        for _ in 0..70_000 {
            let (face, embedding) = (random.face(), random.unit(4));
            index.insert(face, &embedding).unwrap();
        }
        let query = random.unit(4);
        let all = index.search_above(&query, f32::NEG_INFINITY).unwrap();
        assert_eq!(all.len(), 70_000);
        assert!(all.is_sorted_by(|a, b| top_k::rank(a, b).is_lt()));
        assert_eq!(index.search(&query, 100).unwrap(), all[..100]);
    }

    #[test]
    fn a_batch_search_equals_single_searches() {
        let mut random = Random(6);
        for faces in [0, 1, 300, 70_000] {
            let mut index = ExactIndex::new(4);
            for _ in 0..faces {
                let (face, embedding) = (random.face(), random.unit(4));
                index.insert(face, &embedding).unwrap();
            }
            let queries: Vec<Vec<f32>> = (0..9).map(|_| random.unit(4)).collect();
            let mut asked: Vec<(&[f32], f32)> =
                queries.iter().zip(0u8..).map(|(q, n)| (&q[..], f32::from(n) / 10.0)).collect();
            // An invalid query must not affect the others.
            asked.insert(4, (&[0.0; 4], 0.5));
            let all = index.search_above_each(&asked);
            assert_eq!(all.len(), asked.len());
            for ((query, least), found) in asked.iter().zip(all) {
                match index.search_above(query, *least) {
                    Ok(alone) => assert_eq!(found.unwrap(), alone, "{faces} faces"),
                    Err(_) => assert!(found.is_err()),
                }
            }
            assert!(index.search_above_each(&[]).is_empty());
        }
    }

    #[test]
    fn an_index_follows_a_simple_model() {
        model::follow(ExactIndex::new(16), |_| ());
    }

    #[test]
    fn an_invalid_embedding_changes_nothing() {
        let mut index = ExactIndex::new(2);
        let face = Random(1).face();
        index.insert(face, &[0.6, 0.8]).unwrap();
        for bad in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[1.0], &[]] {
            assert!(index.insert(face, bad).is_err());
            assert!(index.search(bad, 1).is_err());
            assert!(index.search_above(bad, 0.5).is_err());
            assert_eq!(index.similarity(&face, bad), None);
        }
        let refusal = index.search(&[1.0; 3], 1);
        assert!(matches!(refusal, Err(Error::Dimension { expected: 2, received: 3 })));
        assert_eq!(index.search(&[0.6, 0.8], 5).unwrap(), [Hit { face, similarity: 1.0 }]);
        assert_eq!(index.search_above(&[0.6, 0.8], f32::NAN).unwrap(), []);
    }
}
