use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use picpick_engine::object_store::{self, ObjectMeta, ObjectStore};
use tempfile::TempDir;

use crate::config::s3_access;

/// Limits the photos of a batch. All of them are on this disk at the same time: 320 MB if a photo has 10 MB.
const TOGETHER: usize = 32;

/// The objects below a prefix of a bucket, for `picpick upload`. Changes nothing in the bucket.
pub struct PhotoBucket {
    place: Box<dyn ObjectStore>,
    objects: Vec<ObjectMeta>,
}

/// A batch of downloaded photos in a private temporary folder, which is removed on drop.
pub struct DownloadedBatch {
    _folder: TempDir,
    pub files: Vec<PathBuf>,
}

impl PhotoBucket {
    /// Opens `at`, for instance `s3://bucket/wedding`, and lists its objects. Credentials come from the
    /// environment.
    pub fn open(at: &str) -> Result<Self> {
        let place = object_store::open(at, s3_access(at)?.as_ref())?;
        let objects = place.list("")?;
        Ok(Self { place, objects })
    }

    /// Downloads all objects, one batch for each item of the iterator.
    pub fn batches(&self) -> impl Iterator<Item = Result<DownloadedBatch>> {
        self.objects.chunks(TOGETHER).map(|objects| self.fetch(objects))
    }

    fn fetch(&self, objects: &[ObjectMeta]) -> Result<DownloadedBatch> {
        let folder =
            tempfile::tempdir().context("creating a temporary folder for the bucket's photos")?;
        let mut files = Vec::with_capacity(objects.len());
        for (number, object) in objects.iter().enumerate() {
            // An object that was deleted after the listing is skipped.
            let Some(bytes) = self.place.get(&object.name)? else { continue };
            let own = folder.path().join(number.to_string());
            std::fs::create_dir(&own).with_context(|| format!("creating {}", own.display()))?;
            let name = object.name.rsplit('/').next().unwrap_or("photo");
            files.push(write(&own.join(name), &bytes)?);
        }
        Ok(DownloadedBatch { _folder: folder, files })
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_comes_once_under_its_own_name_and_leaves_nothing() {
        let room = tempfile::tempdir().unwrap();
        let place = object_store::open(&room.path().to_string_lossy(), None).unwrap();
        for number in 0..70 {
            place.put(&format!("{}/same.jpg", number + 100), &[number]).unwrap();
        }
        let objects = place.list("").unwrap();
        let bucket = PhotoBucket { place, objects };
        let (mut seen, mut paths) = (Vec::new(), Vec::new());
        for batch in bucket.batches().map(Result::unwrap) {
            assert!(batch.files.len() <= TOGETHER);
            for file in &batch.files {
                assert!(file.ends_with("same.jpg"));
                seen.extend(std::fs::read(file).unwrap());
            }
            paths.extend(batch.files.clone());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..70).collect::<Vec<u8>>());
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
