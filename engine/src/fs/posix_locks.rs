//! Opens files on which another library of this process holds POSIX record locks, without releasing the locks.
//!
//! A process loses all its record locks on a file when it closes any descriptor of that file (POSIX,
//! `fcntl`). A scan that opened and closed the files of an SQLite database in use would release SQLite's
//! locks, and another process could then damage the database. Registered files are therefore opened once and
//! stay open.

use std::collections::HashMap;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

/// Registered files and their open descriptors. They are static, because record locks belong to the process.
static REGISTERED: LazyLock<Mutex<HashMap<PathBuf, Vec<Arc<File>>>>> =
    LazyLock::new(Mutex::default);

/// Registers a file on which another library of this process (SQLite) holds POSIX record locks. `open` then
/// reuses one descriptor, because closing any descriptor would release the locks. The file may be missing; its
/// folder must exist.
pub(crate) fn register(path: &Path) -> Result<()> {
    let path = resolve(path)?;
    REGISTERED.lock().entry(path).or_default();
    Ok(())
}

/// Opens a file for reading. For a registered file, returns the descriptor that is already open, unless the
/// file was replaced.
pub(crate) fn open(path: &Path) -> Result<Arc<File>> {
    let mut locked = REGISTERED.lock();
    let Some(held) = locked.get_mut(&resolve(path)?) else {
        drop(locked);
        return File::open(path).map(Arc::new);
    };
    let now = path.metadata()?;
    let same = |file: &&Arc<File>| {
        let opened = file.metadata();
        opened.is_ok_and(|opened| (opened.dev(), opened.ino()) == (now.dev(), now.ino()))
    };
    if let Some(file) = held.iter().find(same) {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::open(path)?);
    // Descriptors of removed files are closed: no library locks such a file any more.
    held.retain(|file| file.metadata().is_ok_and(|opened| opened.nlink() > 0));
    held.push(Arc::clone(&file));
    Ok(file)
}

/// Returns the canonical path of a file. The file may be missing; its folder must exist.
fn resolve(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(folder.unwrap_or(Path::new(".")).canonicalize()?.join(path.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, fcntl_lock};

    use super::*;

    /// Returns whether this process holds a lock on `path`, according to `/proc/locks`.
    fn is_locked(path: &Path) -> bool {
        let inode = path.metadata().unwrap().ino().to_string();
        let own = std::process::id().to_string();
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|lock| {
            lock.get(1) == Some(&"POSIX")
                && lock.get(4) == Some(&own.as_str())
                && lock.get(5).is_some_and(|place| place.ends_with(&format!(":{inode}")))
        })
    }

    #[test]
    fn reading_an_announced_file_leaves_its_lock_and_another_spelling_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db");
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(&path, "rows").unwrap();
        let owner = File::options().read(true).write(true).open(&path).unwrap();
        fcntl_lock(&owner, FlockOperation::LockExclusive).unwrap();
        assert!(is_locked(&path));
        register(&folder.path().join("below/../rows.db")).unwrap();
        for _ in 0..3 {
            drop(open(&path).unwrap());
            assert!(is_locked(&path));
        }
        // Control: closing a descriptor that does not come from the registry releases the lock.
        drop(File::open(&path).unwrap());
        assert!(!is_locked(&path));
    }

    #[test]
    fn a_replaced_file_is_opened_again_and_the_removed_one_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db-wal");
        register(&path).unwrap();
        assert_eq!(open(&path).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        for turn in 0..3 {
            std::fs::write(&path, format!("turn {turn}")).unwrap();
            let text = std::io::read_to_string(&*open(&path).unwrap()).unwrap();
            assert_eq!(text, format!("turn {turn}"));
            let held = REGISTERED.lock()[&resolve(&path).unwrap()].len();
            assert_eq!(held, 1);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
