//! The contact sheet: one HTML file that contains the selfies, the matches and the other photos.
//!
//! The file needs no script, no network and no other file.

mod html;
pub mod model;
mod thumbnail;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use picpick_engine::PhotoId;
use rayon::prelude::*;

pub use thumbnail::Thumbnail;

/// Limits the photos shown at [`LARGE_WIDTH_PX`]. A sheet with more photos shows all of them at
/// [`SMALL_WIDTH_PX`], so that the file stays below about 20 MB.
const LARGE_PHOTOS_MAX: usize = 60;
const LARGE_WIDTH_PX: u32 = 900;
const SMALL_WIDTH_PX: u32 = 560;

/// The content of a contact sheet.
#[derive(Debug)]
pub struct ContactSheet {
    pub title: String,
    /// Similarity that a face of good quality had to reach, -1..1.
    pub threshold: f32,
    /// Numbers of photos and faces that were searched.
    pub photos: usize,
    pub faces: usize,
    /// Number of photos that are not on the sheet, because they did not match.
    pub left_out: usize,
    pub selfies: Vec<SheetPhoto>,
    /// Best first.
    pub matched: Vec<SheetPhoto>,
    pub others: Vec<SheetPhoto>,
    /// The models and their licences.
    pub models: String,
    /// A restriction of the models' licence; `None` without one.
    pub notice: Option<String>,
}

/// A photo of the sheet.
#[derive(Clone, Debug)]
pub struct SheetPhoto {
    pub path: PathBuf,
    /// Content id of the indexed file, by which a change of the file is detected; `None` for a selfie.
    pub id: Option<PhotoId>,
    /// Upright size in pixels.
    pub width: u32,
    pub height: u32,
    pub faces: Vec<FaceMark>,
    /// The reason why the photo matched; `None` without a match.
    pub why: Option<&'static str>,
}

/// A face of a photo.
#[derive(Clone, Debug)]
pub struct FaceMark {
    /// Left, top, width, height in pixels of the upright photo; may extend beyond its edge.
    pub bbox: [i32; 4],
    /// Quality, 0..1.
    pub quality: f32,
    /// Score that is compared with the threshold, -1..1.
    pub similarity: Option<f32>,
    pub role: FaceRole,
}

/// The role of a face in the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceRole {
    Match,
    Other,
    /// Not matched, and of too low quality to be found reliably.
    Poor,
    /// The face of a selfie that was searched for.
    Subject,
}

/// Writes `sheet` to `path` atomically (temporary file and rename); replaces a file at `path`. The file has
/// mode 0600, because it shows faces.
pub fn write(path: &Path, sheet: &ContactSheet) -> Result<()> {
    let html = render(sheet);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let written = opened
        .and_then(|mut file| file.write_all(html.as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: the caller gets the error of the write.
        let _ = std::fs::remove_file(&temporary);
    }
    written.with_context(|| format!("writing the contact sheet {}", path.display()))
}

fn render(sheet: &ContactSheet) -> String {
    let photos = sheet.selfies.len() + sheet.matched.len() + sheet.others.len();
    let width = if photos > LARGE_PHOTOS_MAX { SMALL_WIDTH_PX } else { LARGE_WIDTH_PX };
    let show = |shots: &[SheetPhoto]| -> Vec<Thumbnail> {
        shots.par_iter().map(|shot| thumbnail::show(shot, width)).collect()
    };
    let (selfies, matched, others) =
        (show(&sheet.selfies), show(&sheet.matched), show(&sheet.others));
    html::page(sheet, &selfies, &matched, &others).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(path: PathBuf) -> ContactSheet {
        let mark = FaceMark {
            bbox: [2, -2, 10, 12],
            quality: 0.5,
            similarity: Some(0.71),
            role: FaceRole::Match,
        };
        let shot = SheetPhoto {
            path,
            id: None,
            width: 40,
            height: 20,
            faces: vec![mark],
            why: Some("this face"),
        };
        ContactSheet {
            title: "A <em> & B".into(),
            threshold: 0.5,
            photos: 2,
            faces: 1,
            left_out: 0,
            selfies: Vec::new(),
            matched: vec![shot.clone()],
            others: vec![SheetPhoto {
                path: "gone.jpg".into(),
                why: None,
                faces: Vec::new(),
                ..shot
            }],
            models: "M".into(),
            notice: None,
        }
    }

    #[test]
    fn a_sheet_holds_its_photos_and_says_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.png");
        image::RgbImage::from_pixel(40, 20, image::Rgb([9, 99, 199])).save(&photo).unwrap();
        let path = folder.path().join("sheet.html");
        write(&path, &sheet(photo)).unwrap();
        let html = std::fs::read_to_string(&path).unwrap();
        assert!(html.contains("A &lt;em&gt; &amp; B") && !html.contains("<em>"));
        assert_eq!(html.matches("data:image/jpeg;base64,").count(), 1);
        assert!(html.contains("0.71") && html.contains("gone.jpg"));
        assert!(!html.contains("://") && !html.contains("<script"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_sheet_is_for_its_owner_only_even_where_an_open_one_was() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.html");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, &sheet("gone.png".into())).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write(Path::new("/nowhere/at/all.html"), &sheet("x".into())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all.html"));
    }
}
