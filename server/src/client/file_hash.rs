use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use picpick_engine::Picture;
use sha2::{Digest as _, Sha256};

use crate::infra::visible_text::visible;

/// Size of the pieces in which a file is read, bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Limits a file name, characters; the service accepts no more.
const NAME_CHARS_MAX: usize = 200;

/// A file that may be a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// The reason why a file is not sent.
#[derive(Debug, PartialEq, Eq)]
pub enum RejectedFile {
    NotAPhoto(String),
    Unreadable(String),
    Stopped,
}

/// Computes the SHA-256 and the length of the file at `path`. Reads the file once, [`PIECE_BYTES`] at a time.
///
/// # Errors
/// - `NotAPhoto` if the file is empty or its first bytes are not those of a photo; reads no further bytes
///   then.
/// - `Unreadable` if the file cannot be read.
/// - `Stopped` if `stop` returns true.
pub fn hash_file(path: &Path, stop: &dyn Fn() -> bool) -> Result<HashedFile, RejectedFile> {
    let unreadable = |error: io::Error| RejectedFile::Unreadable(error.to_string());
    let mut file = File::open(path).map_err(unreadable)?;
    let mut piece = vec![0; PIECE_BYTES];
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        if stop() {
            return Err(RejectedFile::Stopped);
        }
        let read = fill(&mut file, &mut piece).map_err(unreadable)?;
        let got = piece.get(..read).unwrap_or_default();
        if bytes == 0 {
            if got.is_empty() {
                return Err(RejectedFile::NotAPhoto(
                    "the file is empty; copy the photo again".to_owned(),
                ));
            }
            Picture::media_type(got).map_err(|error| RejectedFile::NotAPhoto(error.to_string()))?;
        }
        hash.update(got);
        bytes += read as u64;
        if read < piece.len() {
            break;
        }
    }
    Ok(HashedFile { path: path.to_path_buf(), bytes, sha256: hex::encode(hash.finalize()) })
}

/// Reads until `piece` is full or the file ends.
fn fill(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut full = 0;
    while let Some(rest) = piece.get_mut(full..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => full += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(full)
}

impl HashedFile {
    /// Returns the file's name in the form that the service accepts: control characters replaced, invisible
    /// ones removed, 200 characters at most, `photo` if nothing remains.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        let shown = |c: char| if c.is_control() { '_' } else { c };
        let name = visible(&name);
        let name: String = name.trim().chars().map(shown).take(NAME_CHARS_MAX).collect();
        if name.trim().is_empty() { "photo".to_owned() } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_photo_is_hashed_to_its_last_byte() {
        let folder = tempfile::tempdir().unwrap();
        for length in [12, PIECE_BYTES, PIECE_BYTES + 1] {
            let mut bytes = vec![7; length];
            bytes[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
            let path = file(folder.path(), "a.jpg", &bytes);
            let digested = hash_file(&path, &|| false).unwrap();
            assert_eq!(digested.bytes, length as u64);
            assert_eq!(digested.sha256, crate::infra::ids::sha256(&bytes));
            assert_eq!(hash_file(&path, &|| true), Err(RejectedFile::Stopped));
        }
    }

    #[test]
    fn what_is_no_photo_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (bytes, reason) in
            [(&b""[..], "empty"), (b"hello, this is text", "JPEG"), (b"II*\0 and more", "raw")]
        {
            let path = file(folder.path(), "a", bytes);
            let answer = hash_file(&path, &|| false);
            let right =
                matches!(&answer, Err(RejectedFile::NotAPhoto(text)) if text.contains(reason));
            assert!(right, "{bytes:?}: {answer:?}");
        }
        let missing = hash_file(&folder.path().join("missing"), &|| false);
        assert!(matches!(missing, Err(RejectedFile::Unreadable(_))), "{missing:?}");
    }

    #[test]
    fn names_are_what_the_service_takes() {
        let name =
            |path: &str| HashedFile { path: path.into(), bytes: 0, sha256: String::new() }.name();
        assert_eq!(name("/a/IMG 1.jpg"), "IMG 1.jpg");
        assert_eq!(name("a\nb.jpg"), "a_b.jpg");
        assert_eq!(name(&"x".repeat(250)).len(), 200);
        assert_eq!(name("/a/ "), "photo");
        assert_eq!(name("/a/\u{200b}\u{202e}"), "photo");
    }
}
