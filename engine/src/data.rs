//! The data folder: its format, its keyring, and one store directory per collection.
//!
//! `format` names the layout, `keyring/` (or a folder elsewhere) holds the keys, `collections/ID/` one
//! RocksDB each, named by a random id. Knows nothing of photos, models or matching.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::crypto::{Entry, Keyring, Secret};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::CollectionId;
use crate::store::Store;
use crate::store::version::{self, DATA_FORMAT};

/// An opened data folder.
pub struct DataFolder {
    folder: PathBuf,
    keyring: Keyring,
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
}

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
        Ok(Self { folder: folder.to_path_buf(), keyring })
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
        Ok(self.keyring.entries()?.into_iter().map(|entry| info(&entry)).collect())
    }

    /// What is known of the collection called `name`, or `Error::NoCollection`.
    pub fn collection(&self, name: &str) -> Result<CollectionInfo> {
        self.entry(name).map(|entry| info(&entry))
    }

    /// Makes an empty collection for embeddings of `pack`.
    pub fn create(&self, name: &str, pack: &str) -> Result<CollectionInfo> {
        let printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !printable || name.chars().count() > 100 || name.starts_with('-') {
            return Err(Error::CollectionName { received: name.chars().take(120).collect() });
        }
        let entry = Entry {
            id: CollectionId::random()?,
            name: name.to_owned(),
            pack: pack.to_owned(),
            created_unix_s: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_secs()),
            data_key: Secret::random()?,
        };
        if self.collections()?.iter().any(|other| other.name == name) {
            return Err(Error::CollectionExists { name: name.to_owned() });
        }
        // The store comes first: an entry without a store would be a collection that cannot open.
        let path = self.path(entry.id);
        Store::create(&path, entry.id, &entry.data_key)?;
        if let Err(error) = self.keyring.add(&entry) {
            // Nobody has seen it yet; a directory that stays behind opens with no key.
            let _ = std::fs::remove_dir_all(&path);
            return Err(error);
        }
        Ok(info(&entry))
    }

    /// Opens the store of the collection called `name`.
    pub(crate) fn store(&self, name: &str) -> Result<(CollectionInfo, Store)> {
        let entry = self.entry(name)?;
        let path = self.path(entry.id);
        if !path.exists() {
            let reason = format!(
                "it lists collection '{name}', whose files are not in {}; is it another folder's keyring?",
                self.folder.display()
            );
            return Err(self.keyring.failed(reason));
        }
        let store = Store::open(&path, entry.id, &entry.data_key)?;
        Ok((info(&entry), store))
    }

    /// Deletes a collection: first its key, from when on nothing opens its bytes, then its files.
    /// `Error::InUse` while another process has it open.
    pub fn delete(&self, name: &str) -> Result<()> {
        let entry = self.entry(name)?;
        let path = self.path(entry.id);
        // Opening takes the lock; damage must not keep a collection from being deleted.
        if let Err(error @ Error::InUse { .. }) = Store::open(&path, entry.id, &entry.data_key) {
            return Err(error);
        }
        self.keyring.remove(entry.id)?;
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", path, source))
            }
            _ => files::sync_folder(&self.folder.join("collections")),
        }
    }

    /// The folder's path.
    pub fn path_of_data(&self) -> &Path {
        &self.folder
    }

    fn entry(&self, name: &str) -> Result<Entry> {
        let mut entries = self.keyring.entries()?;
        match entries.iter().position(|entry| entry.name == name) {
            Some(i) => Ok(entries.swap_remove(i)),
            None => {
                let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
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

    fn path(&self, id: CollectionId) -> PathBuf {
        self.folder.join("collections").join(id.to_string())
    }
}

const FORMAT_LINE: &str = "picpick data folder, format ";

/// The number in the folder's format file; 0 where it names none.
fn read_format(path: &Path) -> Result<i64> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
    let number = text.trim().strip_prefix(FORMAT_LINE).and_then(|number| number.parse().ok());
    Ok(number.unwrap_or(0))
}

fn info(entry: &Entry) -> CollectionInfo {
    let (name, pack) = (entry.name.clone(), entry.pack.clone());
    CollectionInfo { id: entry.id, name, pack, created_unix_s: entry.created_unix_s }
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_made_listed_and_deleted_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("deep/data"), None).unwrap();
        let made = data.create("Wedding", "pack@1").unwrap();
        assert!(matches!(data.create("Wedding", "pack@1"), Err(Error::CollectionExists { .. })));
        assert_eq!(data.collection("Wedding").unwrap().id, made.id);
        assert!(matches!(data.collection("wedding"), Err(Error::NoCollection { .. })));
        let open = data.store("Wedding").unwrap();
        assert!(matches!(data.delete("Wedding"), Err(Error::InUse { .. })));
        drop(open);
        data.delete("Wedding").unwrap();
        assert!(data.collections().unwrap().is_empty());
        assert_eq!(count(&folder.path().join("deep/data/collections")), 0);
    }

    #[test]
    fn bad_names_newer_folders_and_foreign_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path(), None).unwrap();
        for bad in ["", "  ", "-x", "a\nb", &"x".repeat(101)] {
            assert!(matches!(data.create(bad, "p"), Err(Error::CollectionName { .. })), "{bad:?}");
        }
        std::fs::write(folder.path().join("format"), "picpick data folder, format 2\n").unwrap();
        assert!(matches!(
            DataFolder::open(folder.path(), None).err(),
            Some(Error::NewerFormat { received: 2, .. })
        ));
        std::fs::write(folder.path().join("format"), "nonsense").unwrap();
        assert!(matches!(DataFolder::open(folder.path(), None).err(), Some(Error::Damaged { .. })));
        let foreign = tempfile::tempdir().unwrap();
        std::fs::write(foreign.path().join("taxes.pdf"), "x").unwrap();
        assert!(DataFolder::open(foreign.path(), None).is_err());
    }

    #[test]
    fn a_missing_keyring_is_never_silently_replaced() {
        let folder = tempfile::tempdir().unwrap();
        DataFolder::open(folder.path(), None).unwrap().create("a", "p").unwrap();
        std::fs::rename(folder.path().join("keyring"), folder.path().join("elsewhere")).unwrap();
        assert!(
            DataFolder::open(folder.path(), None).err().unwrap().to_string().contains("missing")
        );
        let found =
            DataFolder::open(folder.path(), Some(&folder.path().join("elsewhere"))).unwrap();
        assert_eq!(found.collections().unwrap().len(), 1);
    }
}
