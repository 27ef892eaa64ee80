use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

use super::provider::KeyProvider;
use super::{Sealer, Secret};
use crate::error::{Error, Result};
use crate::fs::durable;

/// A key provider that stores key-encryption keys as files in a local folder: `kek.G` for generation G, 32
/// bytes, mode 0600.
///
/// Destroying a key overwrites the file in place before removing it. Assumes that a user with read access to
/// the folder is allowed to use the keys.
pub(super) struct FileProvider {
    folder: PathBuf,
}

impl FileProvider {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    fn path(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("kek.{generation}"))
    }

    /// Reads the key of `generation`, for this provider and for migrations.
    pub(super) fn kek(&self, generation: u32) -> Result<Secret> {
        let path = self.path(generation);
        let bytes = std::fs::read(&path)
            .map(Zeroizing::new)
            .map_err(|source| Error::io("read", &path, source))?;
        let received = bytes.len();
        Secret::from_bytes(&bytes).ok_or_else(|| {
            self.failed(format!(
                "kek.{generation} has {received} bytes, expected 32; restore it from a backup"
            ))
        })
    }

    fn failed(&self, reason: String) -> Error {
        Error::Keyring { path: self.folder.clone(), reason }
    }
}

impl KeyProvider for FileProvider {
    fn generations(&self) -> Result<Vec<u32>> {
        let listing = std::fs::read_dir(&self.folder)
            .map_err(|source| Error::io("list", &self.folder, source))?;
        let generation = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix("kek.")?.parse::<u32>().ok()
        };
        let mut all: Vec<u32> = listing.flatten().filter_map(generation).collect();
        all.sort_unstable();
        Ok(all)
    }

    fn create(&self, generation: u32) -> Result<()> {
        durable::replace(&self.path(generation), Secret::random()?.bytes(), 0o600)
    }

    fn wrap(&self, generation: u32, context: &[u8], key: &Secret) -> Result<Vec<u8>> {
        Sealer::new(self.kek(generation)?).seal(context, key.bytes())
    }

    fn unwrap(&self, generation: u32, context: &[u8], wrapped: &[u8]) -> Result<Secret> {
        let opened = Sealer::new(self.kek(generation)?).open(context, wrapped, String::new);
        opened.ok().and_then(|bytes| Secret::from_bytes(&bytes)).ok_or_else(|| {
            let what = String::from_utf8_lossy(context).into_owned();
            self.failed(format!("its key does not open '{what}': wrong keyring, or damaged; use the keyring of this data folder"))
        })
    }

    fn destroy(&self, generation: u32) -> Result<()> {
        durable::destroy(&self.path(generation))
    }
}
