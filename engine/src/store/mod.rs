//! The store of one collection: its photos with their faces, sealed, in a RocksDB directory of its own.
//!
//! A write returns after fsync. Rows are sealed before they reach RocksDB, so RocksDB receives neither names
//! nor embeddings. Photos, owner settings, guests and suppressions are source data; the index and people are derived from
//! source data.

pub(crate) mod canary;
mod frames;
mod guests;
pub(crate) mod keys;
mod owner_settings;
pub(crate) mod record;
mod recovery_state;
mod rocks;
mod suppressions;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};

use crate::crypto::{RowNames, Sealer, Secret};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::format_version;
use crate::ids::{CollectionId, FaceId, PhotoId};
use crate::suppression::Suppression;

pub(crate) use frames::FrameRow;
pub(crate) use keys::{DerivedState, Key, OwnerSetting};
pub(crate) use recovery_state::RecoveryState;
use rocks::{Rocks, RowChange};

/// Size of a row of derived state: 1 MiB of plaintext.
const CHUNK_BYTES: usize = 1 << 20;
/// Number of bytes, 1,024, at the start of each note and each row of derived state that the residue scan
/// searches for.
const HEAD_BYTES: usize = 1024;

/// Limits the rows per write batch of a restore to 1,024.
const IMPORT_ROWS: usize = 1024;

/// The sealed rows of one collection.
pub(crate) struct Store {
    rocks: Rocks,
    folder: PathBuf,
    collection: CollectionId,
    records: Sealer,
    derived: Sealer,
    guests: Sealer,
    frames: Sealer,
    names: RowNames,
    canary_key: Secret,
    fingerprint: [u8; 16],
    progress: Mutex<StoreProgress>,
    warning: Option<String>,
}

struct StoreProgress {
    state: RecoveryState,
    canary_rows: HashSet<Key>,
    /// Photos put since the last canary.
    photos: usize,
}

/// The keys of a collection's store.
#[derive(Clone, Copy)]
pub(crate) struct StoreKeys<'a> {
    pub(crate) data: &'a Secret,
    pub(crate) canary: &'a Secret,
}

impl Store {
    /// Creates the store of a new collection in `folder`, which must not exist.
    pub(crate) fn create(
        folder: &Path,
        collection: CollectionId,
        keys: StoreKeys<'_>,
    ) -> Result<Self> {
        let rocks = Rocks::create(folder)?;
        rocks.write(&[format_row()])?;
        Self::with(rocks, folder, collection, keys)
    }

    /// Opens an existing store. Raises the number of an older format.
    ///
    /// # Errors
    ///
    /// - `InUse`: another process has the store open.
    /// - `NewerFormat`: a newer program wrote the store.
    /// - `Damaged`: the store has no valid format number.
    /// - `Store`, `Io`: the files are missing, or cannot be read.
    pub(crate) fn open(
        folder: &Path,
        collection: CollectionId,
        keys: StoreKeys<'_>,
    ) -> Result<Self> {
        let rocks = Rocks::open(folder)?;
        let format = rocks
            .get(&keys::format())?
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        format_version::check(
            &format!("the store of collection {collection}"),
            format_version::STORE_FORMAT,
            i64::from(format),
        )?;
        if format < format_version::STORE_FORMAT && !rocks.is_read_only() {
            rocks.write(&[format_row()])?;
        }
        Self::with(rocks, folder, collection, keys)
    }

    /// Writes the sealed rows of a backup. The rows are durable when the call returns. The restored state and
    /// canaries take effect when the store is opened again.
    pub(crate) fn import_rows(&self, rows: Vec<(Key, Vec<u8>)>) -> Result<()> {
        let puts: Vec<RowChange> =
            rows.into_iter().map(|(key, value)| RowChange::Put(key, value)).collect();
        puts.chunks(IMPORT_ROWS).try_for_each(|rows| self.rocks.write(rows))
    }

    fn with(
        rocks: Rocks,
        folder: &Path,
        collection: CollectionId,
        keys: StoreKeys<'_>,
    ) -> Result<Self> {
        let canary_key = keys.canary.copy()?;
        let mut store = Self {
            rocks,
            folder: folder.to_path_buf(),
            collection,
            records: Sealer::new(keys.data.derive("picpick embeddings")?),
            derived: Sealer::new(keys.data.derive("picpick index")?),
            guests: Sealer::new(keys.data.derive("picpick selfies")?),
            frames: Sealer::new(keys.data.derive("picpick camera frames")?),
            names: RowNames::new(keys.data.derive("picpick row names")?),
            canary_key,
            fingerprint: keys.data.fingerprint()?,
            progress: Mutex::new(StoreProgress {
                state: RecoveryState::default(),
                canary_rows: HashSet::new(),
                // The first photos after each opening are written with a canary.
                photos: canary::PHOTOS_A_CANARY,
            }),
            warning: None,
        };
        let (state, remark) = store.read_state()?;
        let rows = (0..state.canaries).map(|number| canary::key(&store.canary_key, number));
        let canary_rows = rows.collect::<Result<_>>()?;
        let progress = store.progress.get_mut();
        (progress.state, progress.canary_rows) = (state, canary_rows);
        store.warning = remark;
        Ok(store)
    }

    /// Returns the folder with the store's files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a warning about damage found on opening.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Returns whether the store is open for reading only, as on a full disk.
    pub(crate) fn is_read_only(&self) -> bool {
        self.rocks.is_read_only()
    }

    /// Returns the store's progress in planting canaries and applying erasures.
    pub(crate) fn state(&self) -> RecoveryState {
        self.progress().state
    }

    /// Adds or replaces photos, and adds one canary per 16 photos, in one atomic batch. Returns after fsync.
    pub(crate) fn put(&self, photos: &[Photo]) -> Result<()> {
        let mut changes = photos.iter().map(|photo| self.row(photo)).collect::<Result<Vec<_>>>()?;
        let mut progress = self.progress();
        let mut state = progress.state;
        let planted = (progress.photos + photos.len()) / canary::PHOTOS_A_CANARY;
        for number in state.canaries..state.canaries + planted as u64 {
            let value = canary::value(&self.canary_key, number)?;
            changes.push(RowChange::Put(canary::key(&self.canary_key, number)?, value));
        }
        state.canaries += planted as u64;
        if planted > 0 {
            changes.push(self.state_row(&state)?);
        }
        self.rocks.write(&changes)?;
        for number in progress.state.canaries..state.canaries {
            progress.canary_rows.insert(canary::key(&self.canary_key, number)?);
        }
        progress.state = state;
        progress.photos = (progress.photos + photos.len()) % canary::PHOTOS_A_CANARY;
        Ok(())
    }

    /// Deletes the rows `gone`, replaces the rows of `thinned`, `notes` and `opted_out`, and records that
    /// erasure `number` of the erasure log is applied, all in one atomic batch. The old bytes stay in the files until
    /// `rewrite`.
    pub(crate) fn erase(
        &self,
        number: u64,
        gone: &[Key],
        thinned: &[Photo],
        notes: &[(OwnerSetting, Vec<u8>)],
        opted_out: Option<&Suppression>,
    ) -> Result<()> {
        let mut changes =
            thinned.iter().map(|photo| self.row(photo)).collect::<Result<Vec<_>>>()?;
        for (note, bytes) in notes {
            changes.push(self.setting_row(*note, bytes)?);
        }
        if let Some(suppression) = opted_out {
            changes.push(self.suppression_row(suppression)?);
        }
        changes.extend(gone.iter().map(|key| RowChange::Delete(*key)));
        self.advance(changes, |state| state.applied = state.applied.max(number))
    }

    /// Records that the erasures up to `number` are complete: the files no longer contain their data, and
    /// their receipts are written.
    pub(crate) fn mark_completed(&self, number: u64) -> Result<()> {
        self.advance(Vec::new(), |state| state.completed = state.completed.max(number))
    }

    fn advance(
        &self,
        mut changes: Vec<RowChange>,
        change: impl FnOnce(&mut RecoveryState),
    ) -> Result<()> {
        let mut progress = self.progress();
        let mut state = progress.state;
        change(&mut state);
        changes.push(self.state_row(&state)?);
        self.rocks.write(&changes)?;
        progress.state = state;
        Ok(())
    }

    /// Returns the row key of a photo. The key does not reveal the photo, so the erasure log may store it.
    pub(crate) fn photo_key(&self, id: &PhotoId) -> Result<Key> {
        keys::photo(&self.names, id)
    }

    /// Returns the name of a face for the erasure log: an HMAC, which does not reveal the face.
    pub(crate) fn face_name(&self, id: &FaceId) -> Result<[u8; 16]> {
        self.names.name(&[b"face ".as_slice(), &id.0].concat())
    }

    /// Removes the faces with these names from `photo`.
    pub(crate) fn remove_faces(&self, photo: &mut Photo, names: &HashSet<[u8; 16]>) -> Result<()> {
        let of = photo.faces.iter().map(|face| self.face_name(&face.id));
        let of = of.collect::<Result<Vec<_>>>()?;
        let mut of = of.iter();
        photo.faces.retain(|_| of.next().is_none_or(|name| !names.contains(name)));
        Ok(())
    }

    /// Returns the key of the photo row with this name.
    pub(crate) fn key_named(name: [u8; 16]) -> Key {
        keys::photo_named(name)
    }

    /// Returns the fingerprint of the data key, which does not reveal the key.
    pub(crate) fn key_fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// Returns the key and the first 1,024 sealed bytes of every note and every row of derived state. A
    /// residue scan finds the rows by these bytes.
    pub(crate) fn sealed_heads(&self) -> Result<Vec<(Key, Vec<u8>)>> {
        let mut all = Vec::new();
        for kind in [keys::RowKind::Note, keys::RowKind::Blob] {
            self.rocks.scan(keys::range(kind), |key, sealed| {
                if let Ok(key) = key.try_into() {
                    all.push((key, sealed.get(..HEAD_BYTES).unwrap_or(sealed).to_vec()));
                }
            })?;
        }
        Ok(all)
    }

    /// Returns the stored bytes under `key`, still sealed.
    pub(crate) fn sealed(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        self.rocks.get(key)
    }

    /// Returns the photo under `key`, or `None` if there is no such row.
    ///
    /// # Errors
    ///
    /// - `Seal`, `Damaged`: the row is damaged.
    /// - `Store`: the row cannot be read.
    pub(crate) fn get_by_key(&self, key: &Key) -> Result<Option<Photo>> {
        self.rocks.get(key)?.map(|sealed| self.read(key, &sealed)).transpose()
    }

    /// Returns whether a photo is stored.
    pub(crate) fn has(&self, id: &PhotoId) -> Result<bool> {
        Ok(self.rocks.get(&keys::photo(&self.names, id)?)?.is_some())
    }

    /// Calls `take` with every photo, and `damaged` with the error of every row that cannot be decrypted or
    /// decoded. A damaged row does not end the scan.
    pub(crate) fn scan(
        &self,
        mut take: impl FnMut(Photo),
        mut damaged: impl FnMut(Error),
    ) -> Result<()> {
        let canaries = self.progress().canary_rows.clone();
        self.rocks.scan(keys::range(keys::RowKind::Photo), |key, sealed| {
            if canaries.contains(key) {
                return;
            }
            match self.read(key, sealed) {
                Ok(photo) => take(photo),
                Err(error) => damaged(error),
            }
        })
    }

    /// Rewrites the files, so that no file contains deleted or replaced bytes.
    pub(crate) fn rewrite(&self) -> Result<()> {
        self.rocks.rewrite()
    }

    /// Stores derived state, replacing the previous value atomically.
    pub(crate) fn put_derived(&self, blob: DerivedState, bytes: &[u8]) -> Result<()> {
        let mut changes = self.derived_deletions(blob)?;
        for (chunk, bytes) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
            let key = keys::blob(blob, chunk);
            changes.push(RowChange::Put(
                key,
                self.derived.seal(&keys::context(&self.collection, &key), bytes)?,
            ));
        }
        self.rocks.write(&changes)
    }

    /// Returns derived state, or `None` if no derived state of this kind is stored.
    ///
    /// # Errors
    ///
    /// - `Seal`: a row is damaged.
    /// - `Store`: a row cannot be read.
    pub(crate) fn get_derived(&self, blob: DerivedState) -> Result<Option<Vec<u8>>> {
        let mut all = Vec::new();
        for chunk in 0.. {
            let key = keys::blob(blob, chunk);
            let Some(sealed) = self.rocks.get(&key)? else { break };
            let context = keys::context(&self.collection, &key);
            all.extend_from_slice(
                &self.derived.open(&context, &sealed, || format!("{blob:?} chunk {chunk}"))?,
            );
        }
        Ok((!all.is_empty()).then_some(all))
    }

    fn derived_deletions(&self, blob: DerivedState) -> Result<Vec<RowChange>> {
        let mut changes = Vec::new();
        for chunk in 0.. {
            let key = keys::blob(blob, chunk);
            if self.rocks.get(&key)?.is_none() {
                break;
            }
            changes.push(RowChange::Delete(key));
        }
        Ok(changes)
    }

    fn row(&self, photo: &Photo) -> Result<RowChange> {
        let key = self.photo_key(&photo.id)?;
        let context = keys::context(&self.collection, &key);
        Ok(RowChange::Put(key, self.records.seal(&context, &record::encode(photo))?))
    }

    fn state_row(&self, state: &RecoveryState) -> Result<RowChange> {
        let key = keys::state();
        let context = keys::context(&self.collection, &key);
        Ok(RowChange::Put(key, self.records.seal(&context, &state.encode())?))
    }

    /// Returns the state, and a warning if the state row is damaged. If it is, the number of canaries is
    /// counted from their rows, and all erasures of the erasure log are applied again, which is idempotent.
    fn read_state(&self) -> Result<(RecoveryState, Option<String>)> {
        let key = keys::state();
        let Some(sealed) = self.rocks.get(&key)? else {
            return Ok((RecoveryState::default(), None));
        };
        let what = || format!("the state row of collection {}", self.collection);
        let context = keys::context(&self.collection, &key);
        let plain = self.records.open(&context, &sealed, what).ok();
        if let Some(state) = plain.and_then(|plain| RecoveryState::read(&plain)) {
            return Ok((state, None));
        }
        let mut canaries = 0;
        while self.rocks.get(&canary::key(&self.canary_key, canaries)?)?.is_some() {
            canaries += 1;
        }
        let remark = format!("{} is damaged; all erasures are applied again", what());
        Ok((RecoveryState { canaries, ..RecoveryState::default() }, Some(remark)))
    }

    fn progress(&self) -> MutexGuard<'_, StoreProgress> {
        self.progress.lock()
    }

    fn read(&self, key: &[u8], sealed: &[u8]) -> Result<Photo> {
        let what = || format!("a photo row of collection {}", self.collection);
        let plain = self.records.open(&keys::context(&self.collection, key), sealed, what)?;
        record::decode(&plain)
            .ok_or_else(|| Error::Damaged { what: what(), reason: "it cannot be decoded".into() })
    }
}

/// A point-in-time view of a store, read without its lock while another process may be adding to it.
pub(crate) struct Snapshot {
    rocks: Rocks,
    scratch: PathBuf,
}

impl Snapshot {
    /// Opens a view of the rows that are now durable in the store in `folder`. RocksDB creates the folder
    /// `scratch` for its own log files. Dropping the snapshot removes `scratch`.
    pub(crate) fn take(folder: &Path, scratch: &Path) -> Result<Self> {
        let rocks = Rocks::open_reading(folder, scratch)?;
        Ok(Self { rocks, scratch: scratch.to_path_buf() })
    }

    /// Calls `take` with every sealed row that a backup contains, in key order, until `take` returns an
    /// error. Returns that error.
    pub(crate) fn rows(&self, mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let mut failed = None;
        self.rocks.scan(keys::truth(), |key, value| {
            if failed.is_none() {
                failed = take(key, value).err();
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // RocksDB's log files contain no rows, so the folder may stay if its removal fails.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

fn format_row() -> RowChange {
    RowChange::Put(keys::format(), format_version::STORE_FORMAT.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests;
