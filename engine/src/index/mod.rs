//! Similarity search over the face embeddings of one collection, exact or approximate (HNSW).
//!
//! An index holds int8 codes in memory. The codes are derived state: an index can always be rebuilt from the
//! store.

mod build;
mod codec;
mod exact;
mod graph;
mod hnsw;
mod kernels;
#[cfg(test)]
mod model;
mod quantized;
#[cfg(test)]
mod sample;
mod search_layer;
mod top_k;

pub use exact::ExactIndex;
pub use hnsw::HnswIndex;
pub(crate) use kernels::name as kernel_name;

use crate::error::Result;
use crate::ids::FaceId;

/// Limits the size of a collection that is searched exactly to 100,000 faces. Larger collections use a graph.
///
/// At D = 128, on one thread with VNNI, a scan of 100,000 faces takes 1.2 ms on a free core. A graph takes
/// 1.4 times the scan's time at 20,000 faces, 0.6 times at 50,000, 0.4 times at 100,000 and 0.3 times at
/// 200,000, at recall@10 of 0.95 or more.
///
/// Range: 20,000 to 1,000,000. Cost: up to this size, a query reads every code (D bytes per face). Above it,
/// the graph takes about 128 more bytes per face and minutes to build, and misses 1 in 100 to 500 faces of
/// the person searched for. To measure, time both indexes over one set of faces on one thread.
pub const EXACT_FACES_MAX: usize = 100_000;

/// One result of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The face found.
    pub face: FaceId,
    /// The cosine of the face's embedding and the query, -1..1, computed from int8 codes. It is within about
    /// 0.005 of the cosine of the `f32` embeddings at D = 128, and identical on every machine.
    pub similarity: f32,
}

/// An index of faces by embedding. D is the embedding length given when the index was made. Embeddings and
/// queries may have any norm.
///
/// # Errors
/// Methods that take an embedding or a query return these errors:
/// - `Dimension`: its length is not D.
/// - `Damaged`: it is all zeros, or a number in it is not finite.
pub trait Index: Send + Sync {
    /// Returns the number of faces.
    fn len(&self) -> usize;

    /// Returns whether the index has no faces.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the kind of index: "exact" or "hnsw".
    fn kind(&self) -> &'static str;

    /// Adds `face` with its embedding \[D\], or replaces its embedding. Searches find the new embedding at
    /// once.
    fn insert(&mut self, face: FaceId, embedding: &[f32]) -> Result<()>;

    /// Removes `face` and overwrites its codes; no later search returns it. Returns whether the index had it.
    fn remove(&mut self, face: &FaceId) -> bool;

    /// Returns whether the index has `face`.
    fn contains(&self, face: &FaceId) -> bool;

    /// Returns the `k` faces most similar to `query` \[D\], or all faces if there are fewer; best first,
    /// equally similar faces by id.
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>>;

    /// Returns every face with a similarity of at least `similarity_min` (-1..1) to `query` \[D\]; best
    /// first, equally similar faces by id.
    fn search_above(&self, query: &[f32], similarity_min: f32) -> Result<Vec<Hit>>;

    /// Runs `search_above` for each (query \[D\], similarity_min) and returns the results in order. The exact
    /// index reads its codes once for all queries.
    fn search_above_each(&self, queries: &[(&[f32], f32)]) -> Vec<Result<Vec<Hit>>> {
        queries.iter().map(|(query, least)| self.search_above(query, *least)).collect()
    }

    /// Returns the similarity of `face` to `query` \[D\], -1..1; `None` if the index does not have the face
    /// or the query is invalid.
    fn similarity(&self, face: &FaceId, query: &[f32]) -> Option<f32>;

    /// Returns the embedding \[D\] of `face`, L2 norm 1, reconstructed from its codes; `None` if the index
    /// does not have the face. Quantising the returned embedding gives the face's codes again, so a query
    /// with it has exactly the face's similarities.
    fn embedding(&self, face: &FaceId) -> Option<Vec<f32>>;
}
