//! Is somebody in front of the camera, or a picture of somebody: what one frame shows, and the
//! challenge that a run of frames must pass.
//!
//! A look is made from one frame's bytes; a challenge judges looks in the order in which they came and
//! is handed the time. Deters, never proves: nothing attests a camera. Knows nothing of HTTP, guests,
//! collections or clocks.

mod challenge;

pub use challenge::{Challenge, Guidance, Progress, Refusal, Turn};

use crate::embed::Precision;
use crate::error::{Error, Result};
use crate::face::Face;
use crate::models::Models;
use crate::pipeline::Pipeline;

/// Where a head points, in degrees; all 0 for a face that looks straight into an upright camera.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// Positive: turned towards the person's own left, which is the right of a picture that is not
    /// mirrored. −90 to 90.
    pub yaw: f32,
    /// Positive: turned up. −90 to 90.
    pub pitch: f32,
    /// Positive: leaned towards the person's own left shoulder. −180 to 180.
    pub roll: f32,
}

/// The one clear face of a frame.
#[derive(Clone, Debug)]
pub struct LiveFace {
    pub face: Face,
    pub pose: Pose,
    /// How much the frame looks like a person and not like a picture of one, 0..1. Never shown to
    /// anybody: a score that is shown teaches how to raise it.
    pub live: f32,
    /// Height of the face over height of the frame; may exceed 1 where the face reaches over the edge.
    pub share: f32,
}

/// What one frame shows.
#[derive(Clone, Debug)]
pub struct Look {
    /// Faces in the frame.
    pub faces: usize,
    /// The only face, or the one clearly larger than all others.
    pub face: Option<LiveFace>,
    /// Mean brightness, 0 (black) to 1, of the face; of the frame where there is no clear face.
    pub brightness: f32,
    /// SHA-256 of the decoded pixels: files that differ in their metadata only have the same.
    pub frame_digest: [u8; 32],
}

/// The models of liveness, loaded; shared by all threads.
pub struct Liveness {}

impl Liveness {
    /// Loads the models. Errors: `ModelMissing` when they were not fetched, `WrongHash`, `Model` or
    /// `Runtime` when they do not load.
    pub fn load(_models: &Models, _precision: Precision) -> Result<Self> {
        Err(Error::Runtime { reason: "liveness is not built yet".into() })
    }
}

impl Pipeline {
    /// What the frame in `bytes` (an encoded picture) shows. `Error::Image` when it does not decode.
    pub fn look(&self, _liveness: &Liveness, _bytes: &[u8]) -> Result<Look> {
        Err(Error::Runtime { reason: "liveness is not built yet".into() })
    }
}
