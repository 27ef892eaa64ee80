//! Computes embeddings of aligned crops in batches, with the fastest provider that passes a check.
//!
//! bfloat16 is used only after its embeddings of the first 16 real faces agreed with those of f32. The result
//! of this check is stored beside the models.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::align::CROP_SIDE_PX;
use crate::detect::planes;
use crate::error::{Error, Result};
use crate::face::Face;
use crate::fs::durable;
use crate::models::manifest;
use crate::models::runtime::{Model, Provider, Runtime};
use crate::picture::Picture;

/// Number of crops in a full batch, which one run of the model embeds. Range 4 to 32. A batch of 8 takes a
/// third less time per face than single crops; a larger batch costs memory and saves little time. Measure
/// with `picpick-bench pipeline`.
pub(crate) const BATCH: usize = 8;
/// Number of real faces that are embedded with both bfloat16 and f32 before the check ends.
const CHECK_FACES: usize = 16;
/// Lowest cosine between the bfloat16 and the f32 embedding of a face at which the check passes. The lowest of
/// 221 LFW faces is 0.9992.
const CHECK_COSINE_MIN: f32 = 0.999;

/// The result of comparing bfloat16 with f32 on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bf16Check {
    pub passed: bool,
    /// Number of faces compared.
    pub faces: usize,
    pub cosine_min: f32,
    pub cosine_mean: f32,
}

/// The requested arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// bfloat16 if the processor has AMX and the check passes, else f32 with OpenVINO, else the CPU provider.
    #[default]
    Auto,
    /// The given provider, without a check; for measurements.
    Only(Provider),
}

/// The embedding model, shared by all workers.
pub(crate) struct Embedder {
    mode: RwLock<Arc<EmbedderMode>>,
    spec: manifest::EmbedderSpec,
    check_file: PathBuf,
}

enum EmbedderMode {
    Decided(Model),
    Checking { fast: Model, exact: Model, cosines: Mutex<Vec<f32>> },
}

impl Embedder {
    /// Loads the model in `file`. The result of the bfloat16 check on this machine is stored in `check_file`.
    pub(crate) fn load(
        runtime: &Runtime,
        file: &Path,
        spec: &manifest::EmbedderSpec,
        precision: Precision,
        check_file: PathBuf,
    ) -> Result<Self> {
        let side = CROP_SIDE_PX as usize;
        let (name, shape) = (&spec.file.name, [1, 3, side, side]);
        let load = |provider| runtime.model(name, file, provider, shape);
        let exact = || {
            let exact = |provider: &Provider| *provider != Provider::OpenVinoBf16;
            runtime.first_model(name, file, runtime.candidates().into_iter().filter(exact), shape)
        };
        let mode = match precision {
            Precision::Only(provider) => EmbedderMode::Decided(load(provider)?),
            Precision::Auto => {
                let verdict = read_bf16_check(&check_file);
                let fast = runtime.candidates().first() == Some(&Provider::OpenVinoBf16);
                let fast = fast && verdict.as_ref().is_none_or(|verdict| verdict.passed);
                match fast.then(|| load(Provider::OpenVinoBf16).ok()).flatten() {
                    Some(fast) if verdict.is_some() => EmbedderMode::Decided(fast),
                    Some(fast) => {
                        EmbedderMode::Checking { fast, exact: exact()?, cosines: Mutex::default() }
                    }
                    None => EmbedderMode::Decided(exact()?),
                }
            }
        };
        Ok(Self { mode: RwLock::new(Arc::new(mode)), spec: spec.clone(), check_file })
    }

    /// Returns the provider that computes the embeddings now.
    pub(crate) fn provider(&self) -> Provider {
        match &*self.mode() {
            EmbedderMode::Decided(model) => model.provider(),
            EmbedderMode::Checking { exact, .. } => exact.provider(),
        }
    }

    /// Overwrites the buffers of the models, which hold the last crops and embeddings.
    pub(crate) fn overwrite_buffers(&self) {
        match &*self.mode() {
            EmbedderMode::Decided(model) => model.overwrite_buffers(),
            EmbedderMode::Checking { fast, exact, .. } => {
                fast.overwrite_buffers();
                exact.overwrite_buffers();
            }
        }
    }

    /// Computes the embeddings of `crops` (112 × 112) in order, each of shape `[D]` with L2 norm 1.
    pub(crate) fn embed(&self, crops: &[Picture]) -> Result<Vec<Vec<f32>>> {
        let (batches, rest) = crops.as_chunks::<BATCH>();
        let mut all = Vec::with_capacity(crops.len());
        // Only two shapes, full batches and single crops, because a session is compiled for each shape.
        for batch in batches.iter().map(|batch| batch.as_slice()).chain(rest.chunks(1)) {
            all.extend(self.embed_batch(batch)?);
        }
        Ok(all)
    }

    fn embed_batch(&self, crops: &[Picture]) -> Result<Vec<Vec<f32>>> {
        match &*self.mode() {
            EmbedderMode::Decided(model) => self.run(model, crops),
            EmbedderMode::Checking { fast, exact, cosines } => {
                let expected = self.run(exact, crops)?;
                let received = self.run(fast, crops)?;
                let mut seen = cosines.lock();
                seen.extend(expected.iter().zip(&received).map(|(a, b)| cosine(a, b)));
                if seen.len() >= CHECK_FACES {
                    self.decide(&seen, fast, exact);
                    seen.clear();
                }
                Ok(expected)
            }
        }
    }

    fn decide(&self, cosines: &[f32], fast: &Model, exact: &Model) {
        let cosine_min = cosines.iter().copied().fold(f32::INFINITY, f32::min);
        let cosine_mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let passed = cosine_min >= CHECK_COSINE_MIN;
        let verdict = Bf16Check { passed, faces: cosines.len(), cosine_min, cosine_mean };
        // If the result cannot be stored, the next process repeats the check.
        let _ = self.store_check(&verdict);
        let model = if passed { fast } else { exact };
        *self.mode.write() = Arc::new(EmbedderMode::Decided(model.clone()));
    }

    fn store_check(&self, verdict: &Bf16Check) -> Result<()> {
        let failed = |error: toml::ser::Error| Error::Runtime { reason: error.to_string() };
        let text = toml::to_string(verdict).map_err(failed)?;
        if let Some(folder) = self.check_file.parent() {
            durable::make_folder(folder, false)?;
        }
        durable::replace(&self.check_file, text.as_bytes(), 0o644)
    }

    /// Scales `row` to norm 1, subtracts the pack's centre, and scales again. Returns `None` if a norm is
    /// zero or not finite.
    fn centred(&self, row: &[f32]) -> Option<Vec<f32>> {
        let mut embedding = unit(row)?;
        if self.spec.centre.is_empty() {
            return Some(embedding);
        }
        embedding.iter_mut().zip(&self.spec.centre).for_each(|(value, centre)| *value -= centre);
        unit(&embedding)
    }

    fn mode(&self) -> Arc<EmbedderMode> {
        self.mode.read().clone()
    }

    fn run(&self, model: &Model, crops: &[Picture]) -> Result<Vec<Vec<f32>>> {
        let bgr = self.spec.channels == manifest::Channels::Bgr;
        let outputs = model.run(planes(crops, bgr, self.spec.mean, self.spec.std))?;
        let failed = |reason: String| Error::Model { name: self.spec.file.name.clone(), reason };
        let values = outputs.values().next().and_then(|array| array.as_slice()).unwrap_or_default();
        let expected = crops.len() * self.spec.dim;
        if values.len() != expected {
            return Err(failed(format!(
                "expected {expected} numbers for {} crops, received {}",
                crops.len(),
                values.len()
            )));
        }
        values
            .chunks_exact(self.spec.dim)
            .map(|row| {
                self.centred(row).ok_or_else(|| failed("an embedding is zero or not finite".into()))
            })
            .collect()
    }
}

/// Reads the stored result of the bfloat16 check; `None` if `file` is missing or cannot be parsed.
pub(crate) fn read_bf16_check(file: &Path) -> Option<Bf16Check> {
    toml::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// Returns the cosine of two unit embeddings, -1..1.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Face {
    /// Returns the cosine of the two faces' embeddings, -1..1.
    pub fn similarity(&self, other: &Face) -> f32 {
        cosine(&self.embedding, &other.embedding)
    }
}

/// Scales `values` to L2 norm 1; `None` if the norm is not finite or not above 1e-12.
pub(crate) fn unit(values: &[f32]) -> Option<Vec<f32>> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    (norm.is_finite() && norm > 1e-12).then(|| values.iter().map(|value| value / norm).collect())
}
