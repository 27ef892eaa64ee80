//! The file format of an export of the keyring: a clear header, and the keys sealed under a passphrase.
//!
//! The header is authenticated, so its expiry cannot be changed. The expiry is a rule of this program: a person
//! with the file and the passphrase can decrypt it at any time, with another program or another clock.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Sealer, Secret};
use crate::error::{Error, Result};

const FORMAT: &str = "picpick keyring export 1";
/// Argon2id with the second recommended parameters of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes. They are
/// part of the format, so that a foreign file cannot demand any memory.
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SALT_BYTES: usize = 16;
/// Limits the size of an export file to 64 MiB.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A sealed copy of the keyring that may still exist. It holds the keys of the collections that existed when it
/// was made. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyExport {
    /// Sequence number of the export, from 1.
    pub number: u64,
    pub made_unix_s: u64,
    /// The last second at which the program restores it.
    pub expires_unix_s: u64,
    /// Whether this stands for exports that a restored keyring cannot know: those made after the restored one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
}

/// The result of restoring a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredKeys {
    pub export: KeyExport,
    /// Number of collections whose keys were restored.
    pub collections: usize,
}

/// The key that a passphrase and a salt give.
pub(super) struct PassphraseKey {
    key: Secret,
    salt: [u8; SALT_BYTES],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportFile {
    header: Header,
    /// Nonce, ciphertext and tag, hexadecimal.
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    export: KeyExport,
    /// Salt of Argon2id, hexadecimal.
    salt: String,
}

impl PassphraseKey {
    /// Derives a key with a new salt. Takes about 0.2 s and 64 MiB.
    pub(super) fn new(passphrase: &[u8]) -> Result<Self> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Error::Random)?;
        Ok(Self { key: derive(passphrase, &salt)?, salt })
    }

    /// Returns the content of an export file with `plain` as the sealed keys.
    pub(super) fn seal(self, export: &KeyExport, plain: &[u8]) -> Result<Vec<u8>> {
        let header =
            Header { format: FORMAT.into(), export: export.clone(), salt: hex::encode(self.salt) };
        let sealed = hex::encode(Sealer::new(self.key).seal(&context(&header)?, plain)?);
        let mut bytes = serde_json::to_vec(&ExportFile { header, sealed }).map_err(refused)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Returns the header's export and the sealed keys of an export file.
///
/// # Errors
/// - `KeyExport` if `bytes` are no export, or do not open with `passphrase`.
pub(super) fn open(bytes: &[u8], passphrase: &[u8]) -> Result<(KeyExport, Zeroizing<Vec<u8>>)> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, expected at most 64 MiB", bytes.len())));
    }
    let file: ExportFile = serde_json::from_slice(bytes)
        .map_err(|error| refused(format!("the file is no export of a keyring: {error}")))?;
    let ExportFile { header, sealed } = file;
    if header.format != FORMAT {
        let reason = format!("expected format '{FORMAT}', received '{}'", header.format);
        return Err(refused(reason));
    }
    let damaged = || refused("the file is damaged; use another copy of it");
    let salt = hex::decode(&header.salt).map_err(|_| damaged())?;
    let sealed = hex::decode(&sealed).map_err(|_| damaged())?;
    let plain = Sealer::new(derive(passphrase, &salt)?)
        .open(&context(&header)?, &sealed, String::new)
        .map_err(|_| refused("the passphrase is wrong, or the file was changed"))?;
    Ok((header.export, plain))
}

fn derive(passphrase: &[u8], salt: &[u8]) -> Result<Secret> {
    let failed = |error: argon2::Error| refused(format!("its key cannot be derived: {error}"));
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(failed)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret::filled(|key| hasher.hash_password_into(passphrase, salt, key).map_err(failed))
}

/// Returns the authenticated bytes: the header as JSON, with the fields in the order of their declaration.
fn context(header: &Header) -> Result<Vec<u8>> {
    serde_json::to_vec(header).map_err(refused)
}

pub(super) fn refused(reason: impl ToString) -> Error {
    Error::KeyExport { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_opens_with_its_passphrase_and_every_byte_only() {
        let export = KeyExport { number: 3, made_unix_s: 5, expires_unix_s: 9, presumed: false };
        let key = PassphraseKey::new(b"correct horse").unwrap();
        let bytes = key.seal(&export, b"keys").unwrap();
        let (read, plain) = open(&bytes, b"correct horse").unwrap();
        assert_eq!((read, plain.as_slice()), (export, b"keys".as_slice()));
        assert!(open(&bytes, b"correct horsf").is_err());
        let text = String::from_utf8(bytes.clone()).unwrap();
        let later = text.replace("\"expires_unix_s\":9", "\"expires_unix_s\":99");
        assert_ne!(later, text);
        assert!(open(later.as_bytes(), b"correct horse").is_err(), "a changed last day");
        // A key derivation takes 0.2 s, so only some places are changed and cut.
        for at in (0..bytes.len() - 1).step_by(bytes.len() / 12) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&changed, b"correct horse").is_err(), "byte {at}");
            assert!(open(&bytes[..at], b"correct horse").is_err(), "cut at {at}");
        }
    }
}
