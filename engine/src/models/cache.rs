use std::path::{Path, PathBuf};

use super::files::{self, absolute};
use super::onnx::patch;
use super::source::{Source, wrong_hash};
use crate::error::Result;
use crate::models::manifest::{Patch, RuntimePackage, Sha256Sum, SourceFile};

/// Limits the models that are hashed at each use to 50 MB, because hashing 50 MB takes about 30 ms. A larger
/// model is hashed only when it is fetched.
const VERIFY_BYTES_MAX: u64 = 50_000_000;

/// The cache's folder. Stores files whose originals the caller verified; never uses the network.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    pub dir: PathBuf,
}

impl Cache {
    /// Returns the path of a model in the cache. Copies a missing model from a local source; returns `None`
    /// if no local source has the model.
    ///
    /// # Errors
    /// - `Error::WrongHash` if the cached model or a local source has the wrong content.
    /// - `Error::Fetch` if an offline archive cannot be read.
    /// - `Error::Model` if a patch does not fit.
    /// - `Error::Io` if a file cannot be read or written.
    pub fn found(&self, file: &SourceFile, source: &mut Source<'_>) -> Result<Option<PathBuf>> {
        let path = self.model_path(file);
        let large = path.metadata().is_ok_and(|data| data.len() > VERIFY_BYTES_MAX);
        if large && sidecar(&path).is_file() {
            return absolute(&path).map(Some);
        }
        match self.sums(&path, file)? {
            Some((expected, received)) if expected == received => {}
            Some((expected, received)) => {
                return Err(wrong_hash(path.display(), expected, Some(received)));
            }
            None => match source.nearby(file)? {
                Some(bytes) => self.store(&path, file, bytes)?,
                None => return Ok(None),
            },
        }
        absolute(&path).map(Some)
    }

    /// Returns the expected and the actual SHA-256 of a cached model; `None` if the model or its sidecar file
    /// is missing.
    pub fn sums(&self, path: &Path, file: &SourceFile) -> Result<Option<(Sha256Sum, Sha256Sum)>> {
        let Some(noted) = files::read(&sidecar(path))? else {
            return Ok(None);
        };
        let noted = String::from_utf8_lossy(&noted);
        let Some(noted) = Sha256Sum::parse(noted.trim_end()) else {
            return Ok(None);
        };
        let expected = if file.patches.is_empty() { file.sha256 } else { noted };
        Ok(files::sha256_of(path)?.map(|received| (expected, received)))
    }

    /// Patches a verified file and stores it, then writes the SHA-256 of the result to its sidecar file. The
    /// sidecar file is written last and therefore marks a complete model.
    pub fn store(&self, path: &Path, file: &SourceFile, mut bytes: Vec<u8>) -> Result<()> {
        if !file.patches.is_empty() {
            bytes = patch::apply(&file.name, &bytes, &file.patches)?;
        }
        files::write(path, &bytes)?;
        let noted = format!("{}\n", Sha256Sum::of(&bytes));
        files::write(&sidecar(path), noted.as_bytes())
    }

    /// Copies a runtime from the offline folder. Returns false if the folder lacks one of the runtime's files.
    pub fn import_runtime(
        &self,
        runtime: &RuntimePackage,
        source: &mut Source<'_>,
    ) -> Result<bool> {
        let dir = self.runtime_dir(runtime);
        for file in &runtime.files {
            let Some(bytes) = source.nearby(file)? else {
                return Ok(false);
            };
            files::write(&dir.join(&file.name), &bytes)?;
        }
        Ok(true)
    }

    /// Returns the path of a model in the cache. The file name is `SHA256-PATCHES-NAME`, with the first 16
    /// digits of the original's SHA-256, so that every change of the content changes the file name.
    pub fn model_path(&self, file: &SourceFile) -> PathBuf {
        let sum = file.sha256.to_string();
        let digits = sum.get(..16).unwrap_or(&sum);
        let version = patch::PATCH_VERSION;
        let letters: String = file.patches.iter().map(|patch| letter(*patch)).collect();
        let patches = match letters.as_str() {
            "" => "plain".to_owned(),
            letters => format!("p{version}{letters}"),
        };
        self.dir.join(format!("{digits}-{patches}-{}", file.name))
    }

    /// Returns the folder of one build of the runtime.
    pub fn runtime_dir(&self, runtime: &RuntimePackage) -> PathBuf {
        let name = format!("{}-{}", runtime.name, runtime.version);
        self.dir.join("runtime").join(name)
    }
}

fn letter(patch: Patch) -> char {
    match patch {
        Patch::FoldBlockQuantised => 'f',
        Patch::SymbolicBatch => 'b',
        Patch::SymbolicSize => 's',
        Patch::ReshapeBatch => 'r',
    }
}

/// Returns the path of the sidecar file that stores a cached model's SHA-256.
pub(super) fn sidecar(path: &Path) -> PathBuf {
    path.with_added_extension("sha256")
}
