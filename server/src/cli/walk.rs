//! Files and folders as given to the list of files to index.
//!
//! Folders are taken with all below them, in order of name; hidden entries are left out and linked
//! folders are not entered, so that no loop is walked. Opens no file and knows nothing of formats.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// Regular files: a folder's path as it was given, and the way from there.
    pub files: Vec<PathBuf>,
    /// What was left out although a person may expect it, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Collects the files at and below `paths`. Nothing that cannot be read ends the walk.
pub fn walk(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        // What is named on the command line is meant, hidden or linked as it may be.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.folder(path),
            outcome => found.file(path.clone(), outcome),
        }
    }
    found
}

impl Found {
    fn folder(&mut self, folder: &Path) {
        // A stack of names and no recursion: folders may lie deeper than a thread's stack.
        let mut open = vec![folder.to_path_buf()];
        while let Some(path) = open.pop() {
            let linked =
                path != folder && fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() && linked => {
                    self.skip(path, "a link to a folder, which is not followed");
                }
                Ok(metadata) if metadata.is_dir() => self.list(path, &mut open),
                outcome => self.file(path, outcome),
            }
        }
    }

    fn list(&mut self, folder: PathBuf, open: &mut Vec<PathBuf>) {
        let entries =
            fs::read_dir(&folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        match entries {
            Err(error) => self.skip(folder, &error.to_string()),
            Ok(mut entries) => {
                entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
                // The last one in is the first one out.
                entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
                open.extend(entries.iter().map(fs::DirEntry::path));
            }
        }
    }

    fn file(&mut self, path: PathBuf, metadata: std::io::Result<Metadata>) {
        match metadata {
            Ok(metadata) if metadata.is_file() => self.files.push(path),
            // Reading a pipe or a device may never end.
            Ok(_) => self.skip(path, "not a regular file"),
            Err(error) => self.skip(path, &error.to_string()),
        }
    }

    fn skip(&mut self, path: PathBuf, reason: &str) {
        self.skipped.push((path, reason.to_owned()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    fn names(found: &Found, below: &Path) -> Vec<String> {
        let name =
            |path: &PathBuf| path.strip_prefix(below).unwrap().to_string_lossy().into_owned();
        found.files.iter().map(name).collect()
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_entries_and_loops() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["b/2.jpg", "b/1.jpg", "a.jpg", ".hidden/x.jpg", "b/.y.jpg", "c.jpg"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "x").unwrap();
        }
        symlink(root, root.join("b/loop")).unwrap();
        symlink(root.join("a.jpg"), root.join("z.jpg")).unwrap();
        symlink("nowhere", root.join("broken.jpg")).unwrap();
        let found = walk(&[root.to_path_buf()]);
        assert_eq!(names(&found, root), ["a.jpg", "b/1.jpg", "b/2.jpg", "c.jpg", "z.jpg"]);
        let skipped: Vec<_> =
            found.skipped.iter().map(|(path, _)| path.file_name().unwrap()).collect();
        assert_eq!(skipped, ["loop", "broken.jpg"]);
    }

    #[test]
    fn what_is_named_is_taken_and_what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join(".hidden")).unwrap();
        fs::write(root.join(".hidden/a.jpg"), "x").unwrap();
        symlink(root.join(".hidden"), root.join("link")).unwrap();
        let found = walk(&[root.join("link"), root.join("missing"), "/dev/null".into()]);
        assert_eq!(names(&found, root), ["link/a.jpg"]);
        assert_eq!(found.skipped.len(), 2);
        assert!(found.skipped.iter().any(|(_, reason)| reason.contains("regular")));
    }

    #[test]
    fn names_that_are_not_utf8_are_kept_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"caf\xe9.jpg");
        fs::write(folder.path().join(name), "x").unwrap();
        let found = walk(&[folder.path().to_path_buf()]);
        assert_eq!(found.files.first().unwrap().file_name().unwrap(), name);
    }
}
