//! The way of a camera's frame: as a photo's, but only the one clear face is embedded, and its liveness is
//! looked at.
//!
//! Knows nothing of what is asked of the person.

use super::Pipeline;
use crate::decode::{DecodeLimits, decode, probe};
use crate::error::Result;
use crate::face::Face;
use crate::ids::PhotoId;
use crate::liveness::{Liveness, Look, Seen};
use crate::query::{Subject, subject};

/// Pixels of a frame. Browsers send 640 by 480 or so; 4 megapixels are read in the time of a photo for screens.
const FRAME_PIXELS_MAX: u64 = 4_000_000;

/// Frames come many a second and from anybody: one may cost a small part of what a photo may.
fn limits() -> DecodeLimits {
    DecodeLimits {
        pixels_max: FRAME_PIXELS_MAX,
        side_max: 4096,
        // A progressive JPEG of so many pixels, in full colour, with 20 passes.
        decoded_bytes_max: 64 << 20,
        unbacked_bytes_max: 64 << 20,
        passed_pixels_max: 20 * 3 * FRAME_PIXELS_MAX,
        ..DecodeLimits::default()
    }
}

impl Pipeline {
    /// What the frame in `bytes` (an encoded picture, not mirrored) shows. `Error::Image` when it does not
    /// decode or has more than 4 megapixels; a frame without a clear face is no error.
    pub fn look(&self, liveness: &Liveness, bytes: &[u8]) -> Result<Look> {
        let limits = limits();
        let picture = decode(bytes, &probe(bytes, &limits)?, &limits)?;
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
        let clear = subject(&faces, size, Subject::Clear, "the frame").ok();
        let clear = clear.and_then(|clear| faces.iter().position(|face| face.id == clear.id));
        let clear = clear.and_then(|nth| Some((found.get(nth)?, crops.get(nth)?)));
        let Some((found, crop)) = clear else {
            return liveness.look(&picture, &faces, None);
        };
        // One embedding only: a challenge has many frames, which make up for a selfie's second one.
        let embedding = self.embedder.embed(std::slice::from_ref(crop))?.pop().unwrap_or_default();
        let face = self.face(photo, found, embedding);
        liveness.look(&picture, &faces, Some(Seen { face, region: found.face.region, crop }))
    }
}
