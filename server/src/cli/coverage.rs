use anyhow::Result;
use clap::{Args, ValueEnum};
use picpick_engine::{Collection, Coverage, Gallery, KnownPhoto, PhotoId, Weakness};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option};

const AFTER: &str = "\
A face counts as small, blurred or turned away if tests on public photos found
fewer than two thirds of the faces of this size, sharpness or pose. The expected
share of a guest's photos assumes a clear selfie and ignores undetected faces.

Examples:
  picpick coverage 'Anna & Ben'
  picpick coverage 'Anna & Ben' --photos blurred

With --json: {\"collection\", \"photos\", \"without_face\", \"faces\", \"good\",
\"small\", \"blurred\", \"turned\", \"expected_recall\": 0 to 1 or null}, and with
--photos also \"listed\": [{\"photo\", \"photo_id\", \"faces\": [{\"face_id\",
\"quality\", \"box\": [x, y, width, height]}]}]; box in pixels of the upright
photo.";

/// Estimates which faces of a collection guests will find and which they will miss.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct CoverageArguments {
    /// Name of the collection
    name: String,
    /// List the photos with faces of this kind, or without a face
    #[arg(long, value_name = "KIND", value_enum)]
    photos: Option<WeaknessKind>,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

/// Which photos `--photos` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WeaknessKind {
    /// With faces that have too few pixels
    Small,
    /// With faces that lack detail: out of focus or motion blur
    Blurred,
    /// With faces turned too far away
    Turned,
    /// Without a face
    None,
}

#[derive(Serialize)]
struct CoverageDocument {
    collection: String,
    photos: usize,
    without_face: usize,
    faces: usize,
    good: usize,
    small: usize,
    blurred: usize,
    turned: usize,
    expected_recall: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<Vec<WeakPhotoRow>>,
}

#[derive(Serialize)]
struct WeakPhotoRow {
    photo: String,
    photo_id: String,
    faces: Vec<WeakFaceRow>,
}

#[derive(Serialize)]
struct WeakFaceRow {
    face_id: String,
    quality: f32,
    #[serde(rename = "box")]
    bbox: [i32; 4],
}

pub fn run(context: &Context, arguments: &CoverageArguments) -> Result<Report> {
    let (collection, _) = context.collection(&arguments.name, &arguments.pack)?;
    let coverage = of(&collection);
    let listed =
        arguments.photos.map(|kind| collection.read_gallery(|gallery| list(gallery, kind)));
    let name = collection.info().name.clone();
    let text = match &listed {
        Some(photos) => listing(photos),
        None => summary(&name, &coverage),
    };
    let document = CoverageDocument {
        collection: name,
        photos: coverage.photos,
        without_face: coverage.without_face,
        faces: coverage.faces,
        good: coverage.good(),
        small: coverage.small,
        blurred: coverage.blurred,
        turned: coverage.turned,
        expected_recall: coverage.recall(),
        listed,
    };
    Report::new(&document, text)
}

/// Returns the coverage of a collection.
pub fn of(collection: &Collection) -> Coverage {
    collection.read_gallery(|gallery| {
        let mut coverage = Coverage::default();
        for (_, faces) in gallery.photos_with_faces() {
            coverage.add(&Coverage::of(faces.map(|(_, face)| &face.parts)));
        }
        coverage
    })
}

/// Returns at most two lines: the number of faces that guests may not find, and of photos without a face.
pub fn warning(coverage: &Coverage) -> String {
    let mut text = String::new();
    if coverage.weak() > 0 {
        let faces = format::count(coverage.weak(), "face");
        let verb = if coverage.weak() == 1 { "is" } else { "are" };
        text +=
            &format!("{faces} {verb} too small, blurred or turned away to be found reliably.\n");
    }
    if coverage.without_face > 0 {
        let photos = format::count(coverage.without_face, "photo");
        let verb = if coverage.without_face == 1 { "shows" } else { "show" };
        text += &format!("{photos} {verb} no detectable face.\n");
    }
    text
}

fn summary(name: &str, coverage: &Coverage) -> String {
    let (photos, faces) =
        (format::count(coverage.photos, "photo"), format::count(coverage.faces, "face"));
    let mut text = format!("'{name}' has {photos} with {faces}.\n");
    if let Some(recall) = coverage.recall() {
        let found = (100.0 * recall).round();
        text += &format!("Of 100 photos of a guest, about {found} will be found.\n\n");
        let mut table = Table::new(&[">faces", ">share", "quality", "what helps"]);
        for (faces, what, help) in [
            (coverage.good(), "good", ""),
            (coverage.small, "too small", "originals, not web sizes; a closer shot"),
            (coverage.blurred, "too blurred", "originals; a shorter exposure"),
            (coverage.turned, "turned too far away", "another photo from the front"),
        ] {
            let share = 100.0 * faces as f64 / coverage.faces as f64;
            let share = format!("{share:.1} %");
            table.row([format::thousands(faces), share, what.to_owned(), help.to_owned()]);
        }
        text += &table.text();
        text.push('\n');
    }
    if coverage.without_face > 0 {
        let photos = format::count(coverage.without_face, "photo");
        let verb = if coverage.without_face == 1 { "shows" } else { "show" };
        text += &format!("{photos} {verb} no detectable face.\n");
    }
    if coverage.weak() + coverage.without_face > 0 {
        text += "List these photos with --photos small, blurred, turned or none.\n";
    }
    text
}

/// Returns the photos of a kind in order of path, each with the faces of that kind.
fn list(gallery: &Gallery, kind: WeaknessKind) -> Vec<WeakPhotoRow> {
    let lacking = match kind {
        WeaknessKind::Small => Some(Weakness::Small),
        WeaknessKind::Blurred => Some(Weakness::Blurred),
        WeaknessKind::Turned => Some(Weakness::Turned),
        WeaknessKind::None => None,
    };
    let photo = |(id, photo): &(PhotoId, &KnownPhoto)| {
        let faces = photo.faces.iter().filter_map(|face| Some((face, gallery.face(face)?)));
        let weak =
            faces.filter(|(_, face)| lacking.is_some() && Weakness::of(&face.parts) == lacking);
        let shown = weak.map(|(id, face)| WeakFaceRow {
            face_id: id.to_string(),
            quality: face.quality,
            bbox: face.bbox,
        });
        let faces: Vec<WeakFaceRow> = shown.collect();
        let listed =
            if kind == WeaknessKind::None { photo.faces.is_empty() } else { !faces.is_empty() };
        let path = photo.path.to_string_lossy().into_owned();
        listed.then(|| WeakPhotoRow { photo: path, photo_id: id.to_string(), faces })
    };
    gallery.photos().iter().filter_map(photo).collect()
}

fn listing(photos: &[WeakPhotoRow]) -> String {
    let count = format::count(photos.len(), "photo");
    if photos.is_empty() {
        return format!("{count}\n");
    }
    let mut table = Table::new(&[">faces", ">quality", "photo"]);
    for photo in photos {
        let worst = photo.faces.iter().map(|face| face.quality).min_by(f32::total_cmp);
        let quality = worst.map_or_else(|| "-".to_owned(), |quality| format!("{quality:.2}"));
        let path = super::report::printable(&photo.photo);
        table.row([photo.faces.len().to_string(), quality, path]);
    }
    format!("{}\n{count}\n", table.text())
}
