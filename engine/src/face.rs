//! An analysed photo and its faces with their embeddings. The types do not implement serde's traits, so that
//! the engine does not serialise biometric data by accident.

use std::path::PathBuf;

use crate::detect::Landmarks;
use crate::ids::{FaceId, PhotoId};

/// An analysed photo of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    pub id: PhotoId,
    /// The path that the photo was indexed under. It may not be UTF-8, and the file may no longer exist.
    pub path: PathBuf,
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// The photo's faces, best detection first.
    pub faces: Vec<Face>,
}

/// A face in a photo.
#[derive(Clone, PartialEq)]
pub struct Face {
    pub id: FaceId,
    /// Left, top, width, height in whole pixels of the upright photo; may extend beyond its edges.
    pub bbox: [i32; 4],
    /// The five landmarks, in pixels of the upright photo.
    pub landmarks: Landmarks,
    /// The detector's confidence, 0..1.
    pub score: f32,
    /// The reliability of the embedding, 0..1; see `quality.rs`.
    pub quality: f32,
    /// Shape `[D]`, L2 norm 1.
    pub embedding: Vec<f32>,
}

impl std::fmt::Debug for Face {
    /// Omits the embedding, because biometric data must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Face")
            .field("id", &self.id)
            .field("bbox", &self.bbox)
            .field("quality", &self.quality)
            .finish_non_exhaustive()
    }
}
