//! What can be said of a pack without running it: fetched or not, sizes, licence.
//!
//! Looks at names and sizes only. Knows nothing of contents and never uses the network.

use super::Models;
use crate::error::Result;
use crate::manifest::{Origin, Pack, SourceFile};

/// What can be said of a pack without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackStatus {
    pub id: String,
    /// The name to pass to `--pack`.
    pub reference: String,
    pub title: String,
    pub licence: String,
    pub commercial_use: bool,
    /// Whether detector, embedder and the other models it needs are in the cache.
    pub fetched: bool,
    /// Size of the packages that a fetch downloads.
    pub download_bytes: u64,
    /// Size of its models in the cache, optional ones included.
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
        let size = |file| {
            let metadata = self.cache.model_path(file).metadata();
            metadata.map_or(0, |metadata| metadata.len())
        };
        let mut archives: Vec<_> = needed(pack).filter_map(archive_size).collect();
        archives.sort_unstable();
        archives.dedup();
        PackStatus {
            id: pack.id().to_owned(),
            reference: pack.reference().to_owned(),
            title: pack.title.clone(),
            licence: pack.licence.clone(),
            commercial_use: pack.commercial_use,
            fetched: needed(pack).all(|file| self.cache.model_path(file).is_file()),
            download_bytes: archives.iter().map(|(_, bytes)| bytes).sum(),
            disk_bytes: every(pack).map(size).sum(),
        }
    }
}

/// The models without which a pack does not run.
pub(super) fn needed(pack: &Pack) -> impl Iterator<Item = &SourceFile> {
    let extras = pack.extras().filter(|extra| !extra.optional);
    [&pack.detector.file, &pack.embedder.file].into_iter().chain(extras.map(|extra| &extra.file))
}

/// Those and the optional ones.
pub(super) fn every(pack: &Pack) -> impl Iterator<Item = &SourceFile> {
    [&pack.detector.file, &pack.embedder.file]
        .into_iter()
        .chain(pack.extras().map(|extra| &extra.file))
}

fn archive_size(file: &SourceFile) -> Option<(&str, u64)> {
    match &file.origin {
        Origin::Member { archive, .. } => Some((&archive.file, archive.bytes)),
        Origin::Local(_) => None,
    }
}
