//! Truth: the photos of one collection with their faces, sealed, one RocksDB directory each.
//!
//! A put is acknowledged when it is fsynced. Rows are sealed above RocksDB, which sees neither names
//! nor embeddings. Knows nothing of models, indexes or matching.

pub(crate) mod canary;
mod guests;
pub(crate) mod keys;
mod notes;
pub(crate) mod record;
mod rocks;
mod state;
pub(crate) mod version;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crypto::{RowNames, Sealer, Secret};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::{CollectionId, FaceId, PhotoId};

pub(crate) use keys::{Blob, Key, Note};
use rocks::{Change, Rocks};
pub(crate) use state::State;

/// Derived state is cut into rows of this size, bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// What the residue scan looks for of each such row, and of each note.
const HEAD_BYTES: usize = 1024;

/// Rows of one batch when a backup is restored.
const IMPORT_ROWS: usize = 1024;

/// One collection's sealed rows.
pub(crate) struct Store {
    rocks: Rocks,
    folder: PathBuf,
    collection: CollectionId,
    records: Sealer,
    derived: Sealer,
    guests: Sealer,
    names: RowNames,
    canary_key: Secret,
    fingerprint: [u8; 16],
    progress: Mutex<Progress>,
    remark: Option<String>,
}

struct Progress {
    state: State,
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
    /// Makes the store of a new collection in `folder`, which must not exist.
    pub(crate) fn create(
        folder: &Path,
        collection: CollectionId,
        keys: StoreKeys<'_>,
    ) -> Result<Self> {
        let rocks = Rocks::create(folder)?;
        rocks.write(&[format_row()])?;
        Self::with(rocks, folder, collection, keys)
    }

    /// Opens an existing store. `Error::InUse` while another process has it, `Error::NewerFormat`
    /// for a store of a newer program.
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
        version::check(
            &format!("the store of collection {collection}"),
            version::STORE_FORMAT,
            i64::from(format),
        )?;
        if format < version::STORE_FORMAT && !rocks.is_read_only() {
            rocks.write(&[format_row()])?;
        }
        Self::with(rocks, folder, collection, keys)
    }

    /// Writes rows of a snapshot as they are; durable when it returns. Opened anew, the store knows them.
    pub(crate) fn import_rows(&self, rows: Vec<(Key, Vec<u8>)>) -> Result<()> {
        let puts: Vec<Change> =
            rows.into_iter().map(|(key, value)| Change::Put(key, value)).collect();
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
            names: RowNames::new(keys.data.derive("picpick row names")?),
            canary_key,
            fingerprint: keys.data.fingerprint()?,
            progress: Mutex::new(Progress {
                state: State::default(),
                canary_rows: HashSet::new(),
                // The first photos of each opening come with a canary.
                photos: canary::PHOTOS_A_CANARY,
            }),
            remark: None,
        };
        let (state, remark) = store.read_state()?;
        let rows = (0..state.canaries).map(|number| canary::key(&store.canary_key, number));
        let canary_rows = rows.collect::<Result<_>>()?;
        let progress = store.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        (progress.state, progress.canary_rows) = (state, canary_rows);
        store.remark = remark;
        Ok(store)
    }

    /// Where the store's files lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was found wrong on opening.
    pub(crate) fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// Whether nothing can be written, because the disk is full.
    pub(crate) fn is_read_only(&self) -> bool {
        self.rocks.is_read_only()
    }

    /// How far planting and erasing have come.
    pub(crate) fn state(&self) -> State {
        self.progress().state
    }

    /// Adds or replaces photos, all or none; returns once they are fsynced.
    pub(crate) fn put(&self, photos: &[Photo]) -> Result<()> {
        let mut changes = photos.iter().map(|photo| self.row(photo)).collect::<Result<Vec<_>>>()?;
        let mut progress = self.progress();
        let mut state = progress.state;
        let planted = (progress.photos + photos.len()) / canary::PHOTOS_A_CANARY;
        for number in state.canaries..state.canaries + planted as u64 {
            let value = canary::value(&self.canary_key, number)?;
            changes.push(Change::Put(canary::key(&self.canary_key, number)?, value));
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

    /// Deletes `gone` and replaces `thinned` and `notes`, in one batch with the entry that the ledger's
    /// erasure `number` is carried out here. The old bytes stay in files until `rewrite`.
    pub(crate) fn erase(
        &self,
        number: u64,
        gone: &[Key],
        thinned: &[Photo],
        notes: &[(Note, Vec<u8>)],
    ) -> Result<()> {
        let mut changes =
            thinned.iter().map(|photo| self.row(photo)).collect::<Result<Vec<_>>>()?;
        for (note, bytes) in notes {
            changes.push(self.note_row(*note, bytes)?);
        }
        changes.extend(gone.iter().map(|key| Change::Delete(*key)));
        self.advance(changes, |state| state.erased = state.erased.max(number))
    }

    /// Notes that what erasures up to `number` deleted is out of the files and attested.
    pub(crate) fn attested(&self, number: u64) -> Result<()> {
        self.advance(Vec::new(), |state| state.attested = state.attested.max(number))
    }

    fn advance(&self, mut changes: Vec<Change>, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut progress = self.progress();
        let mut state = progress.state;
        change(&mut state);
        changes.push(self.state_row(&state)?);
        self.rocks.write(&changes)?;
        progress.state = state;
        Ok(())
    }

    /// The row name of a photo, as the ledger may keep it: it tells nobody which photo it is.
    pub(crate) fn photo_key(&self, id: &PhotoId) -> Result<Key> {
        keys::photo(&self.names, id)
    }

    /// The name of a face as the ledger may keep it.
    pub(crate) fn face_name(&self, id: &FaceId) -> Result<[u8; 16]> {
        self.names.name(&[b"face ".as_slice(), &id.0].concat())
    }

    /// Takes the faces with these names out of `photo`.
    pub(crate) fn without(&self, photo: &mut Photo, names: &HashSet<[u8; 16]>) -> Result<()> {
        let of = photo.faces.iter().map(|face| self.face_name(&face.id));
        let of = of.collect::<Result<Vec<_>>>()?;
        let mut of = of.iter();
        photo.faces.retain(|_| of.next().is_none_or(|name| !names.contains(name)));
        Ok(())
    }

    /// The key of the photo row with this name.
    pub(crate) fn key_named(name: [u8; 16]) -> Key {
        keys::photo_named(name)
    }

    /// Names the data key without telling anything of it.
    pub(crate) fn key_fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// The first bytes of every note and of every piece of derived state, sealed as they are, with their
    /// keys: enough to find them by.
    pub(crate) fn sealed_heads(&self) -> Result<Vec<(Key, Vec<u8>)>> {
        let mut all = Vec::new();
        for kind in [keys::Kind::Note, keys::Kind::Blob] {
            self.rocks.scan(keys::range(kind), |key, sealed| {
                if let Ok(key) = key.try_into() {
                    all.push((key, sealed.get(..HEAD_BYTES).unwrap_or(sealed).to_vec()));
                }
            })?;
        }
        Ok(all)
    }

    /// The stored bytes under `key`, sealed as they are.
    pub(crate) fn sealed(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        self.rocks.get(key)
    }

    /// The photo under `key`, or `None`.
    pub(crate) fn get_by_key(&self, key: &Key) -> Result<Option<Photo>> {
        self.rocks.get(key)?.map(|sealed| self.read(key, &sealed)).transpose()
    }

    /// Whether a photo is stored.
    pub(crate) fn has(&self, id: &PhotoId) -> Result<bool> {
        Ok(self.rocks.get(&keys::photo(&self.names, id)?)?.is_some())
    }

    /// Hands every photo to `take`; rows that do not open or read go to `damaged`, the rest goes on.
    pub(crate) fn scan(
        &self,
        mut take: impl FnMut(Photo),
        mut damaged: impl FnMut(Error),
    ) -> Result<()> {
        let canaries = self.progress().canary_rows.clone();
        self.rocks.scan(keys::range(keys::Kind::Photo), |key, sealed| {
            if canaries.contains(key) {
                return;
            }
            match self.read(key, sealed) {
                Ok(photo) => take(photo),
                Err(error) => damaged(error),
            }
        })
    }

    /// Rewrites the files so that no live one holds a byte of what was deleted or replaced.
    pub(crate) fn rewrite(&self) -> Result<()> {
        self.rocks.rewrite()
    }

    /// Stores derived state, replacing what was there.
    pub(crate) fn put_blob(&self, blob: Blob, bytes: &[u8]) -> Result<()> {
        let mut changes = self.blob_deletions(blob)?;
        for (chunk, bytes) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
            let key = keys::blob(blob, chunk);
            changes.push(Change::Put(
                key,
                self.derived.seal(&keys::context(&self.collection, &key), bytes)?,
            ));
        }
        self.rocks.write(&changes)
    }

    /// Derived state, `None` when there is none; `Error::Seal` when a piece is damaged.
    pub(crate) fn get_blob(&self, blob: Blob) -> Result<Option<Vec<u8>>> {
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

    fn blob_deletions(&self, blob: Blob) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for chunk in 0.. {
            let key = keys::blob(blob, chunk);
            if self.rocks.get(&key)?.is_none() {
                break;
            }
            changes.push(Change::Delete(key));
        }
        Ok(changes)
    }

    fn row(&self, photo: &Photo) -> Result<Change> {
        let key = self.photo_key(&photo.id)?;
        let context = keys::context(&self.collection, &key);
        Ok(Change::Put(key, self.records.seal(&context, &record::encode(photo))?))
    }

    fn state_row(&self, state: &State) -> Result<Change> {
        let key = keys::state();
        let context = keys::context(&self.collection, &key);
        Ok(Change::Put(key, self.records.seal(&context, &state.encode())?))
    }

    /// The state, and a remark when its row is damaged. Then canaries are counted by their rows, and
    /// erasures begin at the ledger's first: carrying one out again changes nothing.
    fn read_state(&self) -> Result<(State, Option<String>)> {
        let key = keys::state();
        let Some(sealed) = self.rocks.get(&key)? else { return Ok((State::default(), None)) };
        let what = || format!("the state row of collection {}", self.collection);
        let context = keys::context(&self.collection, &key);
        let plain = self.records.open(&context, &sealed, what).ok();
        if let Some(state) = plain.and_then(|plain| State::read(&plain)) {
            return Ok((state, None));
        }
        let mut canaries = 0;
        while self.rocks.get(&canary::key(&self.canary_key, canaries)?)?.is_some() {
            canaries += 1;
        }
        let remark = format!("{} is damaged; erasures are carried out again", what());
        Ok((State { canaries, ..State::default() }, Some(remark)))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, key: &[u8], sealed: &[u8]) -> Result<Photo> {
        let what = || format!("a photo row of collection {}", self.collection);
        let plain = self.records.open(&keys::context(&self.collection, key), sealed, what)?;
        record::decode(&plain)
            .ok_or_else(|| Error::Damaged { what: what(), reason: "it does not read".into() })
    }
}

/// A moment of a store, read without its lock: another process may be adding to it.
pub(crate) struct Snapshot {
    rocks: Rocks,
    scratch: PathBuf,
}

impl Snapshot {
    /// Takes what is durable in the store in `folder` now. `scratch` is a folder to be made for RocksDB's
    /// own notes; it goes with the snapshot.
    pub(crate) fn take(folder: &Path, scratch: &Path) -> Result<Self> {
        let rocks = Rocks::open_reading(folder, scratch)?;
        Ok(Self { rocks, scratch: scratch.to_path_buf() })
    }

    /// Hands on every row that is not derived, in key order, sealed as it is.
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
        // RocksDB's notes hold no row; what stays behind is removed by nobody and harms nobody.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

fn format_row() -> Change {
    Change::Put(keys::format(), version::STORE_FORMAT.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests;
