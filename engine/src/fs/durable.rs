//! Durable file operations. After a crash or power cut, a replaced file has either its old or its new content.
//!
//! Assumes that the file system renames atomically within a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces the content of `path` with `bytes` atomically and durably: writes a temporary file in the same
/// folder, calls fsync, renames it, and calls fsync on the folder. `mode` holds the permission bits, for
/// instance 0o600.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = parent_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // A random name, because several threads and processes may replace the same file concurrently.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Error::Random)?;
    name.push(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    let temporary = folder.join(name);
    let written = write_synced(&temporary, bytes, mode).and_then(|()| {
        std::fs::rename(&temporary, path).map_err(|source| Error::io("replace", path, source))
    });
    if written.is_err() {
        // A failed removal is ignored, because the error of the write is returned.
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

/// Makes created, renamed and removed names in `folder` durable (fsync).
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|source| Error::io("sync", folder, source))
}

/// Syncs a folder. Returns `Ok` without syncing if this user may not open the folder, which another user
/// created.
fn sync_if_allowed(folder: &Path) -> Result<()> {
    match sync_folder(folder) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok(())
        }
        synced => synced,
    }
}

/// Creates `folder` and its missing parents. The new names are durable when the call returns. The folder has
/// mode 0700 if `private`, else 0755; created parents have mode 0755.
pub(crate) fn make_folder(folder: &Path, private: bool) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        // Its creator may have been interrupted before the name was durable.
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

/// Returns the folder that contains `path`.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Appends `bytes` to `path`, or creates it with `mode`. The bytes are durable when the call returns.
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

/// Overwrites a small file with zeros in place, durably, and then removes it. Returns `Ok` if the file does
/// not exist. Copy-on-write file systems and flash disks may keep the old blocks, so data that must stay
/// unreadable needs sealing in addition.
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

/// Removes a file. Returns `Ok` if the file does not exist. The removal is durable once the folder is synced.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Removes a folder and its content. Returns `Ok` if the folder does not exist. The removal is durable once
/// the parent folder is synced.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Acquires an exclusive lock on the lock file `path`, and waits for other holders. The lock is held until
/// the returned file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let locked = open_lock(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::io("lock", path, source))
}

/// Acquires the file lock that [`lock`] acquires, without waiting. Returns `None` if another holder has it.
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
