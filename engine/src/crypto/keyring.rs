//! The keyring: one wrapped data key per collection, in a folder outside every store.
//!
//! The destruction of a collection's key is atomic. The keyring wraps the remaining keys under the next
//! generation of the key-encryption key, replaces `keys.toml` atomically, and then destroys the old
//! generation.

mod export;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::checkpoint::SignedCheckpoint;
use super::entry::{CollectionMetadata, KeyringEntry, PurgedEntry};
use super::file_provider::FileProvider;
use super::keys_file::{self, BackupRecord, KeysFile, KeysFormat, WrappedEntry, WrappedPurged};
use super::provider::KeyProvider;
use super::{Checkpoint, Secret, Signer, migrate};
use crate::clock::unix_now_s;
use crate::error::{Error, Result};
use crate::format_version::KEYRING_FORMAT;
use crate::fs::durable;
use crate::ids::CollectionId;

const SIGNING: &[u8] = b"picpick signing key with checkpoint";
/// The context of the signing key in format 2. The contexts differ, so that a file of the current format
/// cannot pass for one of format 2, whose checkpoint would be made from the records as they are found.
const SIGNING_V2: &[u8] = b"picpick signing key";

/// The keyring folder. Every call reads `keys.toml` again, because other processes may change it.
///
/// Lock order: the lock of a chain (`ledger.lock`, `receipts.lock`), then the keyring's `lock`.
pub(crate) struct Keyring {
    folder: PathBuf,
    provider: Box<dyn KeyProvider>,
}

impl Keyring {
    /// Returns whether `folder` holds a keyring.
    pub(crate) fn exists(folder: &Path) -> bool {
        keys_file::exists(folder)
    }

    /// Creates a keyring with a random key-encryption key (generation 1) and a random signing key, unless the
    /// folder already holds a keyring.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        durable::make_folder(folder, true)?;
        let keyring = Self::at(folder);
        let _lock = keyring.lock()?;
        if !Self::exists(folder) {
            keyring.provider.create(1)?;
            keyring.write(&keyring.new_keys(1, Vec::new())?)?;
        }
        Ok(keyring)
    }

    /// Opens an existing keyring. Migrates an old format, and destroys generations that an interrupted
    /// rotation left behind.
    ///
    /// # Errors
    /// - `Keyring` if the keyring cannot be parsed or its keys do not open.
    /// - `NewerFormat` if a newer program wrote the keyring.
    /// - `Damaged` if the keyring has no valid format number.
    /// - `Io` if a file cannot be read or written.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let keyring = Self::at(folder);
        if !matches!(keys_file::read(folder)?, KeysFormat::Current(_)) {
            let _lock = keyring.lock()?;
            // The file is read again under the lock, because another process may have migrated it since.
            match keys_file::read(folder)? {
                KeysFormat::V1(old) => migrate::from_v1(&keyring, folder, &old)?,
                KeysFormat::V2(old) => keyring.add_checkpoint(old)?,
                KeysFormat::Current(_) => {}
            }
        }
        let keys = keyring.with_keys(|keys| {
            keyring.checkpoint_of(keys)?;
            Ok(keys.clone())
        })?;
        if keyring.provider.generations()?.iter().any(|&other| other != keys.generation) {
            let _lock = keyring.lock()?;
            keyring.destroy_all_but(keyring.read()?.generation)?;
        }
        Ok(keyring)
    }

    fn at(folder: &Path) -> Self {
        let provider = Box::new(FileProvider::new(folder));
        Self { folder: folder.to_path_buf(), provider }
    }

    /// Returns the keyring's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the generation of the key-encryption key in use.
    pub(crate) fn generation(&self) -> Result<u32> {
        Ok(self.read()?.generation)
    }

    /// Returns the entries of all collections that are not purged, in order of creation. Leaves out damaged
    /// entries.
    ///
    /// # Errors
    /// - `Keyring` if the signing key does not open, because then the whole keyring is wrong.
    /// - As [`Keyring::open`] if the keyring cannot be read.
    pub(crate) fn entries(&self) -> Result<Vec<KeyringEntry>> {
        self.with_keys(|keys| {
            self.signer_of(keys)?;
            let open = |wrapped| self.open_entry(keys.generation, wrapped).ok();
            Ok(keys.collection.iter().filter_map(open).collect())
        })
    }

    /// Returns the collections whose entries do not open. The data of these collections can no longer be read.
    pub(crate) fn damaged(&self) -> Result<Vec<CollectionId>> {
        self.with_keys(|keys| {
            let damaged = keys
                .collection
                .iter()
                .filter(|wrapped| self.open_entry(keys.generation, wrapped).is_err());
            Ok(damaged.filter_map(|wrapped| wrapped.id.parse().ok()).collect())
        })
    }

    /// Adds `entry`.
    ///
    /// # Errors
    /// - `CollectionExists` if a collection of this name exists.
    /// - As [`Keyring::open`] if the keyring cannot be read or written.
    pub(crate) fn add(&self, entry: &KeyringEntry) -> Result<()> {
        let _lock = self.lock()?;
        if self.entries()?.iter().any(|other| other.metadata.name == entry.metadata.name) {
            return Err(Error::CollectionExists { name: entry.metadata.name.clone() });
        }
        let mut keys = self.read()?;
        let mut wrapped = self.seal_entry(keys.generation, entry)?;
        wrapped.exports_before = export::last_number(&self.checkpoint_of(&keys)?);
        keys.collection.push(wrapped);
        self.write(&keys)
    }

    /// Replaces the metadata of a collection.
    pub(crate) fn set_metadata(&self, id: CollectionId, about: &CollectionMetadata) -> Result<()> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let generation = keys.generation;
        let place = keys.collection.iter_mut().find(|entry| entry.id == id.to_string());
        let wrapped = place.ok_or_else(|| self.failed(format!("it has no collection {id}")))?;
        let data_key = self.unwrap(generation, &key_context(&wrapped.id), &wrapped.key)?;
        wrapped.about = hex::encode(about.seal(id, &data_key)?);
        self.write(&keys)
    }

    /// Wraps all keys under a new generation and destroys the old one. Returns the new generation.
    pub(crate) fn rotate(&self) -> Result<u32> {
        let _lock = self.lock()?;
        let keys = self.read()?;
        self.rewrap_all(keys)
    }

    /// Destroys the data key of a collection in this keyring permanently. Afterwards this keyring opens no copy of
    /// the collection's sealed bytes; copies of the keyring that were made before still do. The keyring keeps a
    /// `PurgedEntry` record, which names the exports with the key and is pending until `complete_purge`.
    ///
    /// `counts` is the numbers of photos, faces and canaries in the store, if known.
    pub(crate) fn destroy_key(
        &self,
        id: CollectionId,
        counts: Option<(u64, u64, u64)>,
    ) -> Result<()> {
        let _lock = self.lock()?;
        let begun_unix_s = unix_now_s();
        let mut keys = self.read()?;
        let name = id.to_string();
        let Some(at) = keys.collection.iter().position(|entry| entry.id == name) else {
            return Err(self.failed(format!("it has no collection {id}")));
        };
        let wrapped = keys.collection.remove(at);
        let fingerprint = match self.unwrap(keys.generation, &key_context(&name), &wrapped.key) {
            Ok(data_key) => hex::encode(data_key.fingerprint()?),
            // A damaged entry must not prevent the purge of its collection.
            Err(_) => String::new(),
        };
        keys.purged.push(WrappedPurged {
            id: name,
            canary: wrapped.canary,
            canaries: counts.map(|(_, _, canaries)| canaries),
            photos: counts.map(|(photos, ..)| photos),
            faces: counts.map(|(_, faces, _)| faces),
            key_fingerprint: fingerprint,
            kek_generation: keys.generation,
            begun_unix_s,
            key_destroyed_unix_s: unix_now_s(),
            pending: true,
            key_exports: export::valid(
                &self.checkpoint_of(&keys)?,
                wrapped.exports_before,
                begun_unix_s,
            ),
        });
        self.rewrap_all(keys).map(drop)
    }

    /// Returns all purged collections, in order of their purge.
    pub(crate) fn purged(&self) -> Result<Vec<PurgedEntry>> {
        self.with_keys(|keys| {
            self.signer_of(keys)?;
            let open = |wrapped| self.open_purged(keys.generation, wrapped);
            keys.purged.iter().map(open).collect()
        })
    }

    /// Marks the purge of `id` as complete. The caller must have written the receipt.
    pub(crate) fn complete_purge(&self, id: CollectionId) -> Result<()> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let name = id.to_string();
        keys.purged
            .iter_mut()
            .filter(|purged| purged.id == name)
            .for_each(|purged| purged.pending = false);
        self.write(&keys)
    }

    /// Records a backup. Replaces an existing record with equal collection and object store, and retains the
    /// later of the two expiry times. Drops records of expired backups.
    pub(crate) fn record_backup(&self, note: BackupRecord) -> Result<()> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let now = unix_now_s();
        let same =
            |old: &BackupRecord| old.collection == note.collection && old.place == note.place;
        let latest = keys.backup.iter().filter(|old| same(old)).map(|old| old.expires_unix_s).max();
        let expires_unix_s = note.expires_unix_s.max(latest.unwrap_or(0));
        keys.backup.retain(|old| !same(old) && old.expires_unix_s > now);
        keys.backup.push(BackupRecord { expires_unix_s, ..note });
        self.write(&keys)
    }

    /// Returns the backups that may hold sealed bytes of `id`.
    pub(crate) fn backups(&self, id: CollectionId) -> Result<Vec<BackupRecord>> {
        let (name, mut notes) = (id.to_string(), self.read()?.backup);
        notes.retain(|note| note.collection == name);
        Ok(notes)
    }

    /// Returns the studio's signing key.
    pub(crate) fn signer(&self) -> Result<Signer> {
        self.with_keys(|keys| self.signer_of(keys))
    }

    /// Returns the checkpoint.
    ///
    /// # Errors
    /// - `Keyring` if its signature is invalid.
    /// - As [`Keyring::open`] if the keyring cannot be read.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        self.with_keys(|keys| self.checkpoint_of(keys))
    }

    /// Changes the checkpoint with `change` and signs it again. Writes nothing if `change` returns false.
    ///
    /// # Errors
    /// - As for [`Keyring::checkpoint`], or if the keyring cannot be written.
    pub(crate) fn change_checkpoint(
        &self,
        change: impl FnOnce(&mut Checkpoint) -> bool,
    ) -> Result<()> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let mut checkpoint = self.checkpoint_of(&keys)?;
        if !change(&mut checkpoint) {
            return Ok(());
        }
        keys.checkpoint = Some(SignedCheckpoint::sign(checkpoint, &self.signer_of(&keys)?)?);
        self.write(&keys)
    }

    fn checkpoint_of(&self, keys: &KeysFile) -> Result<Checkpoint> {
        let key = self.signer_of(keys)?.public_key();
        let signed = keys.checkpoint.as_ref().and_then(|signed| signed.verified(&key));
        signed.ok_or_else(|| {
            self.failed("the signature of its checkpoint is invalid: keys.toml was changed; restore it from a backup")
        })
    }

    /// Writes a file of format 2 in the current format. The checkpoint names no record; the first opening of
    /// the data folder advances it.
    fn add_checkpoint(&self, mut keys: KeysFile) -> Result<()> {
        let signing = self.unwrap(keys.generation, SIGNING_V2, &keys.signing)?;
        keys.signing = self.wrap(keys.generation, SIGNING, &signing)?;
        let signer = Signer::new(signing);
        keys.checkpoint = Some(SignedCheckpoint::sign(Checkpoint::default(), &signer)?);
        keys.format = KEYRING_FORMAT;
        self.write(&keys)
    }

    /// Returns a new keys file with a random signing key, wrapped under `generation`.
    fn new_keys(&self, generation: u32, collection: Vec<WrappedEntry>) -> Result<KeysFile> {
        let seed = Secret::random()?;
        let signing = self.wrap(generation, SIGNING, &seed)?;
        let checkpoint = SignedCheckpoint::sign(Checkpoint::default(), &Signer::new(seed))?;
        Ok(KeysFile {
            format: KEYRING_FORMAT,
            generation,
            signing,
            checkpoint: Some(checkpoint),
            collection,
            purged: Vec::new(),
            backup: Vec::new(),
        })
    }

    /// Runs `work` on the current keys. Another process may destroy their generation between reading and
    /// unwrapping. If `work` fails and the generation has changed, runs `work` again with the new keys.
    fn with_keys<T>(&self, work: impl Fn(&KeysFile) -> Result<T>) -> Result<T> {
        loop {
            let keys = self.read()?;
            match work(&keys) {
                Err(_) if self.read()?.generation != keys.generation => {}
                done => return done,
            }
        }
    }

    fn signer_of(&self, keys: &KeysFile) -> Result<Signer> {
        self.unwrap(keys.generation, SIGNING, &keys.signing).map(Signer::new)
    }

    /// Wraps all of `keys` under the next generation, makes the new file durable, and destroys the other
    /// generations. An interruption before the file is replaced leaves the old generation in use; a later
    /// interruption leaves the new generation in use. `open` destroys the unused generation.
    fn rewrap_all(&self, mut keys: KeysFile) -> Result<u32> {
        let (old, new) = (keys.generation, keys.generation.saturating_add(1));
        self.provider.create(new)?;
        let again = |context: &[u8], wrapped: &str| {
            self.wrap(new, context, &self.unwrap(old, context, wrapped)?)
        };
        export::rewrap(&mut keys, again)?;
        keys.generation = new;
        self.write(&keys)?;
        self.destroy_all_but(new)?;
        Ok(new)
    }

    fn destroy_all_but(&self, generation: u32) -> Result<()> {
        let mut others = self.provider.generations()?;
        others.retain(|&other| other != generation);
        others.into_iter().try_for_each(|other| self.provider.destroy(other))
    }

    pub(super) fn seal_entry(&self, generation: u32, entry: &KeyringEntry) -> Result<WrappedEntry> {
        let id = entry.id.to_string();
        Ok(WrappedEntry {
            key: self.wrap(generation, &key_context(&id), &entry.data_key)?,
            canary: self.wrap(generation, &canary_context(&id), &entry.canary_key)?,
            about: hex::encode(entry.metadata.seal(entry.id, &entry.data_key)?),
            exports_before: 0,
            id,
        })
    }

    /// Writes a new keys file with `entries`, wrapped under the new `generation`, and a random signing key.
    /// Then destroys all other generations.
    pub(super) fn start(&self, generation: u32, entries: &[KeyringEntry]) -> Result<()> {
        self.provider.create(generation)?;
        let wrapped = entries.iter().map(|entry| self.seal_entry(generation, entry));
        self.write(&self.new_keys(generation, wrapped.collect::<Result<Vec<_>>>()?)?)?;
        self.destroy_all_but(generation)
    }

    fn open_entry(&self, generation: u32, wrapped: &WrappedEntry) -> Result<KeyringEntry> {
        let id: CollectionId = wrapped.id.parse()?;
        let data_key = self.unwrap(generation, &key_context(&wrapped.id), &wrapped.key)?;
        let canary_key = self.unwrap(generation, &canary_context(&wrapped.id), &wrapped.canary)?;
        let about = hex::decode(&wrapped.about)
            .ok()
            .and_then(|sealed| CollectionMetadata::open(id, &data_key, &sealed).ok())
            .ok_or_else(|| self.failed(format!("the entry of collection {id} is damaged")))?;
        Ok(KeyringEntry { id, metadata: about, data_key, canary_key })
    }

    fn open_purged(&self, generation: u32, wrapped: &WrappedPurged) -> Result<PurgedEntry> {
        let canary_key =
            self.unwrap(generation, &canary_context(&wrapped.id), &wrapped.canary).ok();
        Ok(PurgedEntry {
            id: wrapped.id.parse()?,
            canary_key,
            canaries: wrapped.canaries,
            photos: wrapped.photos,
            faces: wrapped.faces,
            key_fingerprint: wrapped.key_fingerprint.clone(),
            kek_generation: wrapped.kek_generation,
            begun_unix_s: wrapped.begun_unix_s,
            key_destroyed_unix_s: wrapped.key_destroyed_unix_s,
            key_exports: wrapped.key_exports.clone(),
            pending: wrapped.pending,
        })
    }

    fn wrap(&self, generation: u32, context: &[u8], key: &Secret) -> Result<String> {
        self.provider.wrap(generation, context, key).map(hex::encode)
    }

    fn unwrap(&self, generation: u32, context: &[u8], wrapped: &str) -> Result<Secret> {
        let damaged = || self.failed("a wrapped key is damaged; restore keys.toml from a backup");
        self.provider.unwrap(generation, context, &hex::decode(wrapped).map_err(|_| damaged())?)
    }

    fn read(&self) -> Result<KeysFile> {
        match keys_file::read(&self.folder)? {
            KeysFormat::Current(keys) => Ok(keys),
            KeysFormat::V1(_) | KeysFormat::V2(_) => {
                Err(self.failed("keys.toml has an older format again; reopen the data folder"))
            }
        }
    }

    fn write(&self, keys: &KeysFile) -> Result<()> {
        keys_file::write(&self.folder, keys)
    }

    /// Acquires the keyring's lock, which a change must hold. Waits for other processes.
    fn lock(&self) -> Result<File> {
        durable::lock(&self.folder.join("lock"))
    }

    /// Returns an error that names this keyring.
    pub(crate) fn failed(&self, reason: impl Into<String>) -> Error {
        Error::Keyring { path: self.folder.clone(), reason: reason.into() }
    }
}

fn key_context(id: &str) -> Vec<u8> {
    format!("picpick data key {id}").into_bytes()
}

fn canary_context(id: &str) -> Vec<u8> {
    format!("picpick canary key {id}").into_bytes()
}

#[cfg(test)]
mod tests;
