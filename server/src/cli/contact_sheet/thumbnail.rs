use anyhow::{Result, ensure};
use base64::Engine as _;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use picpick_engine::{DecodeLimits, PhotoId, Picture};

use super::SheetPhoto;
use crate::cli::context::read_file;

/// JPEG quality of the sheet's pictures, 1 to 100. 80 shows no artefacts at this size; 90 doubles the bytes.
const JPEG_QUALITY: u8 = 80;

/// A photo's picture in the page, or the reason why the photo has no picture.
pub enum Thumbnail {
    /// A JPEG in base64, with its size in pixels.
    Jpeg { base64: String, width: u32, height: u32 },
    /// The reason, as text for the page.
    Missing(String),
}

/// Reads and reduces the picture of `shot` to at most `width_max` pixels in width and 4/3 of that in height.
/// Returns [`Thumbnail::Missing`] for a file that is missing, has changed or cannot be read.
pub fn show(shot: &SheetPhoto, width_max: u32) -> Thumbnail {
    match read(shot).and_then(|picture| reduce(&picture, width_max)) {
        Ok(shown) => shown,
        Err(error) if is_missing(&error) => Thumbnail::Missing("the file no longer exists".into()),
        Err(error) => Thumbnail::Missing(crate::cli::report::printable(&format!("{error}"))),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn read(shot: &SheetPhoto) -> Result<Picture> {
    let limits = DecodeLimits::default();
    // Reading would block if the path has become a pipe since indexing.
    ensure!(std::fs::metadata(&shot.path)?.is_file(), "the file is no longer a regular file");
    let bytes = read_file(&shot.path, limits.file_bytes_max)?;
    let same = shot.id.is_none_or(|id| id == PhotoId::of(&bytes));
    ensure!(same, "the file has changed since it was indexed; index it again");
    Ok(Picture::decode(&bytes, &limits)?)
}

fn reduce(picture: &Picture, width_max: u32) -> Result<Thumbnail> {
    let height_max = width_max * 4 / 3;
    let scale = (f64::from(width_max) / f64::from(picture.width()))
        .min(f64::from(height_max) / f64::from(picture.height()))
        .min(1.0);
    let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let small = picture.cut(picture.frame(), width, height, (width, height))?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode(
        small.pixels(),
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&jpeg);
    Ok(Thumbnail::Jpeg { base64, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_reduced_in_proportion_and_never_enlarged() {
        for (width, height, expected) in
            [(2000, 1000, (900, 450)), (300, 200, (300, 200)), (1000, 4000, (300, 1200))]
        {
            let picture =
                Picture::new(width, height, vec![0; (width * height * 3) as usize]).unwrap();
            match reduce(&picture, 900).unwrap() {
                Thumbnail::Jpeg { width, height, .. } => assert_eq!((width, height), expected),
                Thumbnail::Missing(reason) => unreachable!("{reason}"),
            }
        }
    }

    #[test]
    fn a_changed_file_is_told_from_a_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let shot = |id| SheetPhoto {
            path: path.clone(),
            id,
            width: 1,
            height: 1,
            faces: Vec::new(),
            why: None,
        };
        let reason = |id| match show(&shot(id), 900) {
            Thumbnail::Missing(reason) => reason,
            Thumbnail::Jpeg { .. } => String::new(),
        };
        assert!(reason(None).contains("no longer exists"));
        std::fs::write(&path, "other").unwrap();
        assert!(reason(Some(PhotoId([0; 16]))).contains("changed"));
        assert!(reason(None).contains("not a JPEG"));
    }
}
