use super::Pipeline;
use crate::decode::DecodeLimits;
use crate::error::Result;
use crate::face::Face;
use crate::ids::PhotoId;
use crate::liveness::{ClearFace, FrameAnalysis, Liveness};
use crate::picture::Picture;
use crate::template::Subject;

/// Limits a camera frame to 4 megapixels. Browsers send about 640 × 480 pixels; a frame of 4 megapixels takes
/// as long as a photo of screen size.
const FRAME_PIXELS_MAX: u64 = 4_000_000;

/// Returns the decoding limits of a frame. These are far below the limits of a photo, because visitors who
/// are not verified yet send many frames per second.
fn limits() -> DecodeLimits {
    DecodeLimits {
        pixels_max: FRAME_PIXELS_MAX,
        side_max: 4096,
        // Enough for a progressive JPEG of 4 megapixels without colour subsampling, with 20 passes.
        decoded_bytes_max: 64 << 20,
        memory_bytes_free: 64 << 20,
        pixel_passes_max: 20 * 3 * FRAME_PIXELS_MAX,
        ..DecodeLimits::default()
    }
}

impl Pipeline {
    /// Analyses a camera frame in `bytes` (an encoded picture, not mirrored): finds its faces, and embeds and
    /// checks the liveness of the one clear face. A frame without a clear face is not an error.
    ///
    /// # Errors
    /// - `Error::Image` if the frame does not decode, or has more than 4 megapixels or a side of more than
    ///   4,096 px.
    /// - `Error::Model` if a model fails.
    pub fn analyse_frame(&self, liveness: &Liveness, bytes: &[u8]) -> Result<FrameAnalysis> {
        let limits = limits();
        let picture = Picture::decode(bytes, &limits)?;
        let photo = PhotoId::of(bytes);
        let (mut found, mut crops) = (Vec::new(), Vec::new());
        self.crops(&picture, |face, crop| {
            found.push(face);
            crops.push(crop);
            Ok(())
        })?;
        let faces: Vec<Face> =
            found.iter().map(|found| self.face(photo, found, Vec::new())).collect();
        let size = (picture.width(), picture.height());
        let clear = Subject::Clear.choose(&faces, size, "the frame").ok();
        let clear = clear.and_then(|clear| faces.iter().position(|face| face.id == clear.id));
        let clear = clear.and_then(|nth| Some((found.get(nth)?, crops.get(nth)?)));
        let Some((found, crop)) = clear else {
            return liveness.analyse_frame(&picture, &faces, None);
        };
        // One embedding is enough, where a selfie needs two, because a challenge has many frames.
        let embedding = self.embedder.embed(std::slice::from_ref(crop))?.pop().unwrap_or_default();
        let face = self.face(photo, found, embedding);
        liveness.analyse_frame(
            &picture,
            &faces,
            Some(ClearFace { face, region: found.face.region, crop }),
        )
    }
}
