//! What can be said of a pack without running it: fetched or not, sizes, licence.
//!
//! Looks at names and sizes only. Knows nothing of contents and never uses the network.

use super::Models;
use crate::error::Result;
use crate::manifest::{LIVENESS, Origin, Pack, SourceFile, liveness};

/// What can be said of a pack without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackStatus {
    pub id: String,
    /// The name to pass to `--pack`.
    pub reference: String,
    pub title: String,
    pub licence: String,
    pub commercial_use: bool,
    /// Whether all its models are in the cache.
    pub fetched: bool,
    /// Size of the packages that a fetch downloads.
    pub download_bytes: u64,
    /// Size of its models in the cache.
    pub disk_bytes: u64,
}

impl Models {
    /// The packs that come with the program, the default first.
    ///
    /// # Errors
    /// `Error::Manifest` if a built-in manifest is wrong, which a test excludes.
    pub fn list(&self) -> Result<Vec<PackStatus>> {
        let packs = Pack::all_builtin()?;
        Ok(packs.iter().map(|pack| self.status(pack)).collect())
    }

    /// One pack's state in the cache.
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

    /// The state of the models of liveness, told as that of a pack.
    ///
    /// # Errors
    /// `Error::Manifest` if the built-in manifest is wrong, which a test excludes.
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

    /// Whether all of `files` are there, the bytes a fetch downloads, and those on disk.
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

/// The models of a pack.
pub(super) fn files_of(pack: &Pack) -> [&SourceFile; 2] {
    [&pack.detector.file, &pack.embedder.file]
}

fn archive_size(file: &SourceFile) -> Option<(&str, u64)> {
    match &file.origin {
        Origin::Member { archive, .. } => Some((&archive.file, archive.bytes)),
        Origin::Local(_) => None,
    }
}
