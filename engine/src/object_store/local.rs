use std::fs::{DirEntry, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{ObjectMeta, ObjectStore, check_name, check_prefix, is_name};
use crate::error::{Error, Result};
use crate::fs::durable;

/// Limits the attempts of a `put` to 10. A concurrent `delete` may remove the empty folder that a `put`
/// needs.
const PUT_ATTEMPTS: u32 = 10;

/// An object store in a local folder: one file per object, readable by its owner only.
///
/// Assumes a file system with atomic renames. A crash may leave a `*.tmp` file, which `list` omits and which
/// does not affect later calls.
pub(super) struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// Opens the folder `root`, or creates it and its parents.
    ///
    /// # Errors
    ///
    /// - `ObjectStore`: `root` is not a folder.
    /// - `Io`: the folder cannot be created or listed.
    pub(super) fn open(root: &Path) -> Result<Self> {
        durable::make_folder(root, true)?;
        let folder = Self { root: root.to_path_buf() };
        if !root.is_dir() {
            let reason = "this path is not a folder; choose another path".to_owned();
            return Err(Error::ObjectStore { place: folder.name(), reason });
        }
        std::fs::read_dir(root).map_err(|source| Error::io("list", root, source))?;
        Ok(folder)
    }

    /// Creates the folders between the root and `path`, accessible by the owner only.
    fn make_parents(&self, path: &Path) -> Result<()> {
        let between: Vec<&Path> =
            path.ancestors().skip(1).take_while(|folder| *folder != self.root).collect();
        between.iter().rev().try_for_each(|folder| durable::make_folder(folder, true))
    }

    /// Appends the objects below `folder` whose names start with `prefix` to `found`. `name` is the object
    /// name of `folder`, with a slash at its end unless it is the root.
    fn collect(
        &self,
        folder: &Path,
        name: &str,
        prefix: &str,
        found: &mut Vec<ObjectMeta>,
    ) -> Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(source) if is_absent(&source) => return Ok(()),
            Err(source) => return Err(Error::io("list", folder, source)),
        };
        for entry in entries {
            let entry = entry.map_err(|source| Error::io("list", folder, source))?;
            let own = entry.file_name();
            let Some(name) = own.to_str().map(|own| format!("{name}{own}")) else { continue };
            let path = entry.path();
            match file_kind(&entry).map_err(|source| Error::io("read", &path, source))? {
                // `lost+found` is the file system's folder for recovered files, which only root can read.
                FileKind::Folder if name == "lost+found" => {}
                FileKind::Folder => {
                    let name = format!("{name}/");
                    // Only folders above or below the prefix can contain names that start with it.
                    if name.starts_with(prefix) || prefix.starts_with(&name) {
                        self.collect(&path, &name, prefix, found)?;
                    }
                }
                FileKind::File(bytes) if name.starts_with(prefix) && is_name(&name) => {
                    found.push(ObjectMeta { name, bytes });
                }
                FileKind::File(_) | FileKind::Other => {}
            }
        }
        Ok(())
    }
}

impl ObjectStore for LocalStore {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        check_name(self, name)?;
        let path = self.root.join(name);
        let mut attempt = 1;
        loop {
            let put = self.make_parents(&path).and_then(|()| durable::replace(&path, bytes, 0o600));
            match put {
                Err(error) if is_gone(&error) && attempt < PUT_ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        check_name(self, name)?;
        let path = self.root.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) if is_absent(&source) => Ok(None),
            // A folder with this name contains other objects, but is not an object.
            Err(source) if source.kind() == ErrorKind::IsADirectory => Ok(None),
            Err(source) => Err(Error::io("read", path, source)),
        }
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        check_name(self, name)?;
        let path = self.root.join(name);
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) if is_absent(&source) => Ok(None),
            Err(source) => Err(Error::io("read", path, source)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        check_prefix(self, prefix)?;
        let mut found = Vec::new();
        // Lists only the folder that the prefix names, because the root may contain thousands of other
        // folders.
        let below = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
        self.collect(&self.root.join(below), below, prefix, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    fn delete(&self, name: &str) -> Result<()> {
        check_name(self, name)?;
        let path = self.root.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(source) if is_absent(&source) => return Ok(()),
            Err(source) => return Err(Error::io("remove", path, source)),
        }
        // Empty parent folders are removed too, because their names may reveal the deleted objects. The
        // removal of a folder that is not empty fails.
        let stays = |folder: &Path| match std::fs::remove_dir(folder) {
            Err(source) => !is_absent(&source),
            Ok(()) => false,
        };
        let mut above = path.ancestors().skip(1);
        let kept = above.find(|folder| *folder == self.root || stays(folder));
        match durable::sync_folder(kept.unwrap_or(&self.root)) {
            // Another call has removed the folder, and makes the removal durable.
            Err(error) if is_gone(&error) => Ok(()),
            done => done,
        }
    }
}

enum FileKind {
    File(u64),
    Folder,
    /// Links, sockets, and files removed since the listing.
    Other,
}

fn file_kind(entry: &DirEntry) -> std::io::Result<FileKind> {
    match entry.metadata() {
        Ok(data) if data.is_file() => Ok(FileKind::File(data.len())),
        Ok(data) if data.is_dir() => Ok(FileKind::Folder),
        Ok(_) => Ok(FileKind::Other),
        Err(source) if is_absent(&source) => Ok(FileKind::Other),
        Err(source) => Err(source),
    }
}

/// Returns whether the error means that no such file exists. One case is a path whose parent is a file.
fn is_absent(source: &std::io::Error) -> bool {
    matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if is_absent(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_and_folders_are_the_owners_alone() {
        let room = tempfile::tempdir().unwrap();
        let root = room.path().join("deep/backup");
        let folder = LocalStore::open(&root).unwrap();
        folder.put("a/b/c", b"x").unwrap();
        let mode = |path: &str| root.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(""), mode("a"), mode("a/b")], [0o700; 3]);
        assert_eq!(mode("a/b/c"), 0o600);
    }

    #[test]
    fn a_range_equals_the_same_bytes_of_the_whole() {
        let room = tempfile::tempdir().unwrap();
        let folder = LocalStore::open(room.path()).unwrap();
        folder.put("a", b"0123456789").unwrap();
        let part = |range| folder.get_range("a", range).unwrap().unwrap();
        assert_eq!(
            (part(2..5), part(8..20), part(30..40)),
            (b"234".to_vec(), b"89".to_vec(), vec![])
        );
        assert_eq!(folder.get_range("b", 0..1).unwrap(), None);
    }

    #[test]
    fn deleting_the_last_object_leaves_no_folder() {
        let room = tempfile::tempdir().unwrap();
        let folder = LocalStore::open(room.path()).unwrap();
        folder.put("a/b/c", b"x").unwrap();
        folder.put("a/d", b"x").unwrap();
        folder.delete("a/b/c").unwrap();
        assert!(!room.path().join("a/b").exists() && room.path().join("a").exists());
        folder.delete("a/d").unwrap();
        assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_goes_and_comes_loses_no_object() {
        let room = tempfile::tempdir().unwrap();
        let folder = LocalStore::open(room.path()).unwrap();
        let work = |name: &str| {
            for _ in 0..200 {
                folder.put(name, b"x").unwrap();
                assert!(folder.get(name).unwrap().is_some());
                folder.delete(name).unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| work("a/b/c"));
            scope.spawn(|| work("a/b/d"));
        });
        assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
    }

    #[test]
    fn foreign_files_and_links_are_not_listed() {
        let room = tempfile::tempdir().unwrap();
        let folder = LocalStore::open(room.path()).unwrap();
        folder.put("a/b", b"x").unwrap();
        std::fs::write(room.path().join("a/b.0123456789abcdef.tmp"), "half").unwrap();
        std::fs::write(room.path().join("a/.hidden"), "x").unwrap();
        std::fs::write(room.path().join("holiday photo.jpg"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", room.path().join("a/link")).unwrap();
        assert_eq!(folder.list("").unwrap(), [ObjectMeta { name: "a/b".into(), bytes: 1 }]);
    }
}
