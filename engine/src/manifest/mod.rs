//! Model packs: what they consist of, where their files come from, how exact they must be.
//!
//! Parses `models/*.toml` (built in) and a user's own pack file into types that cannot be wrong.
//! Knows nothing of downloads, caches, inference or collections.

mod check;
mod file;
mod raw;
mod reader;
mod sum;
mod supply;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
pub use file::{Archive, Origin, Patch, Registry, SourceFile};
pub use sum::Sha256Sum;
pub use supply::{LIVENESS, Runtime, liveness, photos, runtimes};

/// The pack used when the caller names none.
pub const DEFAULT_PACK: &str = "yunet-sface";

/// A user's pack file is refused above this size; real ones are a few kilobytes.
const PACK_FILE_BYTES_MAX: u64 = 1 << 20;

const BUILTIN: [(&str, &str); 2] = [
    (DEFAULT_PACK, include_str!("../../../models/yunet-sface.toml")),
    ("centerface-mobilefacenet", include_str!("../../../models/centerface-mobilefacenet.toml")),
];

/// A detector, an embedder and what belongs to them: one exchangeable unit.
#[derive(Clone, Debug)]
pub struct Pack {
    id: String,
    reference: String,
    /// One line for people.
    pub title: String,
    /// Licence expression of all its files together.
    pub licence: String,
    /// Whether the licence permits commercial use; see [`Pack::notice`].
    pub commercial_use: bool,
    pub detector: Detector,
    pub embedder: Embedder,
    pub matching: Matching,
}

/// The model that finds faces and five landmarks.
#[derive(Clone, Debug)]
pub struct Detector {
    pub family: DetectorFamily,
    pub file: SourceFile,
    /// Input height and width are padded to a multiple of this, 1 to 256.
    pub side_px_multiple: u32,
    /// Longest input side the model is given, up to 16384; it bounds the memory of one run.
    pub side_px_max: u32,
}

/// How a detector's inputs are prepared and its outputs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectorFamily {
    /// BGR 0..255, twelve outputs (class, object, box, landmarks at strides 8, 16, 32).
    Yunet,
    /// RGB (x - 127.5) / 128, nine outputs, two anchors per cell (the InsightFace layout).
    Scrfd,
    /// RGB 0..255, four outputs at stride 4.
    Centerface,
}

/// The model that turns an aligned crop into an embedding.
#[derive(Clone, Debug)]
pub struct Embedder {
    pub file: SourceFile,
    /// Numbers per embedding, 1 to 4096.
    pub dim: usize,
    pub channels: Channels,
    /// The input is `(x - mean) / std` with x in 0..255.
    pub mean: f32,
    /// Above 0; see `mean`.
    pub std: f32,
    /// Subtracted from every unit embedding, which is then scaled to norm 1 again: embeddings of a
    /// model share a direction that tells nobody from anybody. Shape \[dim\], or empty for none.
    pub centre: Vec<f32>,
    pub alignment: Alignment,
}

/// Order of the colour channels of a model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Rgb,
    Bgr,
}

/// Where the five landmarks lie in the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// The ArcFace template in 112×112.
    Arcface112,
}

/// Constants of the matcher that belong to an embedding space. Left out of a user's pack they are
/// 0.45, 0.04 and 0.45. Each is a cosine similarity or a step of one; calibrate with `benches`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// Similarity a match needs in the smallest collections, 0 to 1.
    pub threshold_base: f32,
    /// What is added for each tenfold of the collection's size, 0 to 0.5.
    pub threshold_per_decade: f32,
    /// Similarity above which two faces of one photo set are grouped, 0 to 1.
    pub cluster_cut: f32,
}

impl Default for Matching {
    fn default() -> Self {
        Self { threshold_base: 0.45, threshold_per_decade: 0.04, cluster_cut: 0.45 }
    }
}

impl Pack {
    /// A pack that comes with the program.
    ///
    /// # Errors
    /// [`Error::NoPack`] for another name.
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

    /// Every pack that comes with the program, the default first.
    ///
    /// # Errors
    /// [`Error::Manifest`] if a built-in manifest is wrong, which a test excludes.
    pub fn all_builtin() -> Result<Vec<Self>> {
        BUILTIN.iter().map(|(name, text)| raw::pack(text, name, None)).collect()
    }

    /// A user's own pack; its local files are relative to the pack file's folder.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Manifest`] naming the field that is wrong.
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

    /// What a collection stores: the manifest's id and eight digits that change with either model
    /// file and with whatever else moves embeddings (channels, scaling, alignment).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How the user named this pack: a built-in name, or the path of a pack file.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The sentence to show when a pack loads that must not be used commercially.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        (!self.commercial_use).then(|| {
            format!(
                "model pack '{}' is not licensed for commercial use ({})",
                self.reference, self.licence
            )
        })
    }
}

/// The manifest's id, `@`, and the first eight digits of a SHA-256 over the embedding space.
fn space_id(id: &str, detector: &Detector, embedder: &Embedder) -> String {
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
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
