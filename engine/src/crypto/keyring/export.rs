//! Exports of the keyring: sealed copies that the keyring knows, and their restore.
//!
//! An export holds the keys under a key-encryption key of its own, so the key-encryption key of the keyring
//! leaves it in no export. An export is durably recorded in the signed checkpoint before its bytes exist.

use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Keyring, Secret, SignedCheckpoint, canary_context, key_context};
use crate::clock::unix_now_s;
use crate::crypto::export::{self, KeyExport, PassphraseKey, RestoredKeys, refused};
use crate::crypto::keys_file::KeysFile;
use crate::crypto::{Checkpoint, Sealer};
use crate::error::{Error, Result};
use crate::format_version::KEYRING_FORMAT;
use crate::fs::durable;
use crate::ids::CollectionId;

const DAY_S: u64 = 86_400;
/// Greatest validity of an export: 366 days.
const VALID_MAX_S: u64 = 366 * DAY_S;
/// Greatest difference between the clocks of the machines of an export and a restore: a day.
const CLOCK_TOLERANCE_S: u64 = DAY_S;

/// The sealed part of an export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportContent {
    /// The key-encryption key that wraps `keys`, hexadecimal.
    kek: Zeroizing<String>,
    keys: KeysFile,
    /// The keyring's copy of the erasure log.
    erasure_log: String,
}

impl Keyring {
    /// Records a new export, and returns it with the content of its file, which only `passphrase` opens.
    ///
    /// # Errors
    /// - `KeyExport` if `expires_unix_s` is not within the next 366 days.
    /// - As [`Keyring::open`] if the keyring cannot be read or written.
    pub(crate) fn export(
        &self,
        passphrase: &[u8],
        expires_unix_s: u64,
    ) -> Result<(KeyExport, Vec<u8>)> {
        let sealing = PassphraseKey::new(passphrase)?;
        let _lock = self.lock()?;
        let now = unix_now_s();
        if expires_unix_s <= now || expires_unix_s > now.saturating_add(VALID_MAX_S) {
            return Err(refused("its last day must be within the next 366 days"));
        }
        let mut keys = self.read()?;
        let mut checkpoint = self.checkpoint_of(&keys)?;
        let number = last_number(&checkpoint) + 1;
        let made = KeyExport { number, made_unix_s: now, expires_unix_s, presumed: false };
        checkpoint.key_exports.retain(|old| old.expires_unix_s > now);
        checkpoint.key_exports.push(made.clone());
        keys.checkpoint = Some(SignedCheckpoint::sign(checkpoint, &self.signer_of(&keys)?)?);
        self.write(&keys)?;
        let kek = Secret::random()?;
        let under = Sealer::new(kek.copy()?);
        let old = keys.generation;
        rewrap(&mut keys, |context, wrapped| {
            under.seal(context, self.unwrap(old, context, wrapped)?.bytes()).map(hex::encode)
        })?;
        let log = self.folder.join("ledger");
        let erasure_log = match std::fs::read_to_string(&log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|source| Error::io("read", &log, source))?,
        };
        let content =
            ExportContent { kek: Zeroizing::new(hex::encode(kek.bytes())), keys, erasure_log };
        let plain = Zeroizing::new(serde_json::to_vec(&content).map_err(refused)?);
        Ok((made.clone(), sealing.seal(&made, &plain)?))
    }

    /// Creates a keyring in `folder` from the content of an export file. The erasures since `last_known_unix_s`
    /// prove that the time is not earlier, even if the clock says so.
    ///
    /// The new keyring presumes that exports were made after the restored one, which it cannot know.
    ///
    /// # Errors
    /// - `KeyExport` if the export has expired, does not open, or is from the future.
    /// - `Keyring` if the folder already holds a keyring.
    /// - `Io` if the folder cannot be written.
    pub(crate) fn restore(
        folder: &Path,
        bytes: &[u8],
        passphrase: &[u8],
        last_known_unix_s: u64,
    ) -> Result<RestoredKeys> {
        let (made, plain) = export::open(bytes, passphrase)?;
        let clock = unix_now_s();
        if made.expires_unix_s < clock.max(last_known_unix_s) {
            return Err(refused("its last day has passed; use a later export"));
        }
        if clock.saturating_add(CLOCK_TOLERANCE_S) < made.made_unix_s {
            return Err(refused("it was made later than this machine's clock says; set the clock"));
        }
        let content: ExportContent = serde_json::from_slice(&plain)
            .map_err(|error| refused(format!("its keys cannot be parsed: {error}")))?;
        durable::make_folder(folder, true)?;
        let keyring = Self::at(folder);
        let _lock = keyring.lock()?;
        if Self::exists(folder) {
            return Err(keyring.failed(
                "it exists already, and a restore replaces no keyring; move its folder away, or name another one with --keyring",
            ));
        }
        let collections = keyring.start_from(content, clock)?;
        Ok(RestoredKeys { export: made, collections })
    }

    /// Writes the keys and the erasure log of an export under a new key-encryption key. Returns the number of
    /// collections.
    fn start_from(&self, content: ExportContent, now: u64) -> Result<usize> {
        let ExportContent { kek, mut keys, erasure_log } = content;
        if keys.format != KEYRING_FORMAT {
            return Err(refused(format!(
                "its keys have format {}, expected {KEYRING_FORMAT}; use the program that made it",
                keys.format
            )));
        }
        let kek = Zeroizing::new(hex::decode(kek.as_bytes()).unwrap_or_default());
        let kek = Secret::from_bytes(&kek).ok_or_else(|| refused("its keys are damaged"))?;
        let under = Sealer::new(kek);
        let new = keys.generation.saturating_add(1);
        self.provider.create(new)?;
        rewrap(&mut keys, |context, wrapped| {
            let sealed = hex::decode(wrapped).map_err(|_| refused("its keys are damaged"))?;
            let key = under.open(context, &sealed, || "a key of the export".into())?;
            let key = Secret::from_bytes(&key).ok_or_else(|| refused("its keys are damaged"))?;
            self.wrap(new, context, &key)
        })?;
        keys.generation = new;
        let mut checkpoint = self.checkpoint_of(&keys)?;
        checkpoint.key_exports.retain(|old| old.expires_unix_s > now);
        checkpoint.key_exports.push(KeyExport {
            number: last_number(&checkpoint) + 1,
            made_unix_s: now,
            expires_unix_s: now + VALID_MAX_S,
            presumed: true,
        });
        keys.checkpoint = Some(SignedCheckpoint::sign(checkpoint, &self.signer_of(&keys)?)?);
        if !erasure_log.is_empty() {
            durable::replace(&self.folder.join("ledger"), erasure_log.as_bytes(), 0o600)?;
        }
        self.write(&keys)?;
        self.destroy_all_but(new)?;
        Ok(keys.collection.len())
    }

    /// Returns the exports that have not expired, each with the collections whose keys it holds, purged ones
    /// included.
    pub(crate) fn exports(&self) -> Result<Vec<(KeyExport, Vec<CollectionId>)>> {
        self.with_keys(|keys| {
            let mut found = Vec::new();
            for export in valid(&self.checkpoint_of(keys)?, 0, unix_now_s()) {
                let held = keys.collection.iter().filter(|it| it.exports_before < export.number);
                let purged = keys.purged.iter().filter(|it| it.key_exports.contains(&export));
                let ids = held.map(|it| &it.id).chain(purged.map(|it| &it.id));
                let ids = ids.map(|id| id.parse()).collect::<Result<Vec<_>>>()?;
                found.push((export, ids));
            }
            Ok(found)
        })
    }

    /// Returns the exports that hold the key of collection `id` and have not expired.
    pub(crate) fn exports_of(&self, id: CollectionId) -> Result<Vec<KeyExport>> {
        let holds =
            |(export, ids): (KeyExport, Vec<CollectionId>)| ids.contains(&id).then_some(export);
        Ok(self.exports()?.into_iter().filter_map(holds).collect())
    }
}

/// Returns the number of the last export; 0 before the first one.
pub(super) fn last_number(checkpoint: &Checkpoint) -> u64 {
    checkpoint.key_exports.last().map_or(0, |export| export.number)
}

/// Returns the exports after number `before` that have not expired at `now`.
pub(super) fn valid(checkpoint: &Checkpoint, before: u64, now: u64) -> Vec<KeyExport> {
    let is_valid = |export: &&KeyExport| export.number > before && export.expires_unix_s >= now;
    checkpoint.key_exports.iter().filter(is_valid).cloned().collect()
}

/// Replaces every wrapped key of `keys` by the result of `again`, which gets its context and its wrapped form. A
/// damaged key of a collection remains unchanged, because it must not prevent the use of the others.
///
/// # Errors
/// - The error of `again` for the signing key.
pub(super) fn rewrap(
    keys: &mut KeysFile,
    again: impl Fn(&[u8], &str) -> Result<String>,
) -> Result<()> {
    keys.signing = again(super::SIGNING, &keys.signing)?;
    let replace = |wrapped: &mut String, context: &[u8]| {
        if let Ok(rewrapped) = again(context, wrapped) {
            *wrapped = rewrapped;
        }
    };
    for entry in &mut keys.collection {
        replace(&mut entry.key, &key_context(&entry.id));
        replace(&mut entry.canary, &canary_context(&entry.id));
    }
    for purged in &mut keys.purged {
        replace(&mut purged.canary, &canary_context(&purged.id));
    }
    Ok(())
}
