//! The photo store: sealed photos in an object store (data folder or bucket), read whole or by range.
//!
//! Photos are sealed in chunks under their event's key, so the object store holds only ciphertext, and
//! after a purge of the key the keyring opens no copy of it. All functions block.

use std::ops::Range;
use std::sync::Arc;

use picpick_engine::BlobSealer;
use picpick_engine::object_store::{self, ObjectStore};

use crate::config::settings::Settings;
use crate::error::{ApiError, Result};

const CHUNK: u64 = BlobSealer::CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = CHUNK + BlobSealer::CHUNK_EXTRA_BYTES as u64;

/// A stored rendition of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// The uploaded file, unchanged.
    Original,
    /// Reduced for screens.
    Web,
    /// A thumbnail for lists.
    Thumb,
    /// Reduced for screens, with a watermark.
    Marked,
}

impl Rendition {
    fn name(self) -> &'static str {
        match self {
            Rendition::Original => "original",
            Rendition::Web => "web",
            Rendition::Thumb => "thumb",
            Rendition::Marked => "marked",
        }
    }

    /// All renditions in the order of their removal. `put_derivative` relies on the original being the first.
    pub const ALL: [Rendition; 4] =
        [Rendition::Original, Rendition::Web, Rendition::Thumb, Rendition::Marked];
}

/// The photo store. Clones share one object store.
#[derive(Clone)]
pub struct PhotoStore(Arc<dyn ObjectStore>);

/// Returns the name that is authenticated with each sealed chunk of a rendition.
pub fn sealed_name(photo: &str, kind: Rendition) -> String {
    format!("{photo}.{}", kind.name())
}

fn object(event: &str, photo: &str, kind: Rendition) -> String {
    format!("{event}/{}", sealed_name(photo, kind))
}

/// Returns the number of chunks of a plaintext of `bytes` bytes, at least 1.
pub fn chunks(bytes: u64) -> u64 {
    bytes.div_ceil(CHUNK).max(1)
}

/// Returns the sealed size of a plaintext of `bytes` bytes.
pub fn sealed_bytes(bytes: u64) -> u64 {
    bytes + chunks(bytes) * BlobSealer::CHUNK_EXTRA_BYTES as u64
}

impl PhotoStore {
    /// Opens the object store of `settings`: the bucket, or the folder `photos` in the data folder.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let place = match &settings.bucket {
            Some((at, access)) => object_store::open(at, Some(access))?,
            None => object_store::open(&settings.data.join("photos").to_string_lossy(), None)?,
        };
        Ok(Self(place.into()))
    }

    #[cfg(test)]
    pub fn over(place: impl ObjectStore + 'static) -> Self {
        Self(Arc::new(place))
    }

    /// Stores an already sealed rendition.
    pub fn put_sealed(
        &self,
        event: &str,
        photo: &str,
        kind: Rendition,
        sealed: &[u8],
    ) -> Result<()> {
        Ok(self.0.put(&object(event, photo, kind), sealed)?)
    }

    /// Seals and stores a rendition.
    pub fn put(
        &self,
        sealer: &BlobSealer,
        event: &str,
        photo: &str,
        kind: Rendition,
        plain: &[u8],
    ) -> Result<()> {
        let name = sealed_name(photo, kind);
        let count = chunks(plain.len() as u64);
        let mut sealed =
            Vec::with_capacity(plain.len() + count as usize * BlobSealer::CHUNK_EXTRA_BYTES);
        for index in 0..count {
            let from = index as usize * BlobSealer::CHUNK_BYTES;
            let chunk = plain
                .get(from..plain.len().min(from + BlobSealer::CHUNK_BYTES))
                .unwrap_or_default();
            sealed.extend(sealer.seal(&name, index, index + 1 == count, chunk)?);
        }
        self.put_sealed(event, photo, kind, &sealed)
    }

    /// Stores a derivative unless the photo is removed concurrently. A removal deletes the original first. If
    /// the original is missing after the write, this function therefore deletes the derivative again.
    ///
    /// # Errors
    /// - `NotFound` if the photo was removed.
    /// - `Busy` if the object store does not respond.
    pub fn put_derivative(
        &self,
        sealer: &BlobSealer,
        event: &str,
        photo: &str,
        kind: Rendition,
        plain: &[u8],
    ) -> Result<()> {
        self.put(sealer, event, photo, kind, plain)?;
        let found = self.0.get_range(&object(event, photo, Rendition::Original), 0..1);
        if !matches!(found, Ok(Some(_))) {
            // Also deleted if the check fails: the derivative can be rendered again.
            self.0.delete(&object(event, photo, kind))?;
        }
        found?.map(drop).ok_or_else(ApiError::not_found)
    }

    /// Returns the whole plaintext of a rendition; `None` if it does not exist.
    pub fn get(
        &self,
        sealer: &BlobSealer,
        event: &str,
        photo: &str,
        kind: Rendition,
    ) -> Result<Option<Vec<u8>>> {
        let Some(sealed) = self.0.get(&object(event, photo, kind))? else { return Ok(None) };
        let name = sealed_name(photo, kind);
        open_chunks(sealer, &name, 0, chunks_in(sealed.len() as u64), &sealed).map(Some)
    }

    /// Returns the bytes `range` of an original of `bytes` bytes.
    ///
    /// # Errors
    /// - `Internal` if the original is missing.
    /// - `Busy` if the object store does not respond.
    pub fn get_range(
        &self,
        sealer: &BlobSealer,
        event: &str,
        photo: &str,
        bytes: u64,
        range: Range<u64>,
    ) -> Result<Vec<u8>> {
        let (first, end) = (range.start / CHUNK, range.end.div_ceil(CHUNK).min(chunks(bytes)));
        let sealed_range = first * SEALED_CHUNK..(end * SEALED_CHUNK).min(sealed_bytes(bytes));
        let sealed = self.0.get_range(&object(event, photo, Rendition::Original), sealed_range)?;
        let missing = || {
            ApiError::internal(format!(
                "photo {photo} is in the database, but its file is missing in the photo store"
            ))
        };
        let sealed = sealed.ok_or_else(missing)?;
        let name = sealed_name(photo, Rendition::Original);
        let mut plain = open_chunks(sealer, &name, first, chunks(bytes), &sealed)?;
        let skip = usize::try_from(range.start - first * CHUNK).unwrap_or(usize::MAX);
        let take = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        plain.drain(..skip.min(plain.len()));
        plain.truncate(take);
        Ok(plain)
    }

    /// Removes all renditions of a photo, in all object versions.
    pub fn remove(&self, event: &str, photo: &str) -> Result<()> {
        Ok(Rendition::ALL
            .into_iter()
            .try_for_each(|kind| self.0.delete(&object(event, photo, kind)))?)
    }

    /// Removes the renditions of all photos of an event.
    pub fn remove_event(&self, event: &str) -> Result<()> {
        let all = self.0.list(&format!("{event}/"))?;
        Ok(all.iter().try_for_each(|object| self.0.delete(&object.name))?)
    }
}

fn chunks_in(sealed_bytes: u64) -> u64 {
    sealed_bytes.div_ceil(SEALED_CHUNK).max(1)
}

/// Unseals consecutive chunks from index `first` on, of a blob with `count` chunks in total.
pub fn open_chunks(
    sealer: &BlobSealer,
    name: &str,
    first: u64,
    count: u64,
    sealed: &[u8],
) -> Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(sealed.len());
    for (index, chunk) in (first..).zip(sealed.chunks(SEALED_CHUNK as usize)) {
        plain.extend_from_slice(&sealer.open(name, index, index + 1 == count, chunk)?);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picpick_engine::{DataDir, RetentionPolicy};

    #[test]
    fn what_is_made_of_a_photo_goes_along_with_it() {
        let room = tempfile::tempdir().unwrap();
        let data = DataDir::open(&room.path().join("data"), None).unwrap();
        let keep =
            RetentionPolicy { purpose: "p".into(), legal_basis: "b".into(), ends_unix_s: None };
        data.create("event", "pack", &keep).unwrap();
        let sealer = data.blob_sealer("event").unwrap();
        let photos = room.path().join("photos");
        let blobs = PhotoStore(object_store::open(&photos.to_string_lossy(), None).unwrap().into());
        blobs.put(&sealer, "e", "p", Rendition::Original, b"file").unwrap();
        blobs.put_derivative(&sealer, "e", "p", Rendition::Web, b"made").unwrap();
        assert_eq!(blobs.get(&sealer, "e", "p", Rendition::Web).unwrap().unwrap(), b"made");
        // A worker that has read the original before the removal finishes after it.
        blobs.remove("e", "p").unwrap();
        for kind in [Rendition::Web, Rendition::Thumb, Rendition::Marked] {
            let late = blobs.put_derivative(&sealer, "e", "p", kind, b"made").unwrap_err();
            assert_eq!(late.kind, crate::error::ErrorKind::NotFound);
        }
        assert_eq!(blobs.0.list("e/").unwrap(), []);
    }

    #[test]
    fn any_part_of_a_blob_is_what_the_whole_has_there() {
        let room = tempfile::tempdir().unwrap();
        let data = DataDir::open(&room.path().join("data"), None).unwrap();
        let keep =
            RetentionPolicy { purpose: "p".into(), legal_basis: "b".into(), ends_unix_s: None };
        data.create("event", "pack", &keep).unwrap();
        let sealer = data.blob_sealer("event").unwrap();
        let blobs = PhotoStore(
            object_store::open(&room.path().join("photos").to_string_lossy(), None).unwrap().into(),
        );
        for bytes in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5] {
            let plain: Vec<u8> = (0..bytes).map(|i| (i * 7 % 251) as u8).collect();
            blobs.put(&sealer, "e", "p", Rendition::Original, &plain).unwrap();
            assert_eq!(blobs.get(&sealer, "e", "p", Rendition::Original).unwrap().unwrap(), plain);
            for range in [0..1, 0..bytes, bytes - 1..bytes, bytes / 2..bytes, bytes / 3..bytes / 2]
            {
                let part = blobs.get_range(&sealer, "e", "p", bytes, range.clone()).unwrap();
                assert_eq!(
                    part,
                    plain[range.start as usize..range.end as usize],
                    "{bytes} {range:?}"
                );
            }
            let stored = std::fs::metadata(room.path().join("photos/e/p.original")).unwrap().len();
            assert_eq!(stored, sealed_bytes(bytes));
        }
        blobs.remove_event("e").unwrap();
        assert!(blobs.get(&sealer, "e", "p", Rendition::Original).unwrap().is_none());
        assert!(!room.path().join("photos/e").exists());
    }
}
