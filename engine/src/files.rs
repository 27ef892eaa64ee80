//! Files written so that a crash or a power cut leaves the old or the new content, never half.
//!
//! Assumes a file system whose rename within a folder is atomic. Knows nothing of what it writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces `path` by `bytes`: temporary file beside it, fsync, rename, fsync of the folder.
/// `mode` are the permission bits, for instance 0o600.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = parent_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Random, because several threads and processes may replace the same file at once.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Error::Random)?;
    name.push(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    let temporary = folder.join(name);
    let written = write_synced(&temporary, bytes, mode).and_then(|()| {
        std::fs::rename(&temporary, path).map_err(|source| Error::io("replace", path, source))
    });
    if written.is_err() {
        // Best effort: the error that counts is the one above.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    sync_folder(folder)
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).and_then(
            |mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            },
        );
    written.map_err(|source| Error::io("write", path, source))
}

/// Makes created, renamed and removed names in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|source| Error::io("sync", folder, source))
}

/// As `sync_folder`; a folder that this user may not open is somebody else's care.
fn sync_if_allowed(folder: &Path) -> Result<()> {
    match sync_folder(folder) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok(())
        }
        synced => synced,
    }
}

/// Makes `folder` and its parents, owner-only when `private`; the new entries are durable.
pub(crate) fn make_folder(folder: &Path, private: bool) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        // Whoever made it may have been cut short before its name was durable.
        return sync_if_allowed(parent_of(folder));
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent, false)?;
    }
    let mode = if private { 0o700 } else { 0o755 };
    match std::fs::DirBuilder::new().mode(mode).create(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create folder", folder, source))
        }
        _ => sync_folder(parent_of(folder)),
    }
}

/// The folder that holds the name `path`.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Appends `bytes` to `path`, which is made when it is missing; durable when it returns.
pub(crate) fn append(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let existed = path.exists();
    let appended =
        OpenOptions::new().append(true).create(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    appended.map_err(|source| Error::io("append to", path, source))?;
    if existed { Ok(()) } else { sync_folder(parent_of(path)) }
}

/// Overwrites a small file with zeros in place, durably, and then removes it; one that is not there
/// is fine. File systems that copy on write, and flash below them, may keep the old blocks all the
/// same: what must not be read again is sealed besides.
pub(crate) fn destroy(path: &Path) -> Result<()> {
    let failed = |source| Error::io("destroy", path, source);
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let length = file.metadata().map_err(failed)?.len();
    file.write_all(&vec![0; length as usize]).and_then(|()| file.sync_all()).map_err(failed)?;
    remove(path)?;
    sync_folder(parent_of(path))
}

/// Removes a file; one that is not there is fine. Not durable before its folder is synced.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; one that is not there is fine. Not durable before its parent
/// is synced.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Takes an exclusive lock that other processes wait for; held until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let locked = open_lock(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::io("lock", path, source))
}

/// The same lock without waiting; `None` while another process holds it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = open_lock(path).map_err(|source| Error::io("lock", path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path, source)),
    }
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path)
}
