use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use picpick_engine::{DecodeLimits, Picture};

/// JPEG quality of enlarged selfies, similar to a phone's.
const SELFIE_QUALITY: i32 = 90;

/// An endless supply of photos: the JPEG files of a folder in turn, each time as a different file.
pub struct Photos {
    files: Vec<PathBuf>,
    next: AtomicUsize,
}

impl Photos {
    /// Finds the JPEG files below `folder`. Errors if there are none.
    pub fn of(folder: &Path) -> Result<Self> {
        Ok(Self { files: jpegs(folder)?, next: AtomicUsize::new(0) })
    }

    /// Returns the number of files in the folder.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns name and bytes of the next photo, which differs from all previous ones.
    pub fn next(&self) -> Result<(String, Vec<u8>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = self.files.get(number % self.files.len()).context("there are no photos")?;
        Ok((format!("IMG_{number:06}.jpg"), variant(&read(file)?, number)))
    }
}

/// Returns another file with the picture of `jpeg`: inserts a comment segment after the first marker.
fn variant(jpeg: &[u8], number: usize) -> Vec<u8> {
    let comment = format!("picture {number:012}");
    let (start, rest) = jpeg.split_at(jpeg.len().min(2));
    let length = u16::try_from(comment.len() + 2).unwrap_or(u16::MAX).to_be_bytes();
    [start, &[0xff, 0xfe], &length, comment.as_bytes(), rest].concat()
}

/// Reads at most `count` selfies below `folder`, evenly chosen. Enlarges their longer side to `side_px`, if
/// given, so that decoding costs as much as for a phone's picture.
pub fn selfies(folder: &Path, count: usize, side_px: Option<u32>) -> Result<Vec<Vec<u8>>> {
    let files = jpegs(folder)?;
    let step = files.len().div_ceil(count.max(1)).max(1);
    files
        .iter()
        .step_by(step)
        .map(|file| {
            let bytes = read(file)?;
            side_px.map_or(Ok(bytes.clone()), |side| enlarged(&bytes, side))
        })
        .collect()
}

fn enlarged(jpeg: &[u8], side_px: u32) -> Result<Vec<u8>> {
    let limits = DecodeLimits::default();
    let picture = Picture::decode(jpeg, &limits)?;
    let scale = f64::from(side_px) / f64::from(picture.width().max(picture.height()));
    let side = |side: u32| (f64::from(side) * scale).round() as u32;
    let (width, height) = (side(picture.width()), side(picture.height()));
    let larger = picture.cut(picture.frame(), width, height, (width, height))?;
    Ok(larger.to_jpeg(side_px, SELFIE_QUALITY)?)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// Returns the paths of all JPEG files below `folder`, sorted. Errors if there are none.
fn jpegs(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut pending) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = pending.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("listing {}", folder.display()))? {
            let path = entry?.path();
            let kind = path.extension().unwrap_or_default().to_ascii_lowercase();
            if path.is_dir() {
                pending.push(path);
            } else if kind == "jpg" || kind == "jpeg" {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        bail!("{} contains no JPEG files; name another folder", folder.display());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_differ_and_begin_and_end_as_before() {
        let jpeg = [0xff, 0xd8, 0xff, 0xdb, 1, 2];
        let (one, two) = (variant(&jpeg, 1), variant(&jpeg, 2));
        assert_ne!(one, two);
        assert!(one.starts_with(&[0xff, 0xd8, 0xff, 0xfe, 0, 22]) && one.ends_with(&jpeg[2..]));
        assert_eq!(one.len(), jpeg.len() + 2 + 22);
    }
}
