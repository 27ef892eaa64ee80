use std::path::Path;

use super::{DataDir, keyring_of};
use crate::crypto::{KeyExport, Keyring, RestoredKeys};
use crate::erasure_log::last_erasure_unix_s;
use crate::error::Result;
use crate::fs::swap;
use crate::ids::CollectionId;

impl DataDir {
    /// Exports the keyring: records a new export in the keyring, and returns it with the content of its file,
    /// sealed to `passphrase`. Takes about 0.2 s and 64 MiB.
    ///
    /// Until `expires_unix_s`, [`DataDir::restore_keys`] restores it, and the receipts of erasures name it. A
    /// person with the file and the passphrase can decrypt it after that day too.
    ///
    /// # Errors
    ///
    /// - `KeyExport`: `expires_unix_s` is not within the next 366 days.
    /// - `Keyring`, `Io`, `Seal`: the keyring cannot be read or written, or does not decrypt its keys.
    pub fn export_keys(
        &self,
        passphrase: &[u8],
        expires_unix_s: u64,
    ) -> Result<(KeyExport, Vec<u8>)> {
        self.erasure_log.keyring.export(passphrase, expires_unix_s)
    }

    /// Returns the exports of the keyring that have not expired, each with the collections whose keys it holds,
    /// purged ones included.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn key_exports(&self) -> Result<Vec<(KeyExport, Vec<CollectionId>)>> {
        self.erasure_log.keyring.exports()
    }

    /// Restores the keyring of the data folder `folder` from the content of an export file. `keyring` is the
    /// folder for the keys, or `None` for `folder/keyring`. The next opening of the data folder purges again
    /// what its erasure log names.
    ///
    /// # Errors
    ///
    /// - `KeyExport`: the export has expired, is from the future, or does not open with `passphrase`.
    /// - `Keyring`: the folder already holds a keyring.
    /// - `Io`: the folder cannot be written.
    pub fn restore_keys(
        folder: &Path,
        keyring: Option<&Path>,
        bytes: &[u8],
        passphrase: &[u8],
    ) -> Result<RestoredKeys> {
        let keys = keyring_of(folder, keyring);
        Keyring::restore(&keys, bytes, passphrase, last_erasure_unix_s(folder))
    }

    /// Returns whether the keyring lies inside the data folder, so that each snapshot or copy of the data folder
    /// is a copy of the keys too, which no receipt knows.
    pub fn keyring_is_inside(&self) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        real(self.erasure_log.keyring.folder()).starts_with(real(&self.folder))
    }

    /// Returns the size of the active swap areas, bytes; `None` if the system does not list them.
    pub fn swap_bytes() -> Option<u64> {
        swap::swap_bytes()
    }
}
