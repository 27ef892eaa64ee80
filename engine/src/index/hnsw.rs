use super::exact::ExactIndex;
use super::graph::{GRAPH_FACES_MAX, Graph, SearchLimits};
use super::quantized::{Code, QuantizedRows};
use super::top_k::TopK;
use super::{Hit, Index, build, codec};
use crate::error::{Error, Result};
use crate::ids::FaceId;

/// The number of candidates considered for the links of a new face (the paper's efConstruction).
///
/// Range: 50 to 800. Cost: build time in proportion. Measure recall@10 against the exact index over query
/// time, and choose the lowest value at which recall stops rising.
const EF_CONSTRUCTION: usize = 200;

/// The number of faces of the graph per entry of a search's list (the paper's ef). A search above a
/// similarity also follows all faces above that similarity.
///
/// The ef at which recall@10 reaches 0.95 grows with the collection, because a face's nearest strangers
/// become more similar to it: 150 at 50,000 faces, 250 at 100,000, 500 at 200,000 (face-like vectors, D =
/// 128).
///
/// Range: 100 to 2,000. Cost: query time, in inverse proportion. Measure recall@10 against the exact index,
/// and the share found of a person's faces above the threshold.
const FACES_PER_VIEW: usize = 400;

/// Limits the ef from below to 160 faces. Range: 32 to 1,000. Cost: query time, in proportion. Measure as for
/// `FACES_PER_VIEW`.
const VIEW_MIN: usize = 160;

/// The similarity below the wanted minimum down to which a search follows faces, because the path to a face
/// of the person may lead over less similar faces.
///
/// Range: 0 to 0.3. Cost: query time grows with the number of faces in this band of similarity. Measure as
/// for `FACES_PER_VIEW`, with people who have more faces than ef.
const SLACK: f32 = 0.05;

/// Limits the head below which no freeze is needed to 1,024 faces, whose scan takes about 20 µs.
const HEAD_FACES_MIN: usize = 1_024;

/// The approximate index, for collections of more than `EXACT_FACES_MAX` faces: a
/// frozen HNSW graph (Malkov and Yashunin 2016) and a head, an exact index of the newest faces. The caller
/// calls `freeze` when `needs_freeze` returns true.
pub struct HnswIndex {
    frozen: Graph,
    head: ExactIndex,
}

impl HnswIndex {
    /// Makes an empty index for embeddings of `dim` numbers, 1 to 4,096.
    pub fn new(dim: usize) -> Self {
        Self { frozen: Graph::empty(dim), head: ExactIndex::new(dim) }
    }

    /// Returns whether a freeze would reduce the time of a search. This is the case if the head has more than
    /// 1,024 faces and more than a tenth of the graph's faces, or if more than a tenth of the graph's faces
    /// were removed.
    pub fn needs_freeze(&self) -> bool {
        self.head.len() > HEAD_FACES_MIN.max(self.frozen.len() / 10)
            || self.frozen.erased() * 10 > self.frozen.rows().len()
    }

    /// Rebuilds the graph from all faces, on all cores. For 100,000 faces, the call takes a few minutes on
    /// two cores. It uses about 4,000 bytes of memory per face.
    ///
    /// # Errors
    /// - `Damaged`: there are more than 100 million faces.
    pub fn freeze(&mut self) -> Result<()> {
        *self = self.rebuild()?;
        Ok(())
    }

    /// Builds a new index whose graph has all faces of this index, which stays searchable during the build.
    /// The caller then applies later removals with `reconcile` and later additions with `insert`.
    ///
    /// # Errors
    /// - `Damaged`: there are more than 100 million faces.
    pub fn rebuild(&self) -> Result<Self> {
        self.built(EF_CONSTRUCTION)
    }

    fn built(&self, ef_construction: usize) -> Result<Self> {
        if self.len() > GRAPH_FACES_MAX {
            return Err(Error::Damaged {
                what: "the face index".into(),
                reason: format!("{} faces, expected at most {GRAPH_FACES_MAX}", self.len()),
            });
        }
        let mut rows = QuantizedRows::new(self.dim());
        let mut ids = Vec::with_capacity(self.len());
        for (face, values) in self.frozen.faces().chain(self.head.faces()) {
            rows.push_values(values);
            ids.push(face);
        }
        Ok(Self {
            frozen: build::build(&rows, &ids, ef_construction),
            head: ExactIndex::new(self.dim()),
        })
    }

    /// Encodes the graph in the format of `codec.rs`. The head is not included: the caller inserts its faces
    /// again after `from_bytes`.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.frozen)
    }

    /// Decodes the bytes of `to_bytes`.
    ///
    /// # Errors
    /// - `Damaged`: the bytes were changed, or no graph.
    /// - `NewerFormat`: a newer version of the program wrote the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let frozen = codec::decode(bytes)?;
        let head = ExactIndex::new(frozen.rows().dim());
        Ok(Self { frozen, head })
    }

    /// Removes the faces for which `present` returns false, for example faces that the store no longer has.
    /// Returns the number of removed faces. One call takes less time than a call of `remove` for each face.
    pub fn reconcile(&mut self, present: impl Fn(&FaceId) -> bool) -> usize {
        self.frozen.retain(&present) + self.head.reconcile(&present)
    }

    /// Returns the length of the embeddings, D.
    pub fn dim(&self) -> usize {
        self.frozen.rows().dim()
    }

    /// Returns the ef of a search.
    fn view(&self) -> usize {
        VIEW_MIN.max(self.frozen.len() / FACES_PER_VIEW)
    }

    /// Searches as `search` does, with this `ef` instead of the default; for measurements.
    ///
    /// # Errors
    /// - `Dimension`: the length of `query` is not D.
    /// - `Damaged`: `query` is all zeros, or a number in it is not finite.
    pub fn search_wide(&self, query: &[f32], k: usize, ef: usize) -> Result<Vec<Hit>> {
        let code = Code::new(self.dim(), query)?;
        let mut best = TopK::new(k, f32::NEG_INFINITY);
        let head = self.head.best(&code, k, f32::NEG_INFINITY);
        let frozen = self.frozen.nearest(&code, k, ef.max(k));
        for hit in frozen.into_iter().chain(head) {
            best.offer(hit.face, hit.similarity);
        }
        Ok(best.into_hits())
    }
}

impl Index for HnswIndex {
    fn len(&self) -> usize {
        self.frozen.len() + self.head.len()
    }

    fn kind(&self) -> &'static str {
        "hnsw"
    }

    fn insert(&mut self, face: FaceId, embedding: &[f32]) -> Result<()> {
        self.head.insert(face, embedding)?;
        self.frozen.erase(&face);
        Ok(())
    }

    fn remove(&mut self, face: &FaceId) -> bool {
        self.head.remove(face) || self.frozen.erase(face)
    }

    fn contains(&self, face: &FaceId) -> bool {
        self.head.contains(face) || self.frozen.contains(face)
    }

    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        self.search_wide(query, k, self.view().max(k.saturating_mul(2)))
    }

    fn search_above(&self, query: &[f32], similarity_min: f32) -> Result<Vec<Hit>> {
        let code = Code::new(self.dim(), query)?;
        let mut best = TopK::new(usize::MAX, similarity_min);
        let search = SearchLimits {
            ef: self.view(),
            slack: SLACK,
            // A visit of a face in random memory order takes several times as long as in a scan.
            budget: self.frozen.rows().len() / 8,
        };
        let frozen = self.frozen.search_above(&code, similarity_min, search);
        let head = self.head.best(&code, usize::MAX, similarity_min);
        for hit in frozen.into_iter().chain(head) {
            best.offer(hit.face, hit.similarity);
        }
        Ok(best.into_hits())
    }

    fn similarity(&self, face: &FaceId, query: &[f32]) -> Option<f32> {
        let code = Code::new(self.dim(), query).ok()?;
        let frozen = self.frozen.similarity(face, &code);
        frozen.or_else(|| self.head.similarity(face, query))
    }

    fn embedding(&self, face: &FaceId) -> Option<Vec<f32>> {
        self.frozen.embedding(face).or_else(|| self.head.embedding(face))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::model;
    use crate::index::sample::{FACES, Random, SyntheticPeople, fill, normed, recall};
    use std::collections::HashSet;
    use std::sync::OnceLock;

    /// An efConstruction that makes builds fast. A graph built with a higher value finds more faces.
    const EF_CONSTRUCTION_LOW: usize = 50;

    const PEOPLE: usize = 4_000;
    const THRESHOLD: f32 = 0.4;

    /// Limits with which no search falls back to a scan.
    const WALK: SearchLimits = SearchLimits { ef: VIEW_MIN, slack: SLACK, budget: usize::MAX };

    /// A test sample: 20,000 faces, 300 queries, and the bytes of a graph of the faces.
    struct SampleIndex {
        faces: Vec<(FaceId, Vec<f32>)>,
        queries: Vec<Vec<f32>>,
        bytes: Vec<u8>,
    }

    /// Returns the shared test data; the graph is built once for all tests.
    fn sample_index() -> &'static SampleIndex {
        static EVENT: OnceLock<SampleIndex> = OnceLock::new();
        EVENT.get_or_init(|| {
            let mut people = SyntheticPeople::new(128, PEOPLE);
            let faces = people.faces();
            let mut index = HnswIndex::new(128);
            fill(&mut index, &faces);
            assert!(index.needs_freeze());
            index = index.built(EF_CONSTRUCTION_LOW).unwrap();
            assert!(!index.needs_freeze());
            SampleIndex { faces, queries: people.queries(300), bytes: index.to_bytes() }
        })
    }

    fn exact(faces: &[(FaceId, Vec<f32>)]) -> ExactIndex {
        let mut index = ExactIndex::new(128);
        fill(&mut index, faces);
        index
    }

    fn nearest(index: &impl Index, queries: &[Vec<f32>]) -> Vec<Vec<Hit>> {
        queries.iter().map(|q| index.search(q, 10).unwrap()).collect()
    }

    fn above(index: &impl Index, queries: &[Vec<f32>]) -> Vec<Vec<Hit>> {
        queries.iter().map(|q| index.search_above(q, THRESHOLD).unwrap()).collect()
    }

    /// Runs `above` by graph search alone, without the fallback to a scan.
    fn above_by_walk(index: &HnswIndex, queries: &[Vec<f32>]) -> Vec<Vec<Hit>> {
        let code = |q: &[f32]| Code::new(index.dim(), q).unwrap();
        let walk = |q: &Vec<f32>| index.frozen.search_above(&code(q), THRESHOLD, WALK);
        queries.iter().map(walk).collect()
    }

    #[test]
    fn a_graph_finds_what_a_scan_finds() {
        let event = sample_index();
        let (index, oracle) = (HnswIndex::from_bytes(&event.bytes).unwrap(), exact(&event.faces));
        assert_eq!((index.len(), index.kind(), oracle.kind()), (20_000, "hnsw", "exact"));
        let share = recall(&nearest(&oracle, &event.queries), &nearest(&index, &event.queries));
        assert!(share >= 0.95, "recall@10 {share}");
        let expected = above(&oracle, &event.queries);
        assert!(expected.iter().map(Vec::len).sum::<usize>() > 300 * (FACES - 1));
        for received in [above(&index, &event.queries), above_by_walk(&index, &event.queries)] {
            let share = recall(&expected, &received);
            assert!(share >= 0.98, "recall of mates {share}");
            for (e, r) in expected.iter().zip(&received) {
                assert!(r.iter().all(|hit| e.contains(hit)), "{r:?}");
            }
        }
    }

    #[test]
    fn bytes_give_the_same_graph() {
        let event = sample_index();
        let mut index = HnswIndex::from_bytes(&event.bytes).unwrap();
        event.faces.iter().step_by(30).for_each(|(face, _)| assert!(index.remove(face)));
        let bytes = index.to_bytes();
        let again = HnswIndex::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.len(), index.len());
        assert_eq!(nearest(&again, &event.queries), nearest(&index, &event.queries));
        assert_eq!(above(&again, &event.queries), above(&index, &event.queries));
        let (face, _) = event.faces[30];
        assert!(!bytes.windows(16).any(|window| window == face.0), "a removed id was written");
    }

    #[test]
    fn removed_faces_never_come_back_and_hide_no_others() {
        let event = sample_index();
        let mut index = HnswIndex::from_bytes(&event.bytes).unwrap();
        let (mut gone, mut kept) = (HashSet::new(), Vec::new());
        let mut random = Random(9);
        for face in &event.faces {
            if random.below(2) == 0 {
                gone.insert(face.0);
            } else {
                kept.push(face.clone());
            }
        }
        assert_eq!(index.reconcile(|face| !gone.contains(face)), gone.len());
        let oracle = exact(&kept);
        for refrozen in [false, true] {
            if refrozen {
                index = index.built(EF_CONSTRUCTION_LOW).unwrap();
            }
            assert_eq!(index.needs_freeze(), !refrozen);
            assert_eq!(index.len(), kept.len());
            let received = nearest(&index, &event.queries);
            let share = recall(&nearest(&oracle, &event.queries), &received);
            assert!(share >= 0.95, "recall@10 {share}");
            let mates = above_by_walk(&index, &event.queries);
            let share = recall(&above(&oracle, &event.queries), &mates);
            assert!(share >= 0.95, "recall of mates {share}");
            let all = received.iter().chain(&mates).flatten();
            assert_eq!(all.filter(|hit| gone.contains(&hit.face)).count(), 0);
        }
    }

    #[test]
    fn new_and_replaced_faces_are_found_at_once() {
        let event = sample_index();
        let mut index = HnswIndex::from_bytes(&event.bytes).unwrap();
        let (new, replaced) = (Random(4).face(), event.faces[0].0);
        for (face, query) in [(new, &event.queries[0]), (replaced, &event.queries[1])] {
            index.insert(face, query).unwrap();
            let best = index.search(query, 1).unwrap();
            assert!(best[0].face == face && best[0].similarity > 0.999, "{best:?}");
            assert_eq!(index.search_above(query, 0.99).unwrap(), best);
            assert_eq!(index.similarity(&face, query), Some(best[0].similarity));
        }
        assert_eq!(index.len(), 20_001);
        let old = index.search_above(&event.faces[0].1, 0.99).unwrap();
        assert_eq!(old, [], "the replaced embedding is still found");
        assert!(index.remove(&new) && index.remove(&replaced));
        assert!(!index.contains(&new) && !index.contains(&replaced));
        assert_eq!(index.len(), 19_999);
    }

    #[test]
    fn many_faces_of_one_person_and_copies_of_one_face_are_all_found() {
        let mut people = SyntheticPeople::new(64, 600);
        let mut faces = people.faces();
        let copy = people.face_of(1);
        for _ in 0..200 {
            let star = (people.random.face(), people.face_of(0));
            let copy = (people.random.face(), copy.clone());
            faces.extend([star, copy]);
        }
        let mut index = HnswIndex::new(64);
        fill(&mut index, &faces);
        index.freeze().unwrap();
        for query in [normed(people.centres[0].clone()), copy] {
            let code = Code::new(64, &query).unwrap();
            let expected = index.search_above(&query, f32::NEG_INFINITY).unwrap();
            let mates = expected.partition_point(|hit| hit.similarity >= 0.5);
            assert!(mates >= 200);
            let found = index.frozen.search_above(&code, 0.5, WALK);
            let share = recall(&[expected[..mates].to_vec()], &[found]);
            assert!(share >= 0.99, "{share}");
        }
    }

    #[test]
    fn an_index_follows_a_simple_model() {
        model::follow(HnswIndex::new(16), |index| {
            index.freeze().unwrap();
            *index = HnswIndex::from_bytes(&index.to_bytes()).unwrap();
        });
    }

    #[test]
    fn a_walk_without_a_floor_reaches_every_face() {
        let mut people = SyntheticPeople::new(32, 1_000);
        let mut faces = people.faces();
        let mut index = HnswIndex::new(32);
        fill(&mut index, &faces);
        index = index.built(EF_CONSTRUCTION_LOW).unwrap();
        faces.sort_by_key(|(face, _)| *face);
        // Each removal makes the chains of erased faces longer that lead to the remaining faces.
        for (n, (face, embedding)) in faces.iter().enumerate() {
            if n % 451 == 0 || n > 4_980 {
                let code = Code::new(32, embedding).unwrap();
                let found = index.frozen.search_above(&code, f32::NEG_INFINITY, WALK);
                let all = index.search(embedding, usize::MAX).unwrap();
                assert_eq!(found, all, "{} faces left", index.len());
            }
            assert!(index.remove(face));
        }
        assert!(index.is_empty());
        index.freeze().unwrap();
        assert_eq!(index.search(&faces[0].1, 3).unwrap(), []);
        assert_eq!(index.search_above(&faces[0].1, -1.0).unwrap(), []);
    }
}
