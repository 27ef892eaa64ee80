//! The keyring: one wrapped data key per collection, in a folder outside every store.
//!
//! `kek.G` holds key-encryption key generation G (32 bytes, 0600); `keys.toml` the data keys wrapped
//! under it, each beside the collection's name and pack. Removing an entry makes a collection's bytes
//! unreadable. Knows nothing of RocksDB, photos or faces.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

use super::{Sealer, Secret};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::CollectionId;
use crate::store::version::{self, KEYRING_FORMAT};

/// What the keyring keeps of a collection; all of it is sealed on disk.
pub(crate) struct Entry {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    /// Id of the model pack whose embeddings the collection holds.
    pub(crate) pack: String,
    /// Seconds since 1970.
    pub(crate) created_unix_s: u64,
    pub(crate) data_key: Secret,
}

/// The keyring folder. Reads it afresh at each call: other processes may change it.
pub(crate) struct Keyring {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    format: u32,
    /// Generation of the key-encryption key that wraps the entries.
    generation: u32,
    #[serde(default)]
    collection: Vec<WrappedEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedEntry {
    id: String,
    /// Hexadecimal: nonce ‖ ciphertext ‖ tag.
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct OpenEntry {
    name: String,
    pack: String,
    created_unix_s: u64,
    data_key: Zeroizing<String>,
}

impl Keyring {
    /// Whether `folder` holds a keyring.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join("keys.toml").exists()
    }

    /// Makes a keyring with a fresh key-encryption key, generation 1.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        files::make_folder(folder, true)?;
        let keyring = Self { folder: folder.to_path_buf() };
        let _lock = keyring.lock()?;
        if !Self::exists(folder) {
            files::replace(&keyring.kek_path(1), Secret::random()?.bytes(), 0o600)?;
            keyring.write(&KeysFile {
                format: KEYRING_FORMAT,
                generation: 1,
                collection: Vec::new(),
            })?;
        }
        Ok(keyring)
    }

    /// Opens an existing keyring; `Error::Keyring` or `Error::NewerFormat` when it does not read.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let keyring = Self { folder: folder.to_path_buf() };
        let keys = keyring.read()?;
        keyring.kek(keys.generation)?;
        Ok(keyring)
    }

    /// All entries, in order of creation.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let keys = self.read()?;
        let sealer = Sealer::new(&self.kek(keys.generation)?);
        keys.collection.iter().map(|wrapped| self.unwrap(&sealer, wrapped)).collect()
    }

    /// Adds `entry`; `Error::CollectionExists` when its name is taken.
    pub(crate) fn add(&self, entry: &Entry) -> Result<()> {
        let _lock = self.lock()?;
        if self.entries()?.iter().any(|other| other.name == entry.name) {
            return Err(Error::CollectionExists { name: entry.name.clone() });
        }
        let mut keys = self.read()?;
        let sealer = Sealer::new(&self.kek(keys.generation)?);
        keys.collection.push(self.wrap(&sealer, entry)?);
        self.write(&keys)
    }

    /// Removes the entry of `id`: from here on nothing opens the collection's bytes.
    pub(crate) fn remove(&self, id: CollectionId) -> Result<()> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let name = id.to_string();
        keys.collection.retain(|entry| entry.id != name);
        self.write(&keys)
    }

    fn wrap(&self, sealer: &Sealer, entry: &Entry) -> Result<WrappedEntry> {
        let open = OpenEntry {
            name: entry.name.clone(),
            pack: entry.pack.clone(),
            created_unix_s: entry.created_unix_s,
            data_key: Zeroizing::new(hex(entry.data_key.bytes())),
        };
        let text = toml::to_string(&open)
            .map(Zeroizing::new)
            .map_err(|error| self.failed(error.to_string()))?;
        let id = entry.id.to_string();
        let sealed = hex(&sealer.seal(&context(&id), text.as_bytes())?);
        Ok(WrappedEntry { id, sealed })
    }

    fn unwrap(&self, sealer: &Sealer, wrapped: &WrappedEntry) -> Result<Entry> {
        let id: CollectionId = wrapped.id.parse()?;
        let damaged = || self.failed(format!("the entry of collection {id} is damaged"));
        let sealed = unhex(&wrapped.sealed).ok_or_else(damaged)?;
        let opened = sealer.open(&context(&wrapped.id), &sealed, String::new);
        let opened = opened.map_err(|_| {
            self.failed(format!("its key does not open collection {id}: wrong keyring, or damaged"))
        })?;
        let text = std::str::from_utf8(&opened).map_err(|_| damaged())?;
        let open: OpenEntry = toml::from_str(text).map_err(|_| damaged())?;
        let key = Zeroizing::new(unhex(&open.data_key).ok_or_else(damaged)?);
        let data_key = Secret::from_bytes(&key).ok_or_else(damaged)?;
        Ok(Entry {
            id,
            name: open.name,
            pack: open.pack,
            created_unix_s: open.created_unix_s,
            data_key,
        })
    }

    fn read(&self) -> Result<KeysFile> {
        let path = self.folder.join("keys.toml");
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::io("read", &path, source))?;
        // The format is read first, so that a newer file is told from a damaged one.
        let table: toml::Table =
            toml::from_str(&text).map_err(|_| self.failed("keys.toml does not read"))?;
        let format = table.get("format").and_then(toml::Value::as_integer).unwrap_or(0);
        version::check(&format!("keyring {}", self.folder.display()), KEYRING_FORMAT, format)?;
        toml::from_str(&text).map_err(|_| self.failed("keys.toml does not read"))
    }

    fn write(&self, keys: &KeysFile) -> Result<()> {
        let text = toml::to_string(keys).map_err(|error| self.failed(error.to_string()))?;
        files::replace(&self.folder.join("keys.toml"), text.as_bytes(), 0o600)
    }

    fn kek(&self, generation: u32) -> Result<Secret> {
        let path = self.kek_path(generation);
        let bytes = std::fs::read(&path)
            .map(Zeroizing::new)
            .map_err(|source| Error::io("read", &path, source))?;
        let received = bytes.len();
        Secret::from_bytes(&bytes).ok_or_else(|| {
            self.failed(format!("kek.{generation} has {received} bytes, expected 32"))
        })
    }

    fn kek_path(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("kek.{generation}"))
    }

    /// Held while the keyring is changed; waits for other processes.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join("lock");
        let locked = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| Error::io("lock", &path, source))
    }

    /// An error that names this keyring.
    pub(crate) fn failed(&self, reason: impl Into<String>) -> Error {
        Error::Keyring { path: self.folder.clone(), reason: reason.into() }
    }
}

fn context(id: &str) -> Vec<u8> {
    format!("picpick keyring {KEYRING_FORMAT} {id}").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        let (id, data_key) = (CollectionId::random().unwrap(), Secret::random().unwrap());
        Entry { id, name: name.into(), pack: "pack@1".into(), created_unix_s: 5, data_key }
    }

    #[test]
    fn entries_survive_reopening_and_names_and_keys_are_not_readable() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::create(folder.path()).unwrap();
        let wedding = entry("Anna & Ben");
        keyring.add(&wedding).unwrap();
        assert!(matches!(keyring.add(&entry("Anna & Ben")), Err(Error::CollectionExists { .. })));
        let again = Keyring::open(folder.path()).unwrap().entries().unwrap();
        assert_eq!((again.len(), again[0].name.as_str()), (1, "Anna & Ben"));
        assert_eq!(again[0].data_key.bytes(), wedding.data_key.bytes());
        let text = std::fs::read_to_string(folder.path().join("keys.toml")).unwrap();
        assert!(!text.contains("Anna") && !text.contains(&hex(wedding.data_key.bytes())));
        keyring.remove(wedding.id).unwrap();
        assert!(keyring.entries().unwrap().is_empty());
    }

    #[test]
    fn a_wrong_missing_short_or_newer_keyring_is_named() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keyring = Keyring::create(folder.path()).unwrap();
        keyring.add(&entry("a")).unwrap();
        Keyring::create(other.path()).unwrap();
        std::fs::copy(other.path().join("kek.1"), folder.path().join("kek.1")).unwrap();
        assert!(keyring.entries().err().unwrap().to_string().contains("wrong keyring"));
        std::fs::write(folder.path().join("kek.1"), [0; 5]).unwrap();
        assert!(
            Keyring::open(folder.path())
                .err()
                .unwrap()
                .to_string()
                .contains("5 bytes, expected 32")
        );
        std::fs::remove_file(folder.path().join("kek.1")).unwrap();
        assert!(Keyring::open(folder.path()).is_err());
        std::fs::write(folder.path().join("keys.toml"), "format = 99\nnew = 1\n").unwrap();
        assert!(matches!(
            Keyring::open(folder.path()).err(),
            Some(Error::NewerFormat { received: 99, .. })
        ));
        std::fs::write(folder.path().join("keys.toml"), "\u{0}garbage").unwrap();
        assert!(Keyring::open(folder.path()).is_err());
    }

    #[test]
    fn the_files_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Keyring::create(folder.path()).unwrap();
        for name in ["kek.1", "keys.toml"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
