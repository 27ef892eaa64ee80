//! The data folder: its format, its keyring, and one store directory per collection.
//!
//! `format` names the layout, `keyring/` (or a folder elsewhere) holds the keys, `collections/ID/` one
//! RocksDB each, named by a random id. Knows nothing of models or matching.

mod purge;
mod residue;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::books::Books;
use crate::clock::unix_now_s;
use crate::crypto::{About, BlobSealer, Entry, Keyring, PublicKey, Secret, Vault};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::CollectionId;
use crate::locked;
use crate::store::version::{self, DATA_FORMAT};
use crate::store::{Store, StoreKeys};

/// An opened data folder.
pub struct DataFolder {
    folder: PathBuf,
    books: Arc<Books>,
    remarks: Vec<String>,
}

/// What the keyring says of a collection, without opening it.
#[derive(Clone, Debug)]
pub struct CollectionInfo {
    pub id: CollectionId,
    pub name: String,
    /// Id of the model pack its embeddings were made with.
    pub pack: String,
    /// Seconds since 1970.
    pub created_unix_s: u64,
    pub keep: Keep,
}

/// Why and until when faces are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What they are kept for, for instance "finding guests' photos".
    pub purpose: String,
    /// On which legal basis, for instance "consent".
    pub legal_basis: String,
    /// When the collection is to be purged, seconds since 1970; from then on it is neither searched nor
    /// added to. `None` for collections of programs that knew no end.
    pub ends_unix_s: Option<u64>,
}

pub(crate) use purge::none_left;
pub use residue::{CollectionResidue, Residue};

impl DataFolder {
    /// Opens `folder`, or makes it when it does not exist or is empty. `keyring`: where the keys
    /// are; `None` for `folder/keyring`.
    ///
    /// Errors: `NewerFormat` for a newer program's folder, `Keyring` when collections are there and
    /// their keys are not, `Io` when it cannot be read or made.
    pub fn open(folder: &Path, keyring: Option<&Path>) -> Result<Self> {
        let keyring_folder = keyring.map_or_else(|| folder.join("keyring"), Path::to_path_buf);
        let path = folder.join("format");
        if let Err(Error::Io { source, .. }) = read_format(&path)
            && source.kind() == std::io::ErrorKind::NotFound
        {
            Self::make(folder, &path)?;
        }
        version::check(
            &format!("data folder {}", folder.display()),
            DATA_FORMAT,
            read_format(&path)?,
        )?;
        files::make_folder(&folder.join("collections"), true)?;
        let keyring = if Keyring::exists(&keyring_folder) {
            Keyring::open(&keyring_folder)?
        } else {
            let collections = count(&folder.join("collections"));
            if collections > 0 {
                let reason = format!(
                    "it is missing, and {collections} collections are sealed with its keys; put it back or name its folder"
                );
                return Err(Error::Keyring { path: keyring_folder, reason });
            }
            Keyring::create(&keyring_folder)?
        };
        let books = Books::of(folder, keyring);
        books.keep_room();
        let mut data =
            Self { folder: folder.to_path_buf(), books: Arc::new(books), remarks: Vec::new() };
        data.remarks = data.resume();
        for id in data.books.keyring.damaged()? {
            data.remarks.push(format!(
                "the keyring's entry of collection {id} is damaged: nothing of it can be read any more; purge it with 'picpick collections delete {id} --yes', or bring the keyring's last copy back"
            ));
        }
        Ok(data)
    }

    /// What was taken up again on opening, or could not be, one sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The key that checks this studio's receipts.
    pub fn public_key(&self) -> Result<PublicKey> {
        Ok(self.books.keyring.signer()?.public_key())
    }

    /// Seals secrets of the programs around the engine.
    pub fn vault(&self) -> Result<Vault> {
        Vault::of(&self.books.keyring.signer()?)
    }

    /// Seals the photos of the collection called `name`.
    pub fn blob_sealer(&self, name: &str) -> Result<BlobSealer> {
        let entry = self.entry(name)?;
        BlobSealer::of(&entry.data_key, entry.id)
    }

    /// The receipt files, oldest first.
    pub fn receipts(&self) -> Result<Vec<PathBuf>> {
        self.books.receipts.files()
    }

    /// Wraps all keys under a new generation of key-encryption key and destroys the old one; its number.
    pub fn rotate_keys(&self) -> Result<u32> {
        self.books.keyring.rotate()
    }

    /// The generation of key-encryption key in use.
    pub fn key_generation(&self) -> Result<u32> {
        self.books.keyring.generation()
    }

    /// Names the data key of a collection without telling anything of it, hexadecimal.
    pub fn key_fingerprint(&self, name: &str) -> Result<String> {
        Ok(crate::ids::hex(&self.entry(name)?.data_key.fingerprint()?))
    }

    /// Makes a new data folder, or completes one whose making was cut short: `format` comes first.
    fn make(folder: &Path, format: &Path) -> Result<()> {
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
        // Read once more: another process may have made the folder between the two looks.
        if !strange.iter().all(ours) && !format.exists() {
            return Err(Error::NotData { path: folder.to_path_buf() });
        }
        files::make_folder(folder, true)?;
        let text = format!("{FORMAT_LINE}{DATA_FORMAT}\n");
        files::replace(format, text.as_bytes(), 0o644)
    }

    /// The collections, in order of creation.
    pub fn collections(&self) -> Result<Vec<CollectionInfo>> {
        Ok(self.books.keyring.entries()?.into_iter().map(|entry| info(&entry)).collect())
    }

    /// What is known of the collection called `name`, or `Error::NoCollection`.
    pub fn collection(&self, name: &str) -> Result<CollectionInfo> {
        self.entry(name).map(|entry| info(&entry))
    }

    /// Makes an empty collection for embeddings of `pack`.
    pub fn create(&self, name: &str, pack: &str, keep: &Keep) -> Result<CollectionInfo> {
        let printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !printable || name.chars().count() > 100 || name.starts_with('-') {
            return Err(Error::CollectionName { received: name.chars().take(120).collect() });
        }
        let about = About {
            name: name.to_owned(),
            pack: pack.to_owned(),
            created_unix_s: unix_now_s(),
            purpose: keep.purpose.clone(),
            legal_basis: keep.legal_basis.clone(),
            ends_unix_s: keep.ends_unix_s.unwrap_or(0),
        };
        let entry = Entry {
            id: CollectionId::random()?,
            about,
            data_key: Secret::random()?,
            canary_key: Secret::random()?,
        };
        if self.collections()?.iter().any(|other| other.name == name) {
            return Err(Error::CollectionExists { name: name.to_owned() });
        }
        // The store comes first, under a name of its own until the keyring has its key: an entry
        // without a store would be a collection that cannot open, and `resume` knows what to remove.
        let _lock = files::lock(&self.making_lock())?;
        let (path, making) = (self.path(entry.id), self.path(entry.id).with_extension(MAKING));
        let made = Store::create(&making, entry.id, keys(&entry)).map(drop);
        if let Err(error) = made.and_then(|()| self.books.keyring.add(&entry)) {
            match self.entry(name) {
                // An addition may meet an error and be there all the same: the store belongs to it.
                Ok(known) if known.id == entry.id => self.rename(&making, &path)?,
                Ok(_) | Err(Error::NoCollection { .. }) => drop(std::fs::remove_dir_all(&making)),
                Err(_) => {}
            }
            return Err(error);
        }
        self.rename(&making, &path)?;
        Ok(info(&entry))
    }

    /// Renames a folder among the collections, durably.
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|source| Error::io("rename", from, source))?;
        files::sync_folder(&self.folder.join("collections"))
    }

    /// Changes why and until when the collection called `name` is kept.
    pub fn keep(&self, name: &str, keep: &Keep) -> Result<CollectionInfo> {
        let mut entry = self.entry(name)?;
        entry.about.purpose.clone_from(&keep.purpose);
        entry.about.legal_basis.clone_from(&keep.legal_basis);
        entry.about.ends_unix_s = keep.ends_unix_s.unwrap_or(0);
        self.books.keyring.describe(entry.id, &entry.about)?;
        Ok(info(&entry))
    }

    /// Opens the store of the collection called `name`. `Error::Ended` when it is not to be kept any
    /// more.
    pub(crate) fn store(&self, name: &str) -> Result<(CollectionInfo, Store)> {
        let entry = self.entry(name)?;
        let ends = entry.about.ends_unix_s;
        if ends != 0 && ends <= unix_now_s() {
            return Err(Error::Ended { name: name.to_owned() });
        }
        let path = self.path(entry.id);
        if !path.exists() {
            let reason = format!(
                "it lists collection '{name}', whose files are not in {}; is it another folder's keyring?",
                self.folder.display()
            );
            return Err(self.books.keyring.failed(reason));
        }
        let store = Store::open(&path, entry.id, keys(&entry))?;
        Ok((info(&entry), store))
    }

    /// The keyring and the books, for the erasures inside a collection.
    pub(crate) fn books(&self) -> Arc<Books> {
        Arc::clone(&self.books)
    }

    /// Announces a file, there already or not, on which another library of this process holds record locks
    /// as SQLite does: scans then leave the locks alone.
    ///
    /// Errors: `Io` when its folder is not there.
    pub fn announce_locked(&self, path: &Path) -> Result<()> {
        locked::announce(path).map_err(|source| Error::io("find the folder of", path, source))
    }

    /// The folder's path.
    pub fn path_of_data(&self) -> &Path {
        &self.folder
    }

    /// The keyring's entry of the collection called `name`.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry> {
        let mut entries = self.books.keyring.entries()?;
        match entries.iter().position(|entry| entry.about.name == name) {
            Some(i) => Ok(entries.swap_remove(i)),
            None => {
                let names: Vec<_> = entries.iter().map(|entry| entry.about.name.as_str()).collect();
                let known = |name: &str| entries.iter().any(|entry| entry.id.to_string() == name);
                let folders = std::fs::read_dir(self.folder.join("collections"));
                let sealed = folders.into_iter().flatten().flatten();
                let lost =
                    sealed.filter(|entry| !known(&entry.file_name().to_string_lossy())).count();
                let hint = match names.as_slice() {
                    _ if lost > 0 => format!(
                        "; the keyring does not know {lost} of the collections here: is it this folder's keyring?"
                    ),
                    [] => "; make one with 'picpick collections create NAME'".to_owned(),
                    names => format!("; there are: {}", names.join(", ")),
                };
                Err(Error::NoCollection { name: name.to_owned(), hint })
            }
        }
    }

    /// Where the files of a collection lie.
    pub(crate) fn path(&self, id: CollectionId) -> PathBuf {
        self.folder.join("collections").join(id.to_string())
    }
}

/// Endings of folders among the collections that a crash may leave: one in the making, one that a backup
/// is restored to, and one that the restored one replaces.
pub(crate) const MAKING: &str = "making";
pub(crate) const RESTORING: &str = "restoring";
pub(crate) const REPLACED: &str = "replaced";

const FORMAT_LINE: &str = "picpick data folder, format ";

/// The number in the folder's format file; 0 where it names none.
fn read_format(path: &Path) -> Result<i64> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
    let number = text.trim().strip_prefix(FORMAT_LINE).and_then(|number| number.parse().ok());
    Ok(number.unwrap_or(0))
}

fn info(entry: &Entry) -> CollectionInfo {
    let About { name, pack, created_unix_s, purpose, legal_basis, ends_unix_s } =
        entry.about.clone();
    let ends_unix_s = (ends_unix_s != 0).then_some(ends_unix_s);
    let keep = Keep { purpose, legal_basis, ends_unix_s };
    CollectionInfo { id: entry.id, name, pack, created_unix_s, keep }
}

fn keys(entry: &Entry) -> StoreKeys<'_> {
    StoreKeys { data: &entry.data_key, canary: &entry.canary_key }
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

#[cfg(test)]
mod tests;
