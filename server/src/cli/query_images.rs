use std::path::{Path, PathBuf};

use anyhow::Result;
use picpick_engine::{DecodeLimits, Pipeline, Probe, ProbeImage, Subject};

use super::context::read_file;
use super::format;

/// The pictures of the person to search for, by path, and the probe that was made from these pictures.
pub struct QueryImages {
    paths: Vec<PathBuf>,
    pub probe: Probe,
}

impl QueryImages {
    /// Makes one probe from all pictures at `paths`. The subject of a picture is face number `face`, counted
    /// from 1 from left to right; without `face`, the only clear face. With several pictures, `face` applies
    /// only to pictures with several faces.
    ///
    /// # Errors
    /// - An I/O error, which names the file, if a file cannot be read.
    /// - The errors of `Pipeline::template`, which name the picture.
    pub fn read(pipeline: &Pipeline, paths: &[PathBuf], face: Option<usize>) -> Result<Self> {
        let bytes_max = DecodeLimits::default().file_bytes_max;
        let file = |path: &PathBuf| Ok((format::path(path), read_file(path, bytes_max)?));
        let files = paths.iter().map(file).collect::<Result<Vec<_>>>()?;
        let images: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let probe = pipeline.template(&images, face.map_or(Subject::Clear, Subject::Nth))?;
        Ok(Self { paths: paths.to_vec(), probe })
    }

    /// Iterates over the pictures with their paths, in the order of `read`.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &ProbeImage)> {
        self.paths.iter().map(PathBuf::as_path).zip(&self.probe.images)
    }
}
