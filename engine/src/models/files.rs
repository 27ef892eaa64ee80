use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::models::manifest::Sha256Sum;

/// Limits a file that is read into memory to 1 GiB; the largest known file has 174 MB.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;

/// Computes the SHA-256 of a file; `None` if the file does not exist.
pub(super) fn sha256_of(path: &Path) -> Result<Option<Sha256Sum>> {
    let Some(mut file) = open(path)? else {
        return Ok(None);
    };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(|source| Error::io("read", path, source))?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            return Ok(Some(hash.into()));
        };
        hash.update(part);
    }
}

/// Reads a file of at most [`FILE_BYTES_MAX`]; `None` if the file does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let failed = |source| Error::io("read", path, source);
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let source =
            std::io::Error::other(format!("larger than the limit of {} MiB", FILE_BYTES_MAX >> 20));
        return Err(failed(source));
    }
    Ok(Some(bytes))
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io("read", path, source)),
    }
}

/// Creates a folder and its parents.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::io("create", path, source))
}

/// Replaces a file atomically, with a rename within its folder: a reader, a second writer, or a process after
/// a crash finds either the old or the complete new content. Creates the folder if it is missing.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    crate::fs::durable::replace(path, bytes, 0o644)
}

/// Returns the absolute path, whether or not the file exists.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| Error::io("find", path, source))
}

/// A folder that is removed with its content when dropped.
pub(super) struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates a folder with a random name in `parent`. The folder's path is absolute, because a registry
    /// client runs with this folder as its working folder.
    pub fn new(parent: &Path) -> Result<Self> {
        let parent = absolute(parent)?;
        let path = parent.join(format!(".{}.tmp", random_name()?));
        create_folder(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // `drop` cannot return an error. A folder that remains is hidden and harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn random_name() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        write(&path, b"one").unwrap();
        write(&path, b"abc").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"abc");
        assert_eq!(sha256_of(&path).unwrap(), Some(Sha256Sum::of(b"abc")));
        let entries = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        assert!(matches!(write(&taken, b"x"), Err(Error::Io { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn absence_is_no_error_and_temporary_folders_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing");
        assert!(read(&path).unwrap().is_none() && sha256_of(&path).unwrap().is_none());
        let temporary = TempFolder::new(folder.path()).unwrap();
        fs::write(temporary.path().join("file"), b"x").unwrap();
        drop(temporary);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let relative = TempFolder::new(Path::new(".")).unwrap();
        assert!(relative.path().is_absolute() && relative.path().is_dir());
    }
}
