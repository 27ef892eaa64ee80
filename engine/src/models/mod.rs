//! The cache of model files, inference runtime and sample photos: fetched, verified, patched once.
//!
//! Assumes a folder of its own that survives between runs; every use of a file starts with a check
//! of its content. Knows nothing of inference, of configuration or of the environment.

mod archive;
mod cache;
mod fetch;
mod files;
mod fold;
mod onnx;
mod patch;
mod source;
mod status;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::manifest::{DEFAULT_PACK, Pack, SourceFile, liveness, photos, runtimes};
use cache::Cache;
use files::absolute;
use source::Source;
pub use status::PackStatus;
use status::files_of;

/// The cache.
#[derive(Clone, Debug)]
pub struct Models {
    cache: Cache,
    offline: Option<PathBuf>,
}

/// Paths of a pack's verified and patched models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFiles {
    pub detector: PathBuf,
    pub embedder: PathBuf,
}

/// Paths of the verified models of liveness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivenessFiles {
    pub attack: PathBuf,
    pub pose: PathBuf,
}

impl Models {
    /// A cache in `dir`, which is created when something is fetched. `offline` is a folder that
    /// holds original files or archives by file name; it is read instead of the network and never
    /// written.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, offline: Option<PathBuf>) -> Self {
        Self { cache: Cache { dir: dir.into() }, offline }
    }

    /// The cache's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.cache.dir
    }

    /// Fetches the models a pack needs and reports each step in a line. What is there and intact
    /// stays; concurrent runs are fine.
    ///
    /// # Errors
    /// [`Error::Fetch`] if a client fails, [`Error::WrongHash`] if it brings something else,
    /// [`Error::Model`] if a patch does not fit, [`Error::Io`] if the cache cannot be written.
    pub fn fetch_pack(&self, pack: &Pack, progress: &mut dyn FnMut(&str)) -> Result<()> {
        self.fetch_models(files_of(pack), progress)
    }

    /// Fetches the models of liveness, as [`Models::fetch_pack`] does those of a pack.
    ///
    /// # Errors
    /// As [`Models::fetch_pack`].
    pub fn fetch_liveness(&self, progress: &mut dyn FnMut(&str)) -> Result<()> {
        let models = liveness()?;
        self.fetch_models([&models.attack, &models.pose], progress)
    }

    fn fetch_models<'a>(
        &self,
        files: impl IntoIterator<Item = &'a SourceFile>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let mut source = self.source();
        for file in files {
            let path = self.cache.model_path(file);
            match self.cache.sums(&path, file)? {
                Some((expected, received)) if expected == received => {}
                _ => {
                    let bytes = source.bytes(file, progress)?;
                    self.cache.keep(&path, file, bytes)?;
                    progress(&format!("{} is ready ({})", file.name, file.licence));
                }
            }
        }
        Ok(())
    }

    /// Fetches the inference runtime for this platform; if the preferred build cannot be had, the
    /// next one listed.
    ///
    /// # Errors
    /// [`Error::Runtime`] on a platform that is not listed; else as [`Models::fetch_pack`].
    pub fn fetch_runtime(&self, progress: &mut dyn FnMut(&str)) -> Result<()> {
        let mut last = unlisted_platform();
        for runtime in runtimes()? {
            let mut source = self.source();
            let dir = self.cache.runtime_dir(&runtime);
            match self.fetch_plain(&dir, &runtime.files, &mut source, progress) {
                Err(error @ Error::Fetch { .. }) => {
                    progress(&error.to_string());
                    last = error;
                }
                Err(error) => return Err(error),
                Ok(_) => {
                    let (name, version) = (&runtime.name, &runtime.version);
                    progress(&format!("{name} {version} is ready ({})", runtime.licence));
                    return Ok(());
                }
            }
        }
        Err(last)
    }

    /// Fetches the photos of the demo and the tests and returns their paths in the manifest's
    /// order. Makes no connection when they are there.
    ///
    /// # Errors
    /// As [`Models::fetch_pack`].
    pub fn fetch_samples(&self, progress: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>> {
        let dir = self.cache.dir.join("samples");
        self.fetch_plain(&dir, &photos()?, &mut self.source(), progress)
    }

    /// Brings files that need no patch into `dir`, under their own names.
    fn fetch_plain(
        &self,
        dir: &Path,
        files: &[SourceFile],
        source: &mut Source<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::with_capacity(files.len());
        for file in files {
            let path = dir.join(&file.name);
            if files::sha256_of(&path)? != Some(file.sha256) {
                let bytes = source.bytes(file, progress)?;
                files::write(&path, &bytes)?;
            }
            paths.push(path);
        }
        Ok(paths)
    }

    /// The models of a pack, verified. Files beside a user's pack and in the offline folder are
    /// taken into the cache on the way; the network is not used.
    ///
    /// # Errors
    /// [`Error::ModelMissing`] with the command to run; [`Error::WrongHash`] if a file is not what
    /// it was; [`Error::Model`] or [`Error::Io`] if one cannot be taken over.
    pub fn resolve(&self, pack: &Pack) -> Result<PackFiles> {
        let mut source = self.source();
        let arguments = format!("--pack {}", pack.reference());
        let mut required = |file| self.required(file, &mut source, &arguments);
        Ok(PackFiles {
            detector: required(&pack.detector.file)?,
            embedder: required(&pack.embedder.file)?,
        })
    }

    /// The models of liveness, verified; as [`Models::resolve`].
    ///
    /// # Errors
    /// As [`Models::resolve`].
    pub fn resolve_liveness(&self) -> Result<LivenessFiles> {
        let models = liveness()?;
        let mut source = self.source();
        let mut required = |file| self.required(file, &mut source, "--liveness");
        Ok(LivenessFiles { attack: required(&models.attack)?, pose: required(&models.pose)? })
    }

    /// `arguments` of `picpick models fetch` bring the file.
    fn required(
        &self,
        file: &SourceFile,
        source: &mut Source<'_>,
        arguments: &str,
    ) -> Result<PathBuf> {
        self.cache.found(file, source)?.ok_or_else(|| Error::ModelMissing {
            name: file.name.clone(),
            arguments: arguments.to_owned(),
            path: self.cache.model_path(file),
        })
    }

    /// Absolute path of the ONNX Runtime library for this platform. What it loads lies beside it.
    /// Only the presence of the files is checked; [`Models::fetch_runtime`] checks the content.
    ///
    /// # Errors
    /// [`Error::ModelMissing`] with the command to run, [`Error::Runtime`] on a platform that is
    /// not listed.
    pub fn resolve_runtime(&self) -> Result<PathBuf> {
        let known = runtimes()?;
        for runtime in &known {
            let dir = self.cache.runtime_dir(runtime);
            if runtime.files.iter().all(|file| dir.join(&file.name).is_file()) {
                return absolute(&dir.join(&runtime.library));
            }
        }
        for runtime in &known {
            let dir = self.cache.runtime_dir(runtime);
            if self.cache.take_runtime(runtime, &mut self.source())? {
                return absolute(&dir.join(&runtime.library));
            }
        }
        let runtime = known.first().ok_or_else(unlisted_platform)?;
        Err(Error::ModelMissing {
            name: format!("{} {}", runtime.name, runtime.version),
            arguments: format!("--pack {DEFAULT_PACK}"),
            path: self.cache.runtime_dir(runtime).join(&runtime.library),
        })
    }

    fn source(&self) -> Source<'_> {
        Source::new(&self.cache.dir, self.offline.as_deref())
    }
}

fn unlisted_platform() -> Error {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Error::Runtime { reason: format!("no ONNX Runtime is listed for {os} on {arch}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
