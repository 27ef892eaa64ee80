//! Photos that lie in a bucket, fetched a few at a time for `picpick upload`.
//!
//! Each batch lies in a private folder that goes with it. Changes nothing in the bucket, and knows nothing of
//! where photos are sent.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use picpick_engine::{Object, Place, open_place};
use tempfile::TempDir;

use crate::config::s3_access;

/// Photos on this disk at once: some hundreds of megabytes.
const TOGETHER: usize = 32;

/// What lies below a prefix.
pub struct Bucket {
    place: Box<dyn Place>,
    objects: Vec<Object>,
}

/// Some photos, on this disk for as long as this lives.
pub struct Batch {
    _folder: TempDir,
    pub files: Vec<PathBuf>,
}

impl Bucket {
    /// Opens `at`, for instance `s3://bucket/wedding`; credentials come from the environment.
    pub fn open(at: &str) -> Result<Self> {
        let place = open_place(at, s3_access(at)?.as_ref())?;
        let objects = place.list("")?;
        Ok(Self { place, objects })
    }

    /// All photos, batch by batch.
    pub fn batches(&self) -> impl Iterator<Item = Result<Batch>> {
        self.objects.chunks(TOGETHER).map(|objects| self.fetch(objects))
    }

    fn fetch(&self, objects: &[Object]) -> Result<Batch> {
        let folder = tempfile::tempdir().context("making a folder for photos of the bucket")?;
        let mut files = Vec::with_capacity(objects.len());
        for (number, object) in objects.iter().enumerate() {
            // One that went since it was listed is not missed.
            let Some(bytes) = self.place.get(&object.name)? else { continue };
            let own = folder.path().join(number.to_string());
            std::fs::create_dir(&own).with_context(|| format!("making {}", own.display()))?;
            let name = object.name.rsplit('/').next().unwrap_or("photo");
            files.push(write(&own.join(name), &bytes)?);
        }
        Ok(Batch { _folder: folder, files })
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_object_comes_once_under_its_own_name_and_leaves_nothing() {
        let room = tempfile::tempdir().unwrap();
        let place = open_place(&room.path().to_string_lossy(), None).unwrap();
        for number in 0..70 {
            place.put(&format!("{}/same.jpg", number + 100), &[number]).unwrap();
        }
        let objects = place.list("").unwrap();
        let bucket = Bucket { place, objects };
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
