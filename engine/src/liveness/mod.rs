//! Presentation attack detection: distinguishes a person in front of the camera from a picture of a person.
//!
//! [`Liveness`] analyses one frame; [`Challenge`] judges a sequence of frames with their arrival times. The
//! detection deters attacks but proves nothing, because a browser cannot attest its camera.

mod attack;
mod challenge;
mod face_chroma;
mod frame_checks;
mod frame_fingerprint;
mod frame_print;
mod light_evidence;
mod planarity;
mod pose;
mod protocol;
mod screen_light;

use sha2::{Digest, Sha256};

pub use challenge::Challenge;
pub use frame_checks::ATTACK_LIVE_MIN;
pub use frame_print::{FrameHistory, FramePrint};
pub(crate) use frame_print::{PRINT_WORDS, PrintBits, SIMILAR_FRAMES_MAX};
pub use light_evidence::{LightAgreement, LightEvidence};
pub use protocol::{FailureReason, Guidance, HeadTurn, Progress};
pub use screen_light::ScreenTint;

use crate::embed::Precision;
use crate::error::Result;
use crate::face::Face;
use crate::models::Models;
use crate::models::runtime::{Model, Provider, Runtime};
use crate::picture::{Picture, Region};
use crate::quality::Quality;
use attack::AttackDetector;
use face_chroma::Chroma;
use frame_fingerprint::FrameFingerprint;
use pose::HeadPose;

/// Limits the height of a counted face to at least a third of the height of the highest face, so that people
/// in the background are not counted.
const FACE_SHARE_MIN: f32 = 1.0 / 3.0;

/// The orientation of a head in degrees. A face that looks straight into an upright camera has a yaw and a
/// roll of about 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// −99 to 99; positive if turned to the person's own left, which is the right side of a picture that is
    /// not mirrored.
    pub yaw: f32,
    /// −99 to 99; positive if turned up. The pitch of people who look straight ahead is −8 ± 9, so only
    /// differences between frames of one person are meaningful.
    pub pitch: f32,
    /// −180 to 180; positive if leaned towards the person's own left shoulder.
    pub roll: f32,
}

/// The one clear face of a frame.
#[derive(Clone)]
pub struct LiveFace {
    pub face: Face,
    pub pose: Pose,
    /// Live score: 0 (a picture of a person) to 1 (a person). Must not be disclosed, because an attacker who
    /// sees the score can learn to raise it.
    pub live_score: f32,
    /// The height of the face divided by the height of the frame; may exceed 1 if the face extends past the
    /// edge.
    pub share: f32,
    /// Strength of edges, 0 (blurred) to 1.
    pub sharpness: f32,
}

impl std::fmt::Debug for LiveFace {
    /// Omits the live score, which must not be shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveFace")
            .field("face", &self.face)
            .field("pose", &self.pose)
            .field("share", &self.share)
            .field("sharpness", &self.sharpness)
            .finish_non_exhaustive()
    }
}

/// The analysis of one frame.
#[derive(Clone)]
pub struct FrameAnalysis {
    /// Number of faces in the frame that are at least a third as high as the highest face.
    pub faces: usize,
    /// The only face, or the face that is clearly larger than all others; `None` if there is no such face.
    pub face: Option<LiveFace>,
    /// Mean brightness of the face, or of the frame if there is no clear face; 0 (black) to 1.
    pub brightness: f32,
    /// SHA-256 of the decoded pixels, equal for files that differ only in their metadata.
    pub frame_digest: [u8; 32],
    print: Option<FramePrint>,
    fingerprint: FrameFingerprint,
    /// The chroma of the clear face against its background.
    chroma: Option<Chroma>,
}

impl std::fmt::Debug for FrameAnalysis {
    /// Omits the digest and the prints of the frame.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameAnalysis")
            .field("faces", &self.faces)
            .field("face", &self.face)
            .field("brightness", &self.brightness)
            .finish_non_exhaustive()
    }
}

impl FrameAnalysis {
    /// Returns what an event remembers of the frame; `None` if the frame has no clear face.
    pub fn print(&self) -> Option<FramePrint> {
        self.print
    }
}

/// The clear face of a frame, which the pipeline found.
pub(crate) struct ClearFace<'a> {
    pub face: Face,
    pub region: Region,
    /// The aligned crop, 112 × 112.
    pub crop: &'a Picture,
}

/// The loaded models of the liveness check, shared by all threads.
pub struct Liveness {
    attack: AttackDetector,
    pose: HeadPose,
}

impl Liveness {
    /// Loads the models. `Precision::Auto` means f32, because there is no bfloat16 check for these models.
    ///
    /// # Errors
    /// - `Error::ModelMissing` if the models were not fetched.
    /// - `Error::WrongHash` if a model file has the wrong content.
    /// - `Error::Model` or `Error::Runtime` if a model does not load.
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
            attack: AttackDetector(load("fr_liveness.onnx", &files.attack, attack::SIDE_PX)?),
            pose: HeadPose(load("fr_pose.onnx", &files.pose, pose::SIDE_PX)?),
        })
    }

    /// Overwrites the buffers of the models, which hold the last crops.
    pub fn overwrite_buffers(&self) {
        self.attack.0.overwrite_buffers();
        self.pose.0.overwrite_buffers();
    }

    /// Analyses `picture` with its `faces`. Computes the pose, live score and sharpness of the clear face
    /// `clear` only.
    pub(crate) fn analyse_frame(
        &self,
        picture: &Picture,
        faces: &[Face],
        clear: Option<ClearFace<'_>>,
    ) -> Result<FrameAnalysis> {
        let height = |face: &Face| face.bbox[3] as f32;
        let tallest = faces.iter().map(height).fold(0.0, f32::max);
        let count = faces.iter().filter(|face| height(face) >= FACE_SHARE_MIN * tallest).count();
        let region = clear.as_ref().map_or(picture.frame(), |seen| seen.region);
        let lit = clear.as_ref().map(|seen| face_chroma::measure(picture, seen.region, seen.crop));
        let face = clear.map(|seen| self.analyse_face(picture, seen)).transpose()?;
        let mut digest = Sha256::new();
        digest.update(picture.width().to_le_bytes());
        digest.update(picture.pixels());
        let frame_digest = digest.finalize().into();
        let print = face.as_ref().map(|_| FramePrint::of(picture, region, frame_digest));
        Ok(FrameAnalysis {
            faces: count,
            face,
            brightness: brightness(picture, region)?,
            frame_digest,
            print: print.transpose()?,
            fingerprint: FrameFingerprint::of(picture, region)?,
            chroma: lit.transpose()?.flatten(),
        })
    }

    fn analyse_face(&self, picture: &Picture, seen: ClearFace<'_>) -> Result<LiveFace> {
        let ClearFace { face, region, crop } = seen;
        Ok(LiveFace {
            pose: self.pose.estimate(picture, region, &face.landmarks)?,
            live_score: self.attack.live_score(picture, region)?,
            share: region.height / picture.height() as f32,
            sharpness: Quality::of(&face.landmarks, crop).sharpness,
            face,
        })
    }
}

/// Returns the mean luma of `region`, 0..1; parts outside the picture count as black.
fn brightness(picture: &Picture, region: Region) -> Result<f32> {
    const SIDE: u32 = 16;
    let cells = picture.cut(region, SIDE, SIDE, (SIDE, SIDE))?;
    let sum: f32 = cells.pixels().chunks_exact(3).map(frame_fingerprint::luma).sum();
    Ok(sum / (SIDE * SIDE) as f32 / 255.0)
}

#[cfg(test)]
mod tests;
