//! What the engine knows of a photo once it is analysed: its faces with their embeddings.
//!
//! Plain data that travels from the pipeline to the store and back. Knows nothing of how it is made,
//! sealed or searched, and carries no serde: it must not leave the engine by accident.

use std::path::PathBuf;

use crate::detect::Landmarks;
use crate::ids::{FaceId, PhotoId};

/// A photo of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    pub id: PhotoId,
    /// As it was given to `index`; not necessarily UTF-8, not necessarily still there.
    pub path: PathBuf,
    /// Upright size in pixels.
    pub width: u32,
    pub height: u32,
    /// The photo's faces, best detection first.
    pub faces: Vec<Face>,
}

/// A face in a photo.
#[derive(Clone, PartialEq)]
pub struct Face {
    pub id: FaceId,
    /// Left, top, width, height in whole pixels of the upright photo; may reach over its edge.
    pub bbox: [i32; 4],
    /// In pixels of the upright photo.
    pub landmarks: Landmarks,
    /// The detector's confidence, 0..1.
    pub score: f32,
    /// How far the embedding can be trusted, 0..1; see `quality`.
    pub quality: f32,
    /// Shape `[D]`, L2 norm 1.
    pub embedding: Vec<f32>,
}

impl std::fmt::Debug for Face {
    /// Leaves the embedding out: it is biometric data and must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Face")
            .field("id", &self.id)
            .field("bbox", &self.bbox)
            .field("quality", &self.quality)
            .finish_non_exhaustive()
    }
}
