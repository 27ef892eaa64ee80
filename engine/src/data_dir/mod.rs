//! The data folder: its format, its keyring, and one store directory per collection.
//!
//! The file `format` contains the number of the layout. The folder `keyring/`, or a folder that the operator
//! chooses, contains the keys. Each folder `collections/ID/` contains the RocksDB database of one collection;
//! ID is random.

mod checkpoints;
mod key_exports;
mod purge;
mod residue_report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::unix_now_s;
use crate::crypto::{
    BlobSealer, CollectionMetadata, Keyring, KeyringEntry, PublicKey, Secret, Vault,
    memory_is_locked,
};
use crate::erasure_log::ErasureLog;
use crate::error::{Error, Result};
use crate::format_version::{self, DATA_FORMAT};
use crate::fs::durable;
use crate::fs::{posix_locks, private};
use crate::ids::CollectionId;
use crate::store::{Store, StoreKeys};

/// An opened data folder.
pub struct DataDir {
    folder: PathBuf,
    erasure_log: Arc<ErasureLog>,
    warnings: Vec<String>,
}

/// A collection's metadata from the keyring, available without opening its store.
#[derive(Clone, Debug)]
pub struct CollectionInfo {
    pub id: CollectionId,
    pub name: String,
    /// Id of the model pack that produced its embeddings.
    pub pack: String,
    /// Seconds since the Unix epoch.
    pub created_unix_s: u64,
    pub retention: RetentionPolicy,
}

/// The retention policy of a collection: why and until when its faces are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Purpose of the processing, for instance "finding guests' photos".
    pub purpose: String,
    /// Legal basis of the processing, for instance "consent".
    pub legal_basis: String,
    /// End of the retention period, seconds since the Unix epoch. From then on the collection can no longer
    /// be opened, and must be purged. `None` for collections created by programs without retention periods.
    pub ends_unix_s: Option<u64>,
}

pub(crate) use purge::check_no_residue;
pub use residue_report::{CollectionResidue, Residue};

impl DataDir {
    /// Opens `folder`, or creates it if it does not exist or is empty. Resumes interrupted purges. Removes the
    /// permissions of group and others from the keyring. `keyring` is the folder with the keys, or `None` for
    /// `folder/keyring`.
    ///
    /// # Errors
    ///
    /// - `NotData`: the folder contains other files.
    /// - `NewerFormat`: a newer program wrote the folder or the keyring.
    /// - `Damaged`: the `format` file contains no format number, or the keyring's format number is invalid.
    /// - `Keyring`: collections exist without their keys, the keyring cannot be parsed, or its permissions
    ///   cannot be restricted to its owner.
    /// - `Io`: the folder cannot be read or created.
    pub fn open(folder: &Path, keyring: Option<&Path>) -> Result<Self> {
        let keyring_folder = keyring_of(folder, keyring);
        let path = folder.join("format");
        if let Err(Error::Io { source, .. }) = read_format(&path)
            && source.kind() == std::io::ErrorKind::NotFound
        {
            Self::initialise(folder, &path)?;
        }
        format_version::check(
            &format!("data folder {}", folder.display()),
            DATA_FORMAT,
            read_format(&path)?,
        )?;
        durable::make_folder(&folder.join("collections"), true)?;
        let exposed = private::exposed(&keyring_folder)?;
        private::restrict(&keyring_folder, &exposed)?;
        let keyring = if Keyring::exists(&keyring_folder) {
            Keyring::open(&keyring_folder)?
        } else {
            let collections = count(&folder.join("collections"));
            if collections > 0 {
                let reason = format!(
                    "it is missing, and {collections} collections are sealed with its keys; restore it, or pass its folder with --keyring"
                );
                return Err(Error::Keyring { path: keyring_folder, reason });
            }
            Keyring::create(&keyring_folder)?
        };
        let erasure_log = ErasureLog::of(folder, keyring);
        erasure_log.ensure_reserved();
        let mut data = Self {
            folder: folder.to_path_buf(),
            erasure_log: Arc::new(erasure_log),
            warnings: Vec::new(),
        };
        data.warnings = data.advance_checkpoint();
        data.warnings.extend(data.resume_purges());
        if !exposed.is_empty() {
            data.warnings.push(format!(
                "other users of this machine could use the keyring {} ({} of its files and folders); its permissions are now 0700 and 0600; a copy that another user made opens copies of its collections, also after a purge",
                keyring_folder.display(),
                exposed.len()
            ));
        }
        for id in data.erasure_log.keyring.damaged()? {
            data.warnings.push(format!(
                "the keyring's entry of collection {id} is damaged: its data cannot be read; purge it with 'picpick collections delete {id} --yes', or restore the latest copy of the keyring"
            ));
        }
        Ok(data)
    }

    /// Returns the keyring's folder and files on which group or others have a permission. Opens and changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// - `Io`: the keyring's folder cannot be listed.
    pub fn exposed_keys(folder: &Path, keyring: Option<&Path>) -> Result<Vec<PathBuf>> {
        private::exposed(&keyring_of(folder, keyring))
    }

    /// Returns warnings from opening the folder, one sentence each: resumed and failed purges, damaged
    /// entries.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the free space of the file system that contains `path`, in bytes; `None` if the system does
    /// not report it.
    pub fn free_bytes(path: &Path) -> Option<u64> {
        let found = path.ancestors().find(|ancestor| ancestor.exists())?;
        rustix::fs::statvfs(found).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Returns whether all keys that this process has read are in memory that is locked and excluded from
    /// core dumps.
    pub fn memory_is_locked() -> bool {
        memory_is_locked()
    }

    /// Returns the public key that verifies this studio's receipts.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: the keyring cannot be read, or does not decrypt its signing key.
    pub fn public_key(&self) -> Result<PublicKey> {
        Ok(self.erasure_log.keyring.signer()?.public_key())
    }

    /// Returns the sealer for secrets of programs that use the engine.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn vault(&self) -> Result<Vault> {
        Vault::of(&self.erasure_log.keyring.signer()?)
    }

    /// Returns the sealer for the photos of the collection called `name`.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn blob_sealer(&self, name: &str) -> Result<BlobSealer> {
        let entry = self.entry(name)?;
        BlobSealer::of(&entry.data_key, entry.id)
    }

    /// Returns the paths of the receipt files, oldest first.
    ///
    /// # Errors
    ///
    /// - `Io`: the folder of receipts cannot be listed.
    pub fn receipts(&self) -> Result<Vec<PathBuf>> {
        self.erasure_log.receipts.files()
    }

    /// Wraps all keys under a new generation of the key-encryption key and destroys the old generation.
    /// Returns the number of the new generation.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: the keyring cannot be read or written, or does not decrypt its keys.
    pub fn rotate_keys(&self) -> Result<u32> {
        self.erasure_log.keyring.rotate()
    }

    /// Returns the generation of the key-encryption key in use.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`: the keyring cannot be read.
    pub fn key_generation(&self) -> Result<u32> {
        self.erasure_log.keyring.generation()
    }

    /// Returns the fingerprint of a collection's data key: 32 hexadecimal digits, which do not reveal the
    /// key.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn key_fingerprint(&self, name: &str) -> Result<String> {
        Ok(hex::encode(self.entry(name)?.data_key.fingerprint()?))
    }

    /// Creates a new data folder, or completes an interrupted creation. The `format` file is written first.
    ///
    /// # Errors
    ///
    /// - `NotData`: the folder contains other files.
    /// - `Io`: the folder cannot be created or written.
    fn initialise(folder: &Path, format: &Path) -> Result<()> {
        let foreign = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            !(name == "format" || name.starts_with("format.") && name.ends_with(".tmp"))
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let strange: Vec<_> = entries.filter(|entry| foreign(&entry.file_name())).collect();
        let ours = |entry: &std::fs::DirEntry| {
            entry.file_name() == "keyring"
                || (entry.file_name() == "collections" && count(&entry.path()) == 0)
        };
        // `format` is checked again, because another process may have created the folder since the first
        // check.
        if !strange.iter().all(ours) && !format.exists() {
            return Err(Error::NotData { path: folder.to_path_buf() });
        }
        durable::make_folder(folder, true)?;
        let text = format!("{FORMAT_LINE}{DATA_FORMAT}\n");
        durable::replace(format, text.as_bytes(), 0o644)
    }

    /// Returns the collections, in order of creation.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn collections(&self) -> Result<Vec<CollectionInfo>> {
        Ok(self.erasure_log.keyring.entries()?.into_iter().map(|entry| info(&entry)).collect())
    }

    /// Returns the metadata of the collection called `name`.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn collection(&self, name: &str) -> Result<CollectionInfo> {
        self.entry(name).map(|entry| info(&entry))
    }

    /// Creates an empty collection called `name` for embeddings of the model pack `pack`.
    ///
    /// # Errors
    ///
    /// - `CollectionName`: the name is not 1 to 100 printable characters, or starts with '-'.
    /// - `CollectionExists`: the name is taken.
    /// - `Io`, `Store`, `Keyring`: the store or the keyring's entry could not be written.
    pub fn create(
        &self,
        name: &str,
        pack: &str,
        retention: &RetentionPolicy,
    ) -> Result<CollectionInfo> {
        let printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !printable || name.chars().count() > 100 || name.starts_with('-') {
            return Err(Error::CollectionName { received: name.chars().take(120).collect() });
        }
        let about = CollectionMetadata {
            name: name.to_owned(),
            pack: pack.to_owned(),
            created_unix_s: unix_now_s(),
            purpose: retention.purpose.clone(),
            legal_basis: retention.legal_basis.clone(),
            ends_unix_s: retention.ends_unix_s.unwrap_or(0),
        };
        let entry = KeyringEntry {
            id: CollectionId::random()?,
            metadata: about,
            data_key: Secret::random()?,
            canary_key: Secret::random()?,
        };
        if self.collections()?.iter().any(|other| other.name == name) {
            return Err(Error::CollectionExists { name: name.to_owned() });
        }
        // The store is created first, because a keyring entry without a store would be a collection that
        // cannot be opened. The store has a temporary name until the keyring has its key. `resume_purges`
        // removes a store without an entry.
        let _lock = durable::lock(&self.creating_lock())?;
        let (path, making) = (self.path(entry.id), self.path(entry.id).with_extension(CREATING));
        let made = Store::create(&making, entry.id, keys(&entry)).map(drop);
        if let Err(error) = made.and_then(|()| self.erasure_log.keyring.add(&entry)) {
            match self.entry(name) {
                // `add` may have written the entry although it returned an error. Then the store is needed.
                Ok(known) if known.id == entry.id => self.rename(&making, &path)?,
                Ok(_) | Err(Error::NoCollection { .. }) => drop(std::fs::remove_dir_all(&making)),
                Err(_) => {}
            }
            return Err(error);
        }
        self.rename(&making, &path)?;
        Ok(info(&entry))
    }

    /// Renames a folder in `collections/` durably.
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|source| Error::io("rename", from, source))?;
        durable::sync_folder(&self.folder.join("collections"))
    }

    /// Replaces the retention policy of the collection called `name`.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Io`, `Seal`: the keyring cannot be read or written, or does not decrypt its keys.
    pub fn set_retention(&self, name: &str, retention: &RetentionPolicy) -> Result<CollectionInfo> {
        let mut entry = self.entry(name)?;
        entry.metadata.purpose.clone_from(&retention.purpose);
        entry.metadata.legal_basis.clone_from(&retention.legal_basis);
        entry.metadata.ends_unix_s = retention.ends_unix_s.unwrap_or(0);
        self.erasure_log.keyring.set_metadata(entry.id, &entry.metadata)?;
        Ok(info(&entry))
    }

    /// Opens the store of the collection called `name`.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `RetentionEnded`: the retention period of the collection has ended.
    /// - `Keyring`: the collection's files are missing, or the keyring cannot be read.
    /// - `InUse`: another process has the store open.
    /// - `NewerFormat`: a newer program wrote the store.
    /// - `Store`, `Io`, `Damaged`: the store cannot be opened.
    pub(crate) fn store(&self, name: &str) -> Result<(CollectionInfo, Store)> {
        let entry = self.entry(name)?;
        let ends = entry.metadata.ends_unix_s;
        if ends != 0 && ends <= unix_now_s() {
            return Err(Error::RetentionEnded { name: name.to_owned() });
        }
        let path = self.path(entry.id);
        if !path.exists() {
            let reason = format!(
                "it lists collection '{name}', whose files are not in {}; pass this data folder's keyring with --keyring",
                self.folder.display()
            );
            return Err(self.erasure_log.keyring.failed(reason));
        }
        let store = Store::open(&path, entry.id, keys(&entry))?;
        Ok((info(&entry), store))
    }

    /// Returns the keyring, erasure log and receipts, for erasures inside a collection.
    pub(crate) fn erasure_log(&self) -> Arc<ErasureLog> {
        Arc::clone(&self.erasure_log)
    }

    /// Registers a file on which another library of this process (SQLite) holds POSIX record locks, so that
    /// scans read the file without releasing the locks. The file need not exist yet.
    ///
    /// # Errors
    ///
    /// - `Io`: the folder of `path` does not exist.
    pub fn announce_locked(&self, path: &Path) -> Result<()> {
        posix_locks::register(path).map_err(|source| Error::io("find the folder of", path, source))
    }

    /// Returns the folder's path.
    pub fn path_of_data(&self) -> &Path {
        &self.folder
    }

    /// Returns the keyring's entry of the collection called `name`.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub(crate) fn entry(&self, name: &str) -> Result<KeyringEntry> {
        let mut entries = self.erasure_log.keyring.entries()?;
        match entries.iter().position(|entry| entry.metadata.name == name) {
            Some(i) => Ok(entries.swap_remove(i)),
            None => {
                let names: Vec<_> =
                    entries.iter().map(|entry| entry.metadata.name.as_str()).collect();
                let known = |name: &str| entries.iter().any(|entry| entry.id.to_string() == name);
                let folders = std::fs::read_dir(self.folder.join("collections"));
                let sealed = folders.into_iter().flatten().flatten();
                let lost =
                    sealed.filter(|entry| !known(&entry.file_name().to_string_lossy())).count();
                let hint = match names.as_slice() {
                    _ if lost > 0 => format!(
                        "; the keyring has no keys for {lost} of the collections here: pass this data folder's keyring with --keyring"
                    ),
                    [] => "; make one with 'picpick collections create NAME'".to_owned(),
                    names => format!("; there are: {}", names.join(", ")),
                };
                Err(Error::NoCollection { name: name.to_owned(), hint })
            }
        }
    }

    /// Returns the folder with a collection's files.
    pub(crate) fn path(&self, id: CollectionId) -> PathBuf {
        self.folder.join("collections").join(id.to_string())
    }
}

/// Extension of a collection's folder during its creation. A crash may leave folders with this extension,
/// [`RESTORING`] or [`REPLACED`]; the next opening of the data folder removes or renames them.
pub(crate) const CREATING: &str = "making";
/// Extension of the folder into which a backup is restored.
pub(crate) const RESTORING: &str = "restoring";
/// Extension of a collection's old folder while a restored folder replaces it.
pub(crate) const REPLACED: &str = "replaced";

const FORMAT_LINE: &str = "picpick data folder, format ";

/// Returns the number in the `format` file `path`, or 0 if the file contains no number.
fn read_format(path: &Path) -> Result<i64> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
    let number = text.trim().strip_prefix(FORMAT_LINE).and_then(|number| number.parse().ok());
    Ok(number.unwrap_or(0))
}

fn info(entry: &KeyringEntry) -> CollectionInfo {
    let CollectionMetadata { name, pack, created_unix_s, purpose, legal_basis, ends_unix_s } =
        entry.metadata.clone();
    let ends_unix_s = (ends_unix_s != 0).then_some(ends_unix_s);
    let retention = RetentionPolicy { purpose, legal_basis, ends_unix_s };
    CollectionInfo { id: entry.id, name, pack, created_unix_s, retention }
}

fn keys(entry: &KeyringEntry) -> StoreKeys<'_> {
    StoreKeys { data: &entry.data_key, canary: &entry.canary_key }
}

fn keyring_of(data: &Path, keyring: Option<&Path>) -> PathBuf {
    keyring.map_or_else(|| data.join("keyring"), Path::to_path_buf)
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

#[cfg(test)]
mod tests;
