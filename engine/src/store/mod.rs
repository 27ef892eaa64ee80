//! Truth: the photos of one collection with their faces, sealed, one RocksDB directory each.
//!
//! A put is acknowledged when it is fsynced. Rows are sealed above RocksDB, which sees neither names
//! nor embeddings. Knows nothing of models, indexes or matching.

pub(crate) mod keys;
pub(crate) mod record;
mod rocks;
pub(crate) mod version;

use std::path::Path;

use crate::crypto::{RowNames, Sealer, Secret};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::{CollectionId, PhotoId};

pub(crate) use keys::Blob;
use rocks::{Change, Rocks};

/// Derived state is cut into rows of this size, bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// One collection's sealed rows.
pub(crate) struct Store {
    rocks: Rocks,
    collection: CollectionId,
    records: Sealer,
    derived: Sealer,
    names: RowNames,
}

impl Store {
    /// Makes the store of a new collection in `folder`, which must not exist.
    pub(crate) fn create(folder: &Path, collection: CollectionId, key: &Secret) -> Result<Self> {
        let rocks = Rocks::create(folder)?;
        rocks
            .write(&[Change::Put(keys::format(), version::STORE_FORMAT.to_be_bytes().to_vec())])?;
        Self::with(rocks, collection, key)
    }

    /// Opens an existing store. `Error::InUse` while another process has it, `Error::NewerFormat`
    /// for a store of a newer program.
    pub(crate) fn open(folder: &Path, collection: CollectionId, key: &Secret) -> Result<Self> {
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
        Self::with(rocks, collection, key)
    }

    fn with(rocks: Rocks, collection: CollectionId, key: &Secret) -> Result<Self> {
        Ok(Self {
            rocks,
            collection,
            records: Sealer::new(&key.derive("picpick embeddings")?),
            derived: Sealer::new(&key.derive("picpick index")?),
            names: RowNames::new(key.derive("picpick row names")?),
        })
    }

    /// Adds or replaces photos, all or none; returns once they are fsynced.
    pub(crate) fn put(&self, photos: &[Photo]) -> Result<()> {
        let put = |photo: &Photo| {
            let key = keys::photo(&self.names, &photo.id)?;
            let sealed = self
                .records
                .seal(&keys::context(&self.collection, &key), &record::encode(photo))?;
            Ok(Change::Put(key, sealed))
        };
        self.rocks.write(&photos.iter().map(put).collect::<Result<Vec<_>>>()?)
    }

    /// Whether a photo is stored.
    pub(crate) fn has(&self, id: &PhotoId) -> Result<bool> {
        Ok(self.rocks.get(&keys::photo(&self.names, id)?)?.is_some())
    }

    /// One photo, or `None`.
    pub(crate) fn get(&self, id: &PhotoId) -> Result<Option<Photo>> {
        let key = keys::photo(&self.names, id)?;
        self.rocks.get(&key)?.map(|sealed| self.read(&key, &sealed)).transpose()
    }

    /// Hands every photo to `take`; rows that do not open or read go to `damaged`, the rest goes on.
    pub(crate) fn scan(
        &self,
        mut take: impl FnMut(Photo),
        mut damaged: impl FnMut(Error),
    ) -> Result<()> {
        self.rocks.scan(keys::range(keys::Kind::Photo), |key, sealed| {
            match self.read(key, sealed) {
                Ok(photo) => take(photo),
                Err(error) => damaged(error),
            }
        })
    }

    /// Removes photos. Their sealed bytes stay in RocksDB's files until `rewrite`.
    pub(crate) fn delete(&self, ids: &[PhotoId]) -> Result<()> {
        let delete = |id| Ok(Change::Delete(keys::photo(&self.names, id)?));
        self.rocks.write(&ids.iter().map(delete).collect::<Result<Vec<_>>>()?)
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

    fn read(&self, key: &[u8], sealed: &[u8]) -> Result<Photo> {
        let what = || format!("a photo row of collection {}", self.collection);
        let plain = self.records.open(&keys::context(&self.collection, key), sealed, what)?;
        record::decode(&plain)
            .ok_or_else(|| Error::Damaged { what: what(), reason: "it does not read".into() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn photo(n: u8) -> Photo {
        Photo {
            id: PhotoId([n; 16]),
            path: PathBuf::from(format!("{n}.jpg")),
            width: 1,
            height: 1,
            faces: Vec::new(),
        }
    }

    fn all(store: &Store) -> (Vec<u8>, usize) {
        let (mut ids, mut damaged) = (Vec::new(), 0);
        store.scan(|photo| ids.push(photo.id.0[0]), |_| damaged += 1).unwrap();
        ids.sort_unstable();
        (ids, damaged)
    }

    #[test]
    fn photos_are_put_found_scanned_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (path, id, key) =
            (folder.path().join("c"), CollectionId([5; 16]), Secret::random().unwrap());
        let store = Store::create(&path, id, &key).unwrap();
        store.put(&[photo(1), photo(2), photo(3)]).unwrap();
        store.delete(&[PhotoId([2; 16]), PhotoId([77; 16])]).unwrap();
        store.rewrite().unwrap();
        drop(store);
        let store = Store::open(&path, id, &key).unwrap();
        assert_eq!(all(&store), (vec![1, 3], 0));
        assert_eq!(store.get(&PhotoId([1; 16])).unwrap(), Some(photo(1)));
        assert!(!store.has(&PhotoId([2; 16])).unwrap());
    }

    #[test]
    fn another_key_opens_nothing_and_a_second_opener_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, id) = (folder.path().join("c"), CollectionId([5; 16]));
        let store = Store::create(&path, id, &Secret::random().unwrap()).unwrap();
        store.put(&[photo(1)]).unwrap();
        let key = Secret::random().unwrap();
        assert!(matches!(Store::open(&path, id, &key).err(), Some(Error::InUse { .. })));
        drop(store);
        assert_eq!(all(&Store::open(&path, id, &key).unwrap()), (vec![], 1));
    }

    #[test]
    fn derived_state_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(
            &folder.path().join("c"),
            CollectionId([5; 16]),
            &Secret::random().unwrap(),
        )
        .unwrap();
        assert_eq!(store.get_blob(Blob::Index).unwrap(), None);
        let long: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|i| i as u8).collect();
        store.put_blob(Blob::Index, &long).unwrap();
        assert_eq!(store.get_blob(Blob::Index).unwrap(), Some(long));
        store.put_blob(Blob::Index, b"short").unwrap();
        assert_eq!(store.get_blob(Blob::Index).unwrap(), Some(b"short".to_vec()));
        assert_eq!(store.get_blob(Blob::People).unwrap(), None);
    }

    #[test]
    fn a_newer_store_is_refused_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, id, key) =
            (folder.path().join("c"), CollectionId([5; 16]), Secret::random().unwrap());
        let store = Store::create(&path, id, &key).unwrap();
        store.rocks.write(&[Change::Put(keys::format(), 9u32.to_be_bytes().to_vec())]).unwrap();
        drop(store);
        assert!(matches!(
            Store::open(&path, id, &key).err(),
            Some(Error::NewerFormat { received: 9, .. })
        ));
    }
}
