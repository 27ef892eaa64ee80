//! The cache of model files, inference runtime and sample photos. Files are fetched, verified and patched
//! once.
//!
//! Models up to 50 MB are hashed on every use; larger models and the runtime are hashed when they are
//! fetched.

mod archive;
mod cache;
mod fetch;
mod files;
mod source;
mod status;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::models::manifest::{Pack, SourceFile, liveness, photos, runtimes};
use cache::Cache;
use files::absolute;
use source::Source;
pub use status::PackStatus;
use status::files_of;

/// The model files: a cache of verified files, and the offline folder, which is read before the network, if
/// there is one.
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

/// Paths of the verified models of the liveness check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivenessFiles {
    pub attack: PathBuf,
    pub pose: PathBuf,
}

impl Models {
    /// Creates a cache in `dir`, a folder that is created at the first fetch. `offline` is a folder with
    /// original files or archives under their file names. It is read before the network is used, and never
    /// written.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, offline: Option<PathBuf>) -> Self {
        Self { cache: Cache { dir: dir.into() }, offline }
    }

    /// Returns the cache's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.cache.dir
    }

    /// Fetches the models of a pack that are missing or damaged. Passes one line per step to `progress`. The
    /// call is idempotent, and several processes may make it concurrently.
    ///
    /// # Errors
    /// - [`Error::Fetch`] if a registry client fails.
    /// - [`Error::WrongHash`] if a file has the wrong content.
    /// - [`Error::Model`] if a patch does not fit.
    /// - [`Error::Io`] if the cache cannot be written.
    pub fn fetch_pack(&self, pack: &Pack, progress: &mut dyn FnMut(&str)) -> Result<()> {
        self.fetch_models(files_of(pack), progress)
    }

    /// Fetches the models of the liveness check, as [`Models::fetch_pack`] does for a pack.
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
                    self.cache.store(&path, file, bytes)?;
                    progress(&format!("{} is ready ({})", file.name, file.licence));
                }
            }
        }
        Ok(())
    }

    /// Fetches the inference runtime for this platform. If the preferred build cannot be fetched, tries the
    /// next one listed.
    ///
    /// # Errors
    /// - [`Error::Runtime`] on a platform that is not listed.
    /// - [`Error::Fetch`] if no build can be fetched.
    /// - [`Error::WrongHash`] if a file has the wrong content.
    /// - [`Error::Io`] if the cache cannot be written.
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

    /// Fetches the sample photos of the demo and the tests, and returns their paths in the manifest's order.
    /// Makes no connection if all of them are in the cache.
    ///
    /// # Errors
    /// - [`Error::Fetch`] if a registry client fails.
    /// - [`Error::WrongHash`] if a file has the wrong content.
    /// - [`Error::Io`] if the cache cannot be written.
    pub fn fetch_samples(&self, progress: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>> {
        let dir = self.cache.dir.join("samples");
        self.fetch_plain(&dir, &photos()?, &mut self.source(), progress)
    }

    /// Stores files that need no patch in `dir`, under their own names.
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

    /// Returns the paths of a pack's verified models. Copies missing models into the cache from the folder of
    /// a user's pack or from the offline folder; does not use the network.
    ///
    /// # Errors
    /// - [`Error::ModelMissing`], with the command to run, if a model is not available.
    /// - [`Error::WrongHash`] if a file has the wrong content.
    /// - [`Error::Fetch`] if an offline archive cannot be read.
    /// - [`Error::Model`] if a patch does not fit.
    /// - [`Error::Io`] if a file cannot be read or written.
    pub fn resolve(&self, pack: &Pack) -> Result<PackFiles> {
        let mut source = self.source();
        let arguments = format!("--pack {}", pack.reference());
        let mut required = |file| self.required(file, &mut source, &arguments);
        Ok(PackFiles {
            detector: required(&pack.detector.file)?,
            embedder: required(&pack.embedder.file)?,
        })
    }

    /// Returns the paths of the verified models of the liveness check, as [`Models::resolve`] does for a
    /// pack.
    ///
    /// # Errors
    /// As [`Models::resolve`].
    pub fn resolve_liveness(&self) -> Result<LivenessFiles> {
        let models = liveness()?;
        let mut source = self.source();
        let mut required = |file| self.required(file, &mut source, "--liveness");
        Ok(LivenessFiles { attack: required(&models.attack)?, pose: required(&models.pose)? })
    }

    /// Returns the path of a verified model. If it is missing, the error names `arguments`: the arguments of
    /// the `picpick models fetch` command that fetches it.
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

    /// Returns the absolute path of the ONNX Runtime library for this platform. The libraries that it loads
    /// are in its folder. Checks only that the files exist; [`Models::fetch_runtime`] verifies their content.
    ///
    /// # Errors
    /// - [`Error::ModelMissing`], with the command to run, if the runtime is not available.
    /// - [`Error::Runtime`] on a platform that is not listed.
    /// - [`Error::WrongHash`] if a file of the offline folder has the wrong content.
    /// - [`Error::Fetch`] if an offline archive cannot be read.
    /// - [`Error::Io`] if a file cannot be read or written.
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
            if self.cache.import_runtime(runtime, &mut self.source())? {
                return absolute(&dir.join(&runtime.library));
            }
        }
        let runtime = known.first().ok_or_else(unlisted_platform)?;
        Err(Error::ModelMissing {
            name: format!("{} {}", runtime.name, runtime.version),
            arguments: format!("--pack {}", Pack::DEFAULT),
            path: self.cache.runtime_dir(runtime).join(&runtime.library),
        })
    }

    fn source(&self) -> Source<'_> {
        Source::new(&self.cache.dir, self.offline.as_deref())
    }
}

fn unlisted_platform() -> Error {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Error::Runtime {
        reason: format!(
            "no ONNX Runtime is listed for {os} on {arch}; use Linux on x86_64 or aarch64, or macOS on aarch64"
        ),
    }
}

pub(crate) mod manifest;
mod onnx;
pub(crate) mod runtime;
#[cfg(test)]
mod tests;
