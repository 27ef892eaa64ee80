//! The staging file of an upload: the received bytes in sealed chunks, all of full size except the last of
//! the photo.
//!
//! The upload's offset is computed from the length of this file and stored nowhere else. All functions block.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use picpick_engine::BlobSealer;

use crate::error::{ApiError, Result};
use crate::infra::photo_store::{Rendition, chunks, open_chunks, sealed_bytes, sealed_name};

const CHUNK: u64 = BlobSealer::CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = CHUNK + BlobSealer::CHUNK_EXTRA_BYTES as u64;

/// The staging file of one upload.
pub struct StagedUpload {
    path: PathBuf,
    /// The upload's id, which becomes the photo's id.
    id: String,
    /// Length of the whole photo, bytes.
    bytes: u64,
}

/// Returns the directory of the staging files.
pub fn folder(data: &Path) -> PathBuf {
    data.join("uploads")
}

impl StagedUpload {
    pub fn of(data: &Path, id: &str, bytes: u64) -> Self {
        Self { path: folder(data).join(id), id: id.to_owned(), bytes }
    }

    /// Creates the empty file. The file is durable when the function returns.
    pub fn create(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        self.file()?.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn file(&self) -> std::io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
    }

    /// Returns the number of bytes of the photo that the file holds.
    pub fn offset(&self) -> Result<u64> {
        let length = std::fs::metadata(&self.path).map_or(0, |found| found.len());
        Ok(self.offset_at(length))
    }

    fn offset_at(&self, length: u64) -> u64 {
        if length >= sealed_bytes(self.bytes) { self.bytes } else { length / SEALED_CHUNK * CHUNK }
    }

    /// Appends `plain` at `offset`, which must equal the current offset. Writes whole chunks only, except at
    /// the end of the photo. Syncs the file (`fdatasync`) before it returns the new offset.
    ///
    /// # Errors
    /// - `Internal` if `offset` is not the current offset.
    pub fn append(&self, sealer: &BlobSealer, offset: u64, plain: &[u8]) -> Result<u64> {
        let mut file = self.file()?;
        let there = self.offset_at(file.metadata()?.len());
        if there != offset {
            return Err(ApiError::internal(format!(
                "an upload has {there} bytes, expected {offset}"
            )));
        }
        let ends = offset + plain.len() as u64 == self.bytes;
        let whole = if ends {
            plain.len()
        } else {
            plain.len() / BlobSealer::CHUNK_BYTES * BlobSealer::CHUNK_BYTES
        };
        let (name, count) = (sealed_name(&self.id, Rendition::Original), chunks(self.bytes));
        // Cuts off a chunk that a crash left incomplete.
        let end = offset / CHUNK * SEALED_CHUNK;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        for (index, chunk) in (offset / CHUNK..)
            .zip(plain.get(..whole).unwrap_or_default().chunks(BlobSealer::CHUNK_BYTES))
        {
            file.write_all(&sealer.seal(&name, index, index + 1 == count, chunk)?)?;
        }
        file.sync_data()?;
        Ok(offset + whole as u64)
    }

    /// Returns the bytes of the complete file: first sealed, then plain.
    pub fn read(&self, sealer: &BlobSealer) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut sealed = Vec::new();
        File::open(&self.path)?.read_to_end(&mut sealed)?;
        let name = sealed_name(&self.id, Rendition::Original);
        let plain = open_chunks(sealer, &name, 0, chunks(self.bytes), &sealed)?;
        Ok((sealed, plain))
    }

    /// Removes the file. Succeeds if the file does not exist.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picpick_engine::{DataDir, RetentionPolicy};

    #[test]
    fn a_file_grows_by_whole_chunks_and_survives_a_torn_one() {
        let room = tempfile::tempdir().unwrap();
        let data = DataDir::open(&room.path().join("data"), None).unwrap();
        let keep =
            RetentionPolicy { purpose: "p".into(), legal_basis: "b".into(), ends_unix_s: None };
        data.create("event", "pack", &keep).unwrap();
        let sealer = data.blob_sealer("event").unwrap();
        let plain: Vec<u8> = (0..3 * CHUNK + 100).map(|i| (i % 249) as u8).collect();
        let staged = StagedUpload::of(room.path(), "a", plain.len() as u64);
        staged.create().unwrap();
        assert_eq!(staged.offset().unwrap(), 0);
        let offset = staged.append(&sealer, 0, &plain[..CHUNK as usize + 10]).unwrap();
        assert_eq!(offset, CHUNK, "10 bytes are not a whole chunk");
        assert!(staged.append(&sealer, 0, &plain).is_err(), "0 is not the current offset");
        // Simulates a crash in the middle of a chunk.
        let path = room.path().join("uploads/a");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[1; 1000]).unwrap();
        assert_eq!(staged.offset().unwrap(), CHUNK);
        let rest = staged.append(&sealer, CHUNK, &plain[CHUNK as usize..]).unwrap();
        assert_eq!((rest, staged.offset().unwrap()), (plain.len() as u64, plain.len() as u64));
        let (sealed, read) = staged.read(&sealer).unwrap();
        assert!(read == plain && sealed.len() as u64 == sealed_bytes(plain.len() as u64));
        assert!(
            !sealed.windows(64).any(|window| window == &plain[..64]),
            "plain bytes in the sealed file"
        );
        staged.remove().unwrap();
        staged.remove().unwrap();
    }
}
