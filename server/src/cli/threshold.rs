use anyhow::Result;
use clap::Args;
use picpick_engine::{Calibration, Collection, FPIR, PAIRS_MIN, ThresholdOffset, ThresholdPreview};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option};

const AFTER: &str = "\
The usual threshold depends on the number of faces in the collection. You can
raise it, but not lower it. A search with --min-similarity ignores it.

Examples:
  picpick threshold 'Anna & Ben' --preview 0.05
  picpick threshold 'Anna & Ben' --stricter 0.05

With --json: {\"collection\", \"faces\", \"threshold\", \"formula\", \"stricter\",
\"own\": {\"threshold\", \"low\", \"high\", \"advised\"} or null, \"pairs\",
\"pairs_needed\", \"photos\", \"preview\": {\"stricter\", \"threshold\", \"photos_now\",
\"photos_then\", \"dropped\": [{\"photo\", \"photo_id\", \"face_id\", \"similarity\",
\"bar\"}], \"dropped_in_all\"} or null}.";

/// Shows the similarity from which two faces match, and what the collection's own photos suggest.
/// Raises the threshold, or previews what that would change.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct ThresholdArguments {
    /// Name of the collection
    name: String,
    /// Raise the threshold by this amount from now on; 0 restores the usual one
    #[arg(long, value_name = "0 TO 0.20", value_parser = stricter, conflicts_with = "preview")]
    stricter: Option<ThresholdOffset>,
    /// Show which photos would be missed with a threshold raised by this amount; changes nothing
    #[arg(long, value_name = "0 TO 0.20", value_parser = stricter)]
    preview: Option<ThresholdOffset>,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

fn stricter(text: &str) -> Result<ThresholdOffset, String> {
    let most = ThresholdOffset::MAX.value();
    let given = text.parse().ok().and_then(ThresholdOffset::new);
    given.ok_or_else(|| format!("expected a number from 0 to {most:.2}"))
}

#[derive(Serialize)]
struct ThresholdDocument {
    collection: String,
    faces: usize,
    threshold: f32,
    formula: f32,
    stricter: f32,
    own: Option<CalibratedThreshold>,
    pairs: usize,
    pairs_needed: usize,
    photos: usize,
    preview: Option<PreviewDocument>,
}

#[derive(Serialize)]
struct CalibratedThreshold {
    threshold: f32,
    low: f32,
    high: f32,
    advised: f32,
}

#[derive(Serialize)]
struct PreviewDocument {
    stricter: f32,
    threshold: f32,
    photos_now: usize,
    photos_then: usize,
    dropped: Vec<LostPhotoRow>,
    dropped_in_all: usize,
}

#[derive(Serialize)]
struct LostPhotoRow {
    photo: String,
    photo_id: String,
    face_id: String,
    similarity: f32,
    bar: f32,
}

pub fn run(context: &Context, arguments: &ThresholdArguments) -> Result<Report> {
    let (collection, _) = context.collection(&arguments.name, &arguments.pack)?;
    if let Some(stricter) = arguments.stricter {
        collection.set_threshold_offset(stricter)?;
    }
    let wanted = arguments.preview;
    let preview = wanted.map(|wanted| previewed(&collection, wanted)).transpose()?;
    let gallery = collection.gallery();
    let formula = gallery.threshold_with(ThresholdOffset::default());
    let Calibration { pairs, photos, own, .. } = gallery.calibration(FPIR);
    let own = own.map(|own| CalibratedThreshold {
        threshold: own.threshold,
        low: own.low,
        high: own.high,
        advised: own.recommended_offset(formula).value(),
    });
    let document = ThresholdDocument {
        collection: collection.info().name.clone(),
        faces: gallery.face_count(),
        threshold: gallery.threshold(),
        formula,
        stricter: gallery.threshold_offset().value(),
        own,
        pairs,
        pairs_needed: PAIRS_MIN,
        photos,
        preview,
    };
    let text = text(&document);
    Report::new(&document, text)
}

/// Previews the offset `wanted`: searches each person by the person's other faces and returns the photos that
/// would no longer be found.
fn previewed(collection: &Collection, wanted: ThresholdOffset) -> Result<PreviewDocument> {
    let ThresholdPreview {
        threshold,
        people,
        lost_matches: dropped,
        lost_in_all: dropped_in_all,
        ..
    } = collection.preview(wanted)?;
    let gallery = collection.gallery();
    let gone = |dropped: &picpick_engine::LostMatch| {
        let photo = gallery.photo(&dropped.photo)?;
        Some(LostPhotoRow {
            photo: photo.path.to_string_lossy().into_owned(),
            photo_id: dropped.photo.to_string(),
            face_id: dropped.face.to_string(),
            similarity: dropped.similarity,
            bar: dropped.threshold,
        })
    };
    Ok(PreviewDocument {
        stricter: wanted.value(),
        threshold,
        photos_now: people.photos_current,
        photos_then: people.photos_preview,
        dropped: dropped.iter().filter_map(gone).collect(),
        dropped_in_all,
    })
}

fn text(document: &ThresholdDocument) -> String {
    let ThresholdDocument { threshold, formula, stricter, pairs, photos, .. } = document;
    let faces = format::count(document.faces, "face");
    let mut text = format!("'{}': faces must reach {threshold:.2}", document.collection);
    text += &match *stricter > 0.0 {
        true => format!(", {stricter:.2} more than the usual\n{formula:.2} for {faces}.\n"),
        false => format!(", the usual threshold for {faces}.\n"),
    };
    let seen = format::count(*pairs, "pair");
    text += &match &document.own {
        Some(CalibratedThreshold { threshold, low, high, advised }) => {
            let advice = match *advised > *stricter {
                true => format!("--stricter {advised:.2} is recommended"),
                false => "no change is recommended".into(),
            };
            format!(
                "Its own photos suggest {threshold:.2} ({low:.2} to {high:.2}), from {seen} of\n\
                 people who appear together in {}; {advice}.\n",
                format::count(*photos, "photo")
            )
        }
        None => format!(
            "Its own photos give no estimate yet: they have {seen} of people who appear\n\
             together; at least {} are needed.\n",
            format::thousands(document.pairs_needed)
        ),
    };
    if let Some(preview) = &document.preview {
        let PreviewDocument { stricter, threshold, photos_now, photos_then, .. } = preview;
        text += &format!(
            "\nRaised by {stricter:.2} to {threshold:.2}, people would be found in {} of the\n\
             {} they are found in now.\n",
            format::thousands(*photos_then),
            format::count(*photos_now, "photo")
        );
        let mut table = Table::new(&[">similarity", ">must reach", "missed photo"]);
        for gone in &preview.dropped {
            let path = super::report::printable(&gone.photo).replace('\n', "\\n");
            table.row([format!("{:.2}", gone.similarity), format!("{:.2}", gone.bar), path]);
        }
        if !preview.dropped.is_empty() {
            text += &format!("\n{}", table.text());
        }
        if preview.dropped_in_all > preview.dropped.len() {
            let more = preview.dropped_in_all - preview.dropped.len();
            text += &format!("and {} more\n", format::thousands(more));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stricter_is_taken() {
        assert_eq!(stricter("0.05"), Ok(ThresholdOffset::new(0.05).unwrap_or_default()));
        for wrong in ["-0.01", "0.3", "NaN", "much", ""] {
            assert!(stricter(wrong).is_err(), "{wrong}");
        }
    }
}
