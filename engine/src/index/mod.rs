//! Finds the faces whose embeddings are most similar to a query's.
//!
//! Holds int8 codes in memory, all derived: an index can always be rebuilt from the store. Assumes
//! embeddings of one model pack, so of one length. Knows no store, no crypto, no photos, no people.

mod build;
mod codec;
mod exact;
mod graph;
mod hnsw;
mod kernels;
#[cfg(test)]
mod model;
mod rows;
#[cfg(test)]
mod sample;
mod select;
mod walk;

pub use exact::ExactIndex;
pub use hnsw::HnswIndex;
pub use kernels::name as kernel_name;

use crate::error::Result;
use crate::ids::FaceId;

/// The largest collection, in faces, that is searched exactly; above it a graph pays.
///
/// At D = 128, on one thread with VNNI, a scan of 100,000 faces takes 1.2 ms on a free core. A graph
/// takes 1.4 times the scan's time at 20,000 faces, 0.6 at 50,000, 0.4 at 100,000 and 0.3 at
/// 200,000, at recall@10 of 0.95 or more.
/// Range: 20,000 to 1,000,000. Cost: below it a query reads every code (D bytes a face); above it
/// the graph takes as much memory again, minutes to build, and misses 1 mate in 100 to 500. How
/// to measure: time both indexes over the same faces on one thread, taking turns.
pub const EXACT_FACES_MAX: usize = 100_000;

/// One answer of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The face found.
    pub face: FaceId,
    /// Cosine of its embedding and the query, -1..1, from int8 codes: within about 0.005 of the
    /// cosine of the originals at D = 128, and the same on every machine.
    pub similarity: f32,
}

/// Faces that can be searched by embedding. D is the length given when the index was made.
///
/// Wherever an embedding is taken, one of another length is refused with `Error::Dimension`, one
/// that is all zeros or not finite with `Error::Damaged`. Its norm does not matter.
pub trait Index: Send + Sync {
    /// The number of faces that can be found.
    fn len(&self) -> usize;

    /// True where no face can be found.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// "exact" or "hnsw".
    fn kind(&self) -> &'static str;

    /// Adds `face` with its embedding \[D\], in place of the one it had. It can be found at once.
    fn insert(&mut self, face: FaceId, embedding: &[f32]) -> Result<()>;

    /// Removes `face` and overwrites its codes; no later search returns it. True where it was here.
    fn remove(&mut self, face: &FaceId) -> bool;

    /// True where `face` can be found.
    fn contains(&self, face: &FaceId) -> bool;

    /// The `k` faces most similar to `query` \[D\], best first, equals by id; fewer where fewer are
    /// here.
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>>;

    /// Every face with a similarity of at least `similarity_min` (-1..1) to `query` \[D\], best
    /// first, equals by id.
    fn search_above(&self, query: &[f32], similarity_min: f32) -> Result<Vec<Hit>>;

    /// What `search_above` gives for each query \[D\] with its similarity_min, in order. An index that
    /// reads every face reads it once for all of them.
    fn search_above_each(&self, asked: &[(&[f32], f32)]) -> Vec<Result<Vec<Hit>>> {
        asked.iter().map(|(query, least)| self.search_above(query, *least)).collect()
    }

    /// The similarity of `face` to `query` \[D\]; none where the face is not here or the query is
    /// not an embedding of this index.
    fn similarity(&self, face: &FaceId, query: &[f32]) -> Option<f32>;

    /// The embedding \[D\] of `face`, L2 norm 1, as its codes have it: as near to the original as similarities
    /// are, and as a query it has the same similarities as the codes. None where the face is not here.
    fn embedding(&self, face: &FaceId) -> Option<Vec<f32>>;
}
