//! Parses model pack manifests into validated types: `models/*.toml` (built in) and users' own pack files.

mod builtin;
mod check;
mod file;
mod raw;
mod reader;
mod sha256;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
pub use builtin::{LIVENESS, RuntimePackage, liveness, photos, runtimes};
pub use file::{Archive, Origin, Patch, Registry, SourceFile};
pub use sha256::Sha256Sum;

/// Limits a user's pack file to 1 MiB; real pack files have a few kilobytes.
const PACK_FILE_BYTES_MAX: u64 = 1 << 20;

const BUILTIN: [(&str, &str); 2] = [
    (Pack::DEFAULT, include_str!("../../../../models/yunet-sface.toml")),
    ("centerface-mobilefacenet", include_str!("../../../../models/centerface-mobilefacenet.toml")),
];

/// A model pack: a detector, an embedder and the matcher's constants for them, which are replaced together.
#[derive(Clone, Debug)]
pub struct Pack {
    id: String,
    reference: String,
    /// A title for display, on one line.
    pub title: String,
    /// Licence expression that covers all files of the pack.
    pub licence: String,
    /// Whether the licence permits commercial use; see [`Pack::notice`].
    pub commercial_use: bool,
    pub detector: DetectorSpec,
    pub embedder: EmbedderSpec,
    pub matching: Matching,
}

/// The model that detects faces and their five landmarks.
#[derive(Clone, Debug)]
pub struct DetectorSpec {
    pub family: DetectorFamily,
    pub file: SourceFile,
    /// Granularity of the input's height and width that the model requires, 1 to 256 px. If it equals
    /// `side_px_max`, the input is a square of that side; otherwise inputs are padded to multiples of 64 px.
    pub side_px_multiple: u32,
    /// Limits the longer input side that the model accepts, px; at most 16,384.
    pub side_px_max: u32,
}

/// The input and output format of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectorFamily {
    /// BGR 0..255, twelve outputs (class, object, box, landmarks at strides 8, 16, 32).
    Yunet,
    /// RGB (x - 127.5) / 128, nine outputs, two anchors per cell (the InsightFace layout).
    Scrfd,
    /// RGB 0..255, four outputs at stride 4.
    Centerface,
}

/// The model that computes the embedding of an aligned crop.
#[derive(Clone, Debug)]
pub struct EmbedderSpec {
    pub file: SourceFile,
    /// Numbers per embedding, 1 to 4096.
    pub dim: usize,
    pub channels: Channels,
    /// Subtrahend of the model's input, which is `(x - mean) / std` with x in 0..255.
    pub mean: f32,
    /// Divisor of the model's input, at least 0.001; see `mean`.
    pub std: f32,
    /// Vector of shape \[dim\] that is subtracted from every unit embedding before the embedding is scaled to
    /// norm 1 again; may be empty. It removes the direction that all embeddings of a model share, because this
    /// direction does not distinguish people.
    pub centre: Vec<f32>,
    pub alignment: Alignment,
}

/// Order of the colour channels of a model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Rgb,
    Bgr,
}

/// The positions of the five landmarks in the aligned crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// The ArcFace landmark positions, for a crop of 112 × 112 pixels.
    Arcface112,
}

/// The matcher's constants for an embedding space, in cosine similarity. The defaults in a user's pack are
/// 0.45, 0.04 and 0.45; calibrate with `picpick-bench accuracy --calibrate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// Threshold of a match in the smallest collections, 0 to 1.
    pub threshold_base: f32,
    /// Increase of the threshold per tenfold collection size, 0 to 0.5.
    pub threshold_per_decade: f32,
    /// Similarity above which two faces are clustered into one person, 0 to 1.
    pub cluster_cut: f32,
}

impl Default for Matching {
    fn default() -> Self {
        Self { threshold_base: 0.45, threshold_per_decade: 0.04, cluster_cut: 0.45 }
    }
}

impl Pack {
    /// The pack that is used if the caller names none.
    pub const DEFAULT: &str = "yunet-sface";

    /// Returns a built-in pack.
    ///
    /// # Errors
    /// - [`Error::NoPack`] if there is no built-in pack of this name.
    pub fn builtin(name: &str) -> Result<Self> {
        let found = BUILTIN.iter().find(|(known, _)| *known == name);
        let Some((known, text)) = found else {
            return Err(Error::NoPack {
                received: name.to_owned(),
                known: BUILTIN.map(|(known, _)| known).join(", "),
            });
        };
        raw::pack(text, known, None)
    }

    /// Returns all built-in packs, the default first.
    ///
    /// # Errors
    /// - [`Error::Manifest`] if a built-in manifest is invalid, which a test excludes.
    pub fn all_builtin() -> Result<Vec<Self>> {
        BUILTIN.iter().map(|(name, text)| raw::pack(text, name, None)).collect()
    }

    /// Reads a user's own pack. Paths of local files are relative to the pack file's folder.
    ///
    /// # Errors
    /// - [`Error::Io`] if the pack file cannot be read.
    /// - [`Error::Manifest`], which names the field, if the pack file is invalid or above 1 MiB.
    pub fn from_file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = path.metadata().map_err(|source| Error::io("read", path, source))?.len();
        if bytes > PACK_FILE_BYTES_MAX {
            let reason =
                format!("expected at most {PACK_FILE_BYTES_MAX} bytes, received {bytes} bytes");
            return Err(Error::Manifest { name, reason });
        }
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        raw::pack(&text, &name, Some(folder))
    }

    /// Returns the id that a collection stores: the manifest's id, `@` and eight hexadecimal digits. The
    /// digits depend on all that determines embeddings: both model files, the channels, scaling, centre and
    /// alignment.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that selects this pack: a built-in name, or the path of a pack file.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Returns the notice to show when the pack loads; `None` if its licence permits commercial use.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        (!self.commercial_use).then(|| {
            format!(
                "model pack '{}' is not licensed for commercial use ({}); choose another pack for paid work",
                self.reference, self.licence
            )
        })
    }
}

/// Returns the manifest's id, `@`, and the first eight digits of a SHA-256 over the files and parameters that
/// define the embedding space.
fn space_id(id: &str, detector: &DetectorSpec, embedder: &EmbedderSpec) -> String {
    let mut hash = Sha256::new();
    hash.update(embedder.file.sha256.as_bytes());
    hash.update(detector.file.sha256.as_bytes());
    hash.update([embedder.channels as u8, embedder.alignment as u8]);
    hash.update(embedder.mean.to_le_bytes());
    hash.update(embedder.std.to_le_bytes());
    embedder.centre.iter().for_each(|value| hash.update(value.to_le_bytes()));
    let digits = Sha256Sum::from(hash).to_string();
    format!("{id}@{}", digits.get(..8).unwrap_or(&digits))
}

#[cfg(test)]
mod tests;
