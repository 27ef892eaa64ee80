//! The stages from a photo's bytes to its faces: decode → detect → align → embed.
//!
//! `analyse` processes one photo; `index_photos` processes many, with bounded queues and bounded memory.

mod batch_run;
mod batcher;
mod camera_frame;
mod lazy;
mod memory_budget;
mod probe;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::align::align;
use crate::decode::DecodeLimits;
use crate::detect::{CHIP_SIDE_PX, Detection, Detector, Refined};
use crate::embed::{Bf16Check, Embedder, Precision, read_bf16_check, unit};
use crate::error::Result;
use crate::face::Face;
use crate::ids::{FaceId, PhotoId};
use crate::models::Models;
use crate::models::manifest::Pack;
use crate::models::runtime::{Provider, Runtime};
use crate::picture::Picture;
use crate::quality::Quality;

pub use batch_run::{
    LastStage, PhotoSource, ProgressEvent, RunOptions, Sink, Summary, index_photos,
};
pub use probe::{Probe, ProbeImage};

/// A loaded model pack, which turns photos into faces with embeddings.
pub struct Pipeline {
    detector: Detector,
    embedder: Embedder,
    pack_id: String,
    limits: DecodeLimits,
}

/// A detected face without an embedding.
pub(crate) struct DetectedFace {
    face: Detection,
    quality: Quality,
}

/// The faces of a photo.
pub struct Analysis {
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// The faces found, best detection first.
    pub faces: Vec<Face>,
    /// The quality of each of `faces`, in parts.
    pub qualities: Vec<Quality>,
    pub timings: Timings,
}

/// Time spent in each stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    pub decode: Duration,
    /// Detection, refinement, alignment and quality.
    pub detect: Duration,
    pub embed: Duration,
}

impl Pipeline {
    /// Loads `pack` from `models`.
    ///
    /// # Errors
    /// - `Error::ModelMissing` if the pack was not fetched.
    /// - `Error::WrongHash` if a model file has the wrong content.
    /// - `Error::Fetch` if an offline archive cannot be read.
    /// - `Error::Io` if a file of the cache cannot be read or written.
    /// - `Error::Runtime` if the inference library does not load.
    /// - `Error::Model` if a model does not load.
    pub fn load(
        models: &Models,
        pack: &Pack,
        precision: Precision,
        limits: DecodeLimits,
    ) -> Result<Self> {
        let found = models.resolve(pack)?;
        let runtime = Runtime::open(&models.resolve_runtime()?)?;
        let verdict_file = bf16_check_file(models, pack, runtime.library());
        let embedder =
            Embedder::load(&runtime, &found.embedder, &pack.embedder, precision, verdict_file)?;
        // The detector has no bfloat16 check of its own: it uses the embedder's provider, and the accuracy
        // benchmark covers both.
        let detector = load_detector(&runtime, &found.detector, pack, embedder.provider())?;
        Ok(Self { detector, embedder, pack_id: pack.id().to_owned(), limits })
    }

    /// Returns the id of the loaded pack. A collection has embeddings of one pack only.
    pub fn pack_id(&self) -> &str {
        &self.pack_id
    }

    /// Returns the provider that computes the embeddings.
    pub fn provider(&self) -> Provider {
        self.embedder.provider()
    }

    /// Overwrites the buffers of the models, which hold the last photos, crops and embeddings. Runs each idle
    /// session once, which takes up to 30 ms a session.
    pub fn overwrite_buffers(&self) {
        self.detector.overwrite_buffers();
        self.embedder.overwrite_buffers();
    }

    /// Returns the result of the bfloat16 check for `pack` on this machine. Returns `None` if fewer than 16
    /// faces have been compared, or if the inference runtime is missing.
    pub fn bf16_check(models: &Models, pack: &Pack) -> Option<Bf16Check> {
        read_bf16_check(&bf16_check_file(models, pack, &models.resolve_runtime().ok()?))
    }

    /// Finds and embeds the faces of one photo.
    ///
    /// # Errors
    /// - `Error::Image` if the photo does not decode.
    /// - `Error::Model` if a model fails.
    pub fn analyse(&self, bytes: &[u8]) -> Result<Analysis> {
        let mut timings = Timings::default();
        let mut clock = Instant::now();
        let mut lap = || std::mem::replace(&mut clock, Instant::now()).elapsed();
        let picture = Picture::decode(bytes, &self.limits)?;
        timings.decode = lap();
        let (mut found, mut crops) = (Vec::new(), Vec::new());
        self.crops(&picture, |face, crop| {
            found.push(face);
            crops.push(crop);
            Ok(())
        })?;
        timings.detect = lap();
        let photo = PhotoId::of(bytes);
        let embeddings = self.embedder.embed(&crops)?;
        timings.embed = lap();
        let faces = found.iter().zip(embeddings);
        let faces = faces.map(|(found, embedding)| self.face(photo, found, embedding)).collect();
        let qualities = found.iter().map(|found| found.quality).collect();
        Ok(Analysis { width: picture.width(), height: picture.height(), faces, qualities, timings })
    }

    /// Finds and embeds the faces of a selfie. Unlike `analyse`, averages the landmarks over several detector
    /// passes, and the embedding over two crops. This takes about 20 ms more and is worthwhile, because a
    /// query is compared with all photos.
    ///
    /// # Errors
    /// - `Error::Image` if the selfie does not decode.
    /// - `Error::Model` if a model fails.
    pub fn analyse_query(&self, bytes: &[u8]) -> Result<Analysis> {
        let mut clock = Instant::now();
        let mut lap = || std::mem::replace(&mut clock, Instant::now()).elapsed();
        let picture = Picture::decode(bytes, &self.limits)?;
        let mut timings = Timings { decode: lap(), ..Timings::default() };
        let (mut found, mut crops, mut views) = (Vec::new(), Vec::new(), Vec::new());
        self.crops(&picture, |face, crop| {
            let close = self.detector.refine_for_query(&picture, &face.face)?;
            let close = close.map(|(chip, landmarks)| align(&chip, &landmarks)).transpose()?;
            views.push(1 + usize::from(close.is_some()));
            found.push(face);
            crops.push(crop);
            crops.extend(close);
            Ok(())
        })?;
        timings.detect = lap();
        let photo = PhotoId::of(bytes);
        let mut embeddings = self.embedder.embed(&crops)?.into_iter();
        timings.embed = lap();
        let (mut faces, mut qualities) = (Vec::new(), Vec::new());
        for (found, views) in found.iter().zip(views) {
            if let Some(embedding) = mean(embeddings.by_ref().take(views)) {
                faces.push(self.face(photo, found, embedding));
                qualities.push(found.quality);
            }
        }
        Ok(Analysis { width: picture.width(), height: picture.height(), faces, qualities, timings })
    }

    /// Finds, confirms and aligns the faces of `picture` and computes their quality. Passes each face to
    /// `take` with its aligned crop (112 × 112).
    pub(crate) fn crops(
        &self,
        picture: &Picture,
        mut take: impl FnMut(DetectedFace, Picture) -> Result<()>,
    ) -> Result<()> {
        let candidates = self.detector.candidates(picture)?;
        self.detector.refine(picture, &candidates, |refined: Refined| {
            let crop = align(&refined.chip, &refined.chip_landmarks)?;
            let quality = Quality::of(&refined.face.landmarks, &crop);
            take(DetectedFace { face: refined.face, quality }, crop)
        })
    }

    fn face(&self, photo: PhotoId, found: &DetectedFace, embedding: Vec<f32>) -> Face {
        let region = found.face.region;
        let bbox =
            [region.x, region.y, region.width, region.height].map(|side| side.round() as i32);
        Face {
            id: FaceId::of(photo, &self.pack_id, bbox),
            bbox,
            landmarks: found.face.landmarks,
            score: found.face.score,
            quality: found.quality.score(),
            embedding,
        }
    }
}

/// Returns the mean of unit embeddings, scaled to norm 1; `None` if there is no embedding or the mean is zero.
fn mean(mut embeddings: impl Iterator<Item = Vec<f32>>) -> Option<Vec<f32>> {
    let mut sum = embeddings.next()?;
    for other in embeddings {
        sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
    }
    unit(&sum)
}

fn load_detector(
    runtime: &Runtime,
    file: &Path,
    pack: &Pack,
    wanted: Provider,
) -> Result<Detector> {
    let spec = &pack.detector;
    let fixed = (spec.side_px_multiple == spec.side_px_max).then_some(spec.side_px_max);
    let side = fixed.unwrap_or(CHIP_SIDE_PX) as usize;
    let providers = [wanted, Provider::OpenVinoF32, Provider::Cpu];
    let model = runtime.first_model(&spec.file.name, file, providers, [1, 3, side, side])?;
    Ok(Detector::new(model, spec.family, fixed))
}

/// Returns the file that stores the result of the bfloat16 check for `pack`. Its name depends on the
/// processor and the runtime, so that a change of either repeats the check.
fn bf16_check_file(models: &Models, pack: &Pack, library: &Path) -> PathBuf {
    use sha2::{Digest, Sha256};
    let digest =
        Sha256::digest(format!("{}\n{}\n{}", pack.id(), Runtime::cpu_name(), library.display()));
    let name = hex::encode(&digest[..8]);
    models.folder().join("verdicts").join(format!("{name}.toml"))
}
