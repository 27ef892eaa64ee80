use super::Models;
use crate::error::Result;
use crate::models::manifest::{LIVENESS, Origin, Pack, SourceFile, liveness};

/// The state of a pack in the cache, from file names and sizes only: contents are not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackStatus {
    pub id: String,
    /// The value for `--pack`.
    pub reference: String,
    pub title: String,
    pub licence: String,
    pub commercial_use: bool,
    /// Whether all models of the pack are in the cache.
    pub fetched: bool,
    /// Size of the packages that a fetch downloads, bytes.
    pub download_bytes: u64,
    /// Size of the pack's models in the cache, bytes.
    pub disk_bytes: u64,
}

impl Models {
    /// Returns the state of the built-in packs, the default first.
    ///
    /// # Errors
    /// - `Error::Manifest` if a built-in manifest is invalid, which a test excludes.
    pub fn list(&self) -> Result<Vec<PackStatus>> {
        let packs = Pack::all_builtin()?;
        Ok(packs.iter().map(|pack| self.status(pack)).collect())
    }

    /// Returns the state of a pack in the cache.
    #[must_use]
    pub fn status(&self, pack: &Pack) -> PackStatus {
        let (fetched, download_bytes, disk_bytes) = self.state(&files_of(pack));
        PackStatus {
            id: pack.id().to_owned(),
            reference: pack.reference().to_owned(),
            title: pack.title.clone(),
            licence: pack.licence.clone(),
            commercial_use: pack.commercial_use,
            fetched,
            download_bytes,
            disk_bytes,
        }
    }

    /// Returns the state of the models of the liveness check, which belong to no pack.
    ///
    /// # Errors
    /// - `Error::Manifest` if the built-in manifest is invalid, which a test excludes.
    pub fn liveness_status(&self) -> Result<PackStatus> {
        let models = liveness()?;
        let (fetched, download_bytes, disk_bytes) = self.state(&[&models.attack, &models.pose]);
        Ok(PackStatus {
            id: LIVENESS.to_owned(),
            reference: LIVENESS.to_owned(),
            title: models.title,
            licence: models.licence,
            commercial_use: true,
            fetched,
            download_bytes,
            disk_bytes,
        })
    }

    /// Returns whether all of `files` are in the cache, the bytes that a fetch downloads, and the bytes on
    /// disk.
    fn state(&self, files: &[&SourceFile]) -> (bool, u64, u64) {
        let size = |file: &&SourceFile| {
            let metadata = self.cache.model_path(file).metadata();
            metadata.map_or(0, |metadata| metadata.len())
        };
        let mut archives: Vec<_> = files.iter().copied().filter_map(archive_size).collect();
        archives.sort_unstable();
        archives.dedup();
        (
            files.iter().all(|file| self.cache.model_path(file).is_file()),
            archives.iter().map(|(_, bytes)| bytes).sum(),
            files.iter().map(size).sum(),
        )
    }
}

/// Returns the model files of a pack.
pub(super) fn files_of(pack: &Pack) -> [&SourceFile; 2] {
    [&pack.detector.file, &pack.embedder.file]
}

fn archive_size(file: &SourceFile) -> Option<(&str, u64)> {
    match &file.origin {
        Origin::Member { archive, .. } => Some((&archive.file, archive.bytes)),
        Origin::Local(_) => None,
    }
}
