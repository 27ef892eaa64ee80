//! A little disk space kept back, so that a purge can go on when the disk is full.
//!
//! A file of real bytes, given up at the moment of need and made again afterwards. Knows nothing of what
//! the space is used for.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

/// Enough for the keyring of thousands of collections, written twice, and a receipt.
const BYTES: usize = 1 << 20;

/// The reserve of one folder.
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve that lies in `folder`; not made yet.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { path: folder.join("reserve") }
    }

    /// Makes the reserve where it is missing or short. A disk that has no room for it is left alone:
    /// that is no reason to refuse anything.
    pub(crate) fn keep(&self) {
        let length = std::fs::metadata(&self.path).map_or(0, |found| found.len());
        if length < BYTES as u64 {
            // Not zeros: a file system may store those as nothing.
            let bytes: Vec<u8> = (0..BYTES).map(|i| (i % 251) as u8 | 1).collect();
            let _ = files::replace(&self.path, &bytes, 0o600);
        }
    }

    fn release(&self) {
        // One that is not there frees nothing; the work then fails with the disk's own error.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Does `work`; when the disk is full, gives up the reserves and does it once more. `work` must bear
/// being repeated.
pub(crate) fn with_room<T>(reserves: &[Reserve], work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if is_full(&error) => {
            reserves.iter().for_each(Reserve::release);
            work()
        }
        done => done,
    }
}

/// Whether the error says that a disk is full.
pub(crate) fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_full_disk_gives_the_reserve_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = || Reserve::of(folder.path());
        reserve().keep();
        let path = folder.path().join("reserve");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), BYTES as u64);
        let tries = Cell::new(0);
        let full = || Err::<(), _>(Error::io("write", "/x", ErrorKind::StorageFull.into()));
        let work = || {
            tries.set(tries.get() + 1);
            if path.exists() { full() } else { Ok(()) }
        };
        with_room(&[reserve()], work).unwrap();
        assert_eq!(tries.get(), 2);
        tries.set(0);
        let denied = || {
            tries.set(tries.get() + 1);
            Err::<(), _>(Error::io("write", "/x", ErrorKind::PermissionDenied.into()))
        };
        assert!(with_room(&[reserve()], denied).is_err());
        assert_eq!(tries.get(), 1, "only a full disk is tried again");
        reserve().keep();
        assert!(path.exists());
    }
}
