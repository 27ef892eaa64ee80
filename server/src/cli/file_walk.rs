use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// The files and the skipped entries of a walk.
#[derive(Debug, Default)]
pub struct FoundFiles {
    /// Regular files: the path of the folder from the command line, joined with the path below the folder.
    pub files: Vec<PathBuf>,
    /// Skipped entries that are not hidden, each with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Collects the files at and below `paths`: folders with all their subfolders, in order of name. Skips hidden
/// entries. Does not follow links to folders, so that the walk cannot loop. Records an entry that cannot be
/// read in `skipped` and continues. Opens no file.
pub fn walk(paths: &[PathBuf]) -> FoundFiles {
    let mut found = FoundFiles::default();
    for path in paths {
        // The user named this path, so it is used even if it is hidden or a link.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.folder(path),
            outcome => found.file(path.clone(), outcome),
        }
    }
    found
}

impl FoundFiles {
    fn folder(&mut self, folder: &Path) {
        // A stack of paths instead of recursion: folders may be nested deeper than a thread's stack allows.
        let mut open = vec![folder.to_path_buf()];
        while let Some(path) = open.pop() {
            let linked =
                path != folder && fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() && linked => {
                    self.skip(
                        path,
                        "a link to a folder, which is not followed; name the folder itself",
                    );
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
                // Reversed, because the stack returns the last entry first.
                entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
                open.extend(entries.iter().map(fs::DirEntry::path));
            }
        }
    }

    fn file(&mut self, path: PathBuf, metadata: std::io::Result<Metadata>) {
        match metadata {
            Ok(metadata) if metadata.is_file() => self.files.push(path),
            // Reading a pipe or a device may block forever.
            Ok(_) => self.skip(path, "not a regular file"),
            Err(error) => self.skip(path, &error.to_string()),
        }
    }

    fn skip(&mut self, path: PathBuf, reason: &str) {
        self.skipped.push((path, reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    fn names(found: &FoundFiles, below: &Path) -> Vec<String> {
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
