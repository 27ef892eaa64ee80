//! `keys.toml`, the keyring's file: wrapped keys, sealed collection metadata, and records of purged
//! collections and of backups.
//!
//! Every value that identifies a collection is wrapped, sealed or a pseudonym. The file is replaced
//! atomically and durably. Formats 1 and 2 are read for migration only.

use serde::{Deserialize, Serialize};
use std::path::Path;

use super::KeyExport;
use super::checkpoint::SignedCheckpoint;
use crate::error::{Error, Result};
use crate::format_version::{self, KEYRING_FORMAT};
use crate::fs::durable;

const NAME: &str = "keys.toml";

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysFile {
    pub(super) format: u32,
    /// Generation of the key-encryption key that wraps all keys in this file.
    pub(super) generation: u32,
    /// The studio's signing key, wrapped. All byte strings in this file are hexadecimal.
    pub(super) signing: String,
    /// `None` in format 2 only.
    #[serde(default)]
    pub(super) checkpoint: Option<SignedCheckpoint>,
    #[serde(default)]
    pub(super) collection: Vec<WrappedEntry>,
    #[serde(default)]
    pub(super) purged: Vec<WrappedPurged>,
    #[serde(default)]
    pub(super) backup: Vec<BackupRecord>,
}

/// The wrapped keys and sealed metadata of a collection that has not been purged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappedEntry {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) canary: String,
    /// The metadata, sealed under the data key.
    pub(super) about: String,
    /// Number of the last export of the keyring before the collection was created; later exports hold its key.
    /// 0 for collections that are older than the first export, and for entries of programs without exports.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) exports_before: u64,
}

/// The record of a collection whose data key has been destroyed: the values needed to complete the purge, to
/// scan for residue and to issue the receipt.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappedPurged {
    pub(super) id: String,
    pub(super) canary: String,
    pub(super) canaries: Option<u64>,
    pub(super) photos: Option<u64>,
    pub(super) faces: Option<u64>,
    pub(super) key_fingerprint: String,
    pub(super) kek_generation: u32,
    pub(super) begun_unix_s: u64,
    pub(super) key_destroyed_unix_s: u64,
    pub(super) pending: bool,
    /// The exports that hold the data key and had not expired when it was destroyed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) key_exports: Vec<KeyExport>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A backup that holds sealed bytes of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupRecord {
    /// Pseudonym of the collection.
    pub(crate) collection: String,
    /// The object store with the backup: a folder, or `s3://bucket/prefix`.
    pub(crate) place: String,
    /// Expiry of the backup, seconds since the Unix epoch.
    pub(crate) expires_unix_s: u64,
}

/// The parsed content of `keys.toml`, by format.
pub(super) enum KeysFormat {
    Current(KeysFile),
    /// Format 2, which must be migrated: the current format without a checkpoint.
    V2(KeysFile),
    /// Format 1, which must be migrated.
    V1(KeysFileV1),
}

/// `keys.toml` in format 1, written by programs that did not issue purge receipts yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysFileV1 {
    #[serde(rename = "format")]
    _format: u32,
    pub(super) generation: u32,
    #[serde(default)]
    pub(super) collection: Vec<WrappedEntryV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappedEntryV1 {
    pub(super) id: String,
    pub(super) sealed: String,
}

/// Returns whether `folder` holds a keyring.
pub(super) fn exists(folder: &Path) -> bool {
    folder.join(NAME).exists()
}

/// Reads `keys.toml` in `folder`.
///
/// # Errors
/// - `Io` if the file cannot be read.
/// - `NewerFormat` if a newer program wrote the file.
/// - `Damaged` if the file has no valid format number.
/// - `Keyring` if the file cannot be parsed.
pub(super) fn read(folder: &Path) -> Result<KeysFormat> {
    let path = folder.join(NAME);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::io("read", &path, source))?;
    parse(&text, folder)
}

/// Returns whether `text` parses as `keys.toml`, in the current or an older format.
pub(crate) fn is_keys_file(text: &str) -> bool {
    parse(text, Path::new("keyring")).is_ok()
}

fn parse(text: &str, folder: &Path) -> Result<KeysFormat> {
    let failed = |_: toml::de::Error| Error::Keyring {
        path: folder.to_path_buf(),
        reason: format!("{NAME} cannot be parsed; restore it from a backup"),
    };
    // The format number is read first, to distinguish a newer file from a damaged one.
    let table: toml::Table = toml::from_str(text).map_err(failed)?;
    let format = table.get("format").and_then(toml::Value::as_integer).unwrap_or(0);
    format_version::check(&format!("keyring {}", folder.display()), KEYRING_FORMAT, format)?;
    if format == 1 {
        return toml::from_str(text).map(KeysFormat::V1).map_err(failed);
    }
    let keys: KeysFile = toml::from_str(text).map_err(failed)?;
    match (format, &keys.checkpoint) {
        (2, None) => Ok(KeysFormat::V2(keys)),
        (3, Some(_)) => Ok(KeysFormat::Current(keys)),
        _ => Err(Error::Keyring {
            path: folder.to_path_buf(),
            reason: format!(
                "{NAME} of format {format} lacks its checkpoint or has one too many; restore it from a backup"
            ),
        }),
    }
}

/// Replaces `keys.toml` in `folder`. The new content is durable when the call returns.
pub(super) fn write(folder: &Path, keys: &KeysFile) -> Result<()> {
    let text = toml::to_string(keys).map_err(|error| Error::Keyring {
        path: folder.to_path_buf(),
        reason: error.to_string(),
    })?;
    durable::replace(&folder.join(NAME), text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_distinguished_and_damage_is_named() {
        let read = |text: &str| parse(text, Path::new("/k"));
        assert!(matches!(read("format = 1\ngeneration = 3\n"), Ok(KeysFormat::V1(_))));
        let now = "format = 2\ngeneration = 3\nsigning = \"00\"\n";
        assert!(matches!(read(now), Ok(KeysFormat::V2(KeysFile { generation: 3, .. }))));
        let uncut = now.replace("format = 2", "format = 3");
        assert!(matches!(read(&uncut), Err(Error::Keyring { .. })), "a checkpoint is missing");
        assert!(matches!(
            read("format = 9\nnew = 1\n"),
            Err(Error::NewerFormat { received: 9, .. })
        ));
        for bad in ["\u{0}", "generation = 1\n", "format = 2\n", &format!("{now}stray = 1\n")] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
