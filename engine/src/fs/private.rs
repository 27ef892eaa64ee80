//! Permissions of folders that hold keys: only their owner may read, change or enter them.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Permission bits of group and others.
const OF_OTHERS: u32 = 0o077;

/// Returns `folder` and the files in it on which group or others have a permission. Follows symbolic links.
/// Returns an empty list if the folder does not exist.
///
/// # Errors
/// - `Io` if the folder cannot be listed.
pub(crate) fn exposed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(|source| Error::io("list", folder, source))?,
    };
    let files = entries.flatten().map(|entry| entry.path());
    // A file that another process has just removed has no permissions.
    let open = |path: &PathBuf| {
        path.metadata().is_ok_and(|it| is_open(&it) && (it.is_file() || path == folder))
    };
    let mut found: Vec<PathBuf> =
        std::iter::once(folder.to_path_buf()).chain(files).filter(open).collect();
    found.sort();
    Ok(found)
}

/// Removes the permissions of group and others from the `paths` that [`exposed`] returned for `folder`.
/// Leaves a folder that holds other folders unchanged, because it is no folder for keys only.
///
/// # Errors
/// - `Keyring` if a permission cannot be removed, or if the exposed folder holds other folders; the reason
///   names the command that removes the permission.
pub(crate) fn restrict(folder: &Path, paths: &[PathBuf]) -> Result<()> {
    let failed = |reason: String| Error::Keyring { path: folder.to_path_buf(), reason };
    let other = || {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).find(|path| path.is_dir())
    };
    for path in paths {
        if path == folder
            && let Some(other) = other()
        {
            return Err(failed(format!(
                "other users may enter this folder, which also holds {}; name a folder for the keys only with --keyring, or run 'chmod 0700 {}'",
                other.display(),
                folder.display()
            )));
        }
        if let Err(reason) = close(path) {
            return Err(failed(format!(
                "other users may use {path}, and its permissions cannot be changed ({reason}); run 'chmod go-rwx {path}' as its owner or, on a file system without permissions, mount it with umask=077",
                path = path.display()
            )));
        }
    }
    Ok(())
}

fn is_open(file: &Metadata) -> bool {
    file.permissions().mode() & OF_OTHERS != 0
}

fn close(path: &Path) -> io::Result<()> {
    let mode = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.permissions().mode(),
    };
    std::fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OF_OTHERS))?;
    // Some file systems ignore the change without an error.
    if is_open(&path.metadata()?) {
        return Err(io::Error::other("the file system ignores the change"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_their_folder_are_closed() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("keys");
        assert!(exposed(&folder).unwrap().is_empty());
        std::fs::create_dir(&folder).unwrap();
        let (key, other, below) = (folder.join("key"), folder.join("other"), folder.join("below"));
        std::fs::write(&key, "k").unwrap();
        std::fs::write(&other, "o").unwrap();
        std::fs::create_dir(&below).unwrap();
        for (path, mode) in [(&key, 0o604), (&other, 0o600), (&below, 0o755), (&folder, 0o710)] {
            set(path, mode);
        }
        let found = exposed(&folder).unwrap();
        assert_eq!(found, [folder.clone(), key.clone()]);
        let refused = restrict(&folder, &found).unwrap_err().to_string();
        assert!(refused.contains("below") && refused.contains("chmod 0700"), "{refused}");
        assert_eq!(mode(&folder), 0o710);
        std::fs::remove_dir(&below).unwrap();
        restrict(&folder, &found).unwrap();
        assert_eq!([mode(&folder), mode(&key), mode(&other)], [0o700, 0o600, 0o600]);
        assert!(exposed(&folder).unwrap().is_empty());
    }
}
