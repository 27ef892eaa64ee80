//! Reserves 1 MiB of disk space, which is freed when a purge meets a full disk (ENOSPC) and reserved again
//! afterwards.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::durable;

/// Size of the reserve: 1 MiB. This is enough for two copies of the keyring of thousands of collections, and a
/// receipt.
const RESERVED_BYTES: usize = 1 << 20;

/// The reserve in one folder: the file `reserve`.
pub(crate) struct ReservedSpace {
    path: PathBuf,
}

impl ReservedSpace {
    /// Returns the reserve of `folder`, without creating its file.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("reserve") }
    }

    /// Creates the reserve if it is missing or too short. Ignores errors, because the caller needs the
    /// reserve only when the disk is full.
    pub(crate) fn ensure(&self) {
        let length = std::fs::metadata(&self.path).map_or(0, |found| found.len());
        if length < RESERVED_BYTES as u64 {
            // The bytes are not zeros, because a file system may allocate no blocks for zeros.
            let bytes: Vec<u8> = (0..RESERVED_BYTES).map(|i| (i % 251) as u8 | 1).collect();
            let _ = durable::replace(&self.path, &bytes, 0o600);
        }
    }

    fn release(&self) {
        // A missing reserve frees nothing; the repeated work then returns the disk's error.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Runs `work`. If the disk is full, removes the reserves and runs `work` once more; `work` must therefore be
/// idempotent.
pub(crate) fn retry_with_reserved_space<T>(
    reserves: &[ReservedSpace],
    work: impl Fn() -> Result<T>,
) -> Result<T> {
    match work() {
        Err(error) if is_full(&error) => {
            reserves.iter().for_each(ReservedSpace::release);
            work()
        }
        done => done,
    }
}

/// Returns whether the error means a full disk or an exhausted quota.
pub(crate) fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_full_disk_gives_the_reserve_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = || ReservedSpace::in_folder(folder.path());
        reserve().ensure();
        let path = folder.path().join("reserve");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), RESERVED_BYTES as u64);
        let tries = Cell::new(0);
        let full = || Err::<(), _>(Error::io("write", "/x", ErrorKind::StorageFull.into()));
        let work = || {
            tries.set(tries.get() + 1);
            if path.exists() { full() } else { Ok(()) }
        };
        retry_with_reserved_space(&[reserve()], work).unwrap();
        assert_eq!(tries.get(), 2);
        tries.set(0);
        let denied = || {
            tries.set(tries.get() + 1);
            Err::<(), _>(Error::io("write", "/x", ErrorKind::PermissionDenied.into()))
        };
        assert!(retry_with_reserved_space(&[reserve()], denied).is_err());
        assert_eq!(tries.get(), 1, "only a full disk is retried");
        reserve().ensure();
        assert!(path.exists());
    }
}
