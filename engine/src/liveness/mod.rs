//! Is somebody in front of the camera, or a picture of somebody: what one frame shows, and the
//! challenge that a run of frames must pass.
//!
//! A look is made from one frame; a challenge judges looks in the order in which they came and is handed
//! the time. Deters, never proves: nothing attests a camera. Knows nothing of HTTP, guests, collections or
//! clocks.

mod attack;
mod challenge;
mod judge;
mod plane;
mod pose;
mod print;
mod words;

use sha2::{Digest, Sha256};

pub use challenge::Challenge;
pub use judge::ATTACK_LIVE_MIN;
pub use words::{Guidance, Progress, Refusal, Turn};

use crate::embed::Precision;
use crate::error::Result;
use crate::face::Face;
use crate::models::Models;
use crate::picture::{Picture, Region};
use crate::quality::Quality;
use crate::runtime::{Model, Provider, Runtime};
use attack::Attack;
use pose::HeadPose;
use print::Print;

/// A face counts when it has at least this share of the largest one's height: people far behind do not.
const FACE_SHARE_MIN: f32 = 1.0 / 3.0;

/// Where a head points, in degrees; about 0 for a face that looks straight into an upright camera.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// Positive: turned towards the person's own left, which is the right of a picture that is not
    /// mirrored. −99 to 99.
    pub yaw: f32,
    /// Positive: turned up. −99 to 99. People who look straight ahead have −8 ± 9: only differences
    /// between frames of one person tell.
    pub pitch: f32,
    /// Positive: leaned towards the person's own left shoulder. −180 to 180.
    pub roll: f32,
}

/// The one clear face of a frame.
#[derive(Clone)]
pub struct LiveFace {
    pub face: Face,
    pub pose: Pose,
    /// How much the frame looks like a person and not like a picture of one, 0..1. Never shown to
    /// anybody: a score that is shown teaches how to raise it.
    pub live: f32,
    /// Height of the face over height of the frame; may exceed 1 where the face reaches over the edge.
    pub share: f32,
    /// Strength of edges, 0 (blurred) to 1.
    pub sharpness: f32,
}

impl std::fmt::Debug for LiveFace {
    /// Leaves the attack score out: it must not be shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveFace")
            .field("face", &self.face)
            .field("pose", &self.pose)
            .field("share", &self.share)
            .field("sharpness", &self.sharpness)
            .finish_non_exhaustive()
    }
}

/// What one frame shows.
#[derive(Clone, Debug)]
pub struct Look {
    /// Faces in the frame that are at least a third as high as the largest one.
    pub faces: usize,
    /// The only face, or the one clearly larger than all others.
    pub face: Option<LiveFace>,
    /// Mean brightness, 0 (black) to 1, of the face; of the frame where there is no clear face.
    pub brightness: f32,
    /// SHA-256 of the decoded pixels: files that differ in their metadata only have the same.
    pub frame_digest: [u8; 32],
    print: Print,
}

/// The clear face of a frame as the pipeline found it.
pub(crate) struct Seen<'a> {
    pub face: Face,
    pub region: Region,
    /// Aligned, 112 × 112.
    pub crop: &'a Picture,
}

/// The models of liveness, loaded; shared by all threads.
pub struct Liveness {
    attack: Attack,
    pose: HeadPose,
}

impl Liveness {
    /// Loads the models. `Precision::Auto` is f32: bfloat16 has no trial here. Errors: `ModelMissing` when
    /// they were not fetched, `WrongHash`, `Model` or `Runtime` when they do not load.
    pub fn load(models: &Models, precision: Precision) -> Result<Self> {
        let files = models.resolve_liveness()?;
        let runtime = Runtime::open(&models.resolve_runtime()?)?;
        let providers = match precision {
            Precision::Only(provider) => vec![provider],
            Precision::Auto => runtime
                .candidates()
                .into_iter()
                .filter(|provider| *provider != Provider::OpenVinoBf16)
                .collect(),
        };
        let load = |name, file, side: u32| -> Result<Model> {
            let side = side as usize;
            runtime.first_model(name, file, providers.iter().copied(), [1, 3, side, side])
        };
        Ok(Self {
            attack: Attack(load("fr_liveness.onnx", &files.attack, attack::SIDE_PX)?),
            pose: HeadPose(load("fr_pose.onnx", &files.pose, pose::SIDE_PX)?),
        })
    }

    /// What `picture` with `faces` shows; `clear` is the one of them that is looked at.
    pub(crate) fn look(
        &self,
        picture: &Picture,
        faces: &[Face],
        clear: Option<Seen<'_>>,
    ) -> Result<Look> {
        let height = |face: &Face| face.bbox[3] as f32;
        let tallest = faces.iter().map(height).fold(0.0, f32::max);
        let count = faces.iter().filter(|face| height(face) >= FACE_SHARE_MIN * tallest).count();
        let region = clear.as_ref().map_or(picture.frame(), |seen| seen.region);
        let face = clear.map(|seen| self.face(picture, seen)).transpose()?;
        let mut digest = Sha256::new();
        digest.update(picture.width().to_le_bytes());
        digest.update(picture.pixels());
        Ok(Look {
            faces: count,
            face,
            brightness: brightness(picture, region)?,
            frame_digest: digest.finalize().into(),
            print: Print::of(picture, region)?,
        })
    }

    fn face(&self, picture: &Picture, seen: Seen<'_>) -> Result<LiveFace> {
        let Seen { face, region, crop } = seen;
        Ok(LiveFace {
            pose: self.pose.of(picture, region, &face.landmarks)?,
            live: self.attack.live(picture, region)?,
            share: region.height / picture.height() as f32,
            sharpness: Quality::of(&face.landmarks, crop).sharpness,
            face,
        })
    }
}

/// Mean luma of `region`, 0..1; parts outside the picture count as black.
fn brightness(picture: &Picture, region: Region) -> Result<f32> {
    const SIDE: u32 = 16;
    let cells = picture.cut(region, SIDE, SIDE, (SIDE, SIDE))?;
    let sum: f32 = cells.pixels().chunks_exact(3).map(print::luma).sum();
    Ok(sum / (SIDE * SIDE) as f32 / 255.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
