use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use picpick_engine::{ProbeImage, Quality};
use serde::Serialize;

use super::context::Context;
use super::query_images::QueryImages;
use super::report::Report;
use super::{format, pack_option};

const AFTER: &str = "\
Example:
  picpick compare passport.jpg guest.jpg

With --json: {\"similarity\", \"threshold\", \"same_person\", \"pack\", \"provider\",
\"photos\": [{\"photo\", \"faces\", \"quality\", \"box\": [x, y, width, height]}]}.";

/// Compares one face of each photo (1:1). The exit status is 0 for both verdicts; with --json, the
/// verdict is 'same_person'.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct CompareArguments {
    #[arg(value_name = "PHOTO_A")]
    photo_a: PathBuf,
    #[arg(value_name = "PHOTO_B")]
    photo_b: PathBuf,
    /// Number of the face to use if PHOTO_A shows several faces: 1 is the leftmost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    face_a: Option<u32>,
    /// Number of the face to use if PHOTO_B shows several faces: 1 is the leftmost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    face_b: Option<u32>,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

#[derive(Serialize)]
struct CompareDocument {
    similarity: f32,
    threshold: f32,
    same_person: bool,
    pack: String,
    provider: String,
    photos: [ComparedFace; 2],
}

#[derive(Serialize)]
struct ComparedFace {
    photo: String,
    faces: usize,
    quality: f32,
    #[serde(rename = "box")]
    bbox: [i32; 4],
}

pub fn run(context: &Context, arguments: &CompareArguments) -> Result<Report> {
    let pack = arguments.pack.or_default()?;
    let pipeline = context.pipeline(&pack)?;
    let read = |path: &PathBuf, face: Option<u32>| {
        QueryImages::read(&pipeline, std::slice::from_ref(path), face.map(|face| face as usize))
    };
    let a = read(&arguments.photo_a, arguments.face_a)?;
    let b = read(&arguments.photo_b, arguments.face_b)?;
    let (image_a, image_b) = a.iter().next().zip(b.iter().next()).context("a photo is missing")?;
    let similarity = image_a.1.subject.similarity(&image_b.1.subject);
    // A 1:1 comparison uses the threshold of an empty collection, the lowest of the formula.
    let threshold = pack.matching.threshold(0);
    let same_person = similarity >= threshold;
    let verdict = if same_person { "the same person" } else { "probably not the same person" };
    let mut text = format!("Similarity {similarity:.2} (threshold {threshold:.2}): {verdict}.\n");
    let poor = |(_, image): &(&Path, &ProbeImage)| image.subject.quality < Quality::LOW;
    for (path, _) in [image_a, image_b].into_iter().filter(poor) {
        let path = format::path(path);
        text += &format!(
            "The face in {path} is small, blurred or turned away, which makes the result less\n\
             reliable; use a clearer photo.\n"
        );
    }
    let document = CompareDocument {
        similarity,
        threshold,
        same_person,
        pack: pack.id().to_owned(),
        provider: pipeline.provider().to_string(),
        photos: [shown(image_a), shown(image_b)],
    };
    Report::new(&document, text)
}

fn shown((path, image): (&Path, &ProbeImage)) -> ComparedFace {
    ComparedFace {
        photo: path.to_string_lossy().into_owned(),
        faces: image.analysis.faces.len(),
        quality: image.subject.quality,
        bbox: image.subject.bbox,
    }
}
