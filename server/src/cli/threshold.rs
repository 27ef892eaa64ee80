use anyhow::Result;
use clap::Args;
use picpick_engine::Collection;
use picpick_engine::thresholds::{Calibration, Estimate, ThresholdOffset, ThresholdPreview};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option};

const AFTER: &str = "\
The usual threshold depends on the number of faces in the collection. You can
raise the threshold, but not lower it. A search with --min-similarity ignores
the threshold.

Examples:
  picpick threshold 'Anna & Ben' --preview 0.05
  picpick threshold 'Anna & Ben' --offset 0.05

With --json: {\"collection\", \"faces\", \"threshold\", \"formula\",
\"threshold_offset\", \"calibrated\": {\"threshold\", \"low\", \"high\",
\"recommended_offset\"} or null, \"pairs\", \"pairs_needed\", \"photos\",
\"preview\": {\"threshold_offset\", \"threshold\", \"photos_current\",
\"photos_preview\", \"lost_matches\": [{\"photo\", \"photo_id\", \"face_id\",
\"similarity\", \"threshold\"}], \"lost_matches_total\"} or null}.";

/// Shows the similarity at which two faces match, and the estimate from the collection's own photos.
/// Raises the threshold, or previews the effect.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct ThresholdArguments {
    /// Name of the collection
    name: String,
    /// Raise the threshold by this amount from now on; 0 restores the usual threshold
    #[arg(long, value_name = "0 TO 0.20", value_parser = stricter, conflicts_with = "preview")]
    offset: Option<ThresholdOffset>,
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
    threshold_offset: f32,
    calibrated: Option<CalibratedThreshold>,
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
    recommended_offset: f32,
}

#[derive(Serialize)]
struct PreviewDocument {
    threshold_offset: f32,
    threshold: f32,
    photos_current: usize,
    photos_preview: usize,
    lost_matches: Vec<LostPhotoRow>,
    lost_matches_total: usize,
}

#[derive(Serialize)]
struct LostPhotoRow {
    photo: String,
    photo_id: String,
    face_id: String,
    similarity: f32,
    threshold: f32,
}

pub fn run(context: &Context, arguments: &ThresholdArguments) -> Result<Report> {
    let (collection, _) = context.collection(&arguments.name, &arguments.pack)?;
    if let Some(stricter) = arguments.offset {
        collection.set_threshold_offset(stricter)?;
    }
    let wanted = arguments.preview;
    let preview = wanted.map(|wanted| previewed(&collection, wanted)).transpose()?;
    let name = &collection.info().name;
    collection.read_gallery(|gallery| {
        let formula = gallery.threshold_with(ThresholdOffset::default());
        let Calibration { pairs, photos, own, .. } = gallery.calibration(Estimate::FPIR);
        let own = own.map(|own| CalibratedThreshold {
            threshold: own.threshold,
            low: own.low,
            high: own.high,
            recommended_offset: own.recommended_offset(formula).value(),
        });
        let document = ThresholdDocument {
            collection: name.clone(),
            faces: gallery.face_count(),
            threshold: gallery.threshold(),
            formula,
            threshold_offset: gallery.threshold_offset().value(),
            calibrated: own,
            pairs,
            pairs_needed: Estimate::PAIRS_MIN,
            photos,
            preview,
        };
        let text = text(&document);
        Report::new(&document, text)
    })
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
    collection.read_gallery(|gallery| {
        let gone = |dropped: &picpick_engine::thresholds::LostMatch| {
            let photo = gallery.photo(&dropped.photo)?;
            Some(LostPhotoRow {
                photo: photo.path.to_string_lossy().into_owned(),
                photo_id: dropped.photo.to_string(),
                face_id: dropped.face.to_string(),
                similarity: dropped.similarity,
                threshold: dropped.threshold,
            })
        };
        Ok(PreviewDocument {
            threshold_offset: wanted.value(),
            threshold,
            photos_current: people.photos_current,
            photos_preview: people.photos_preview,
            lost_matches: dropped.iter().filter_map(gone).collect(),
            lost_matches_total: dropped_in_all,
        })
    })
}

fn text(document: &ThresholdDocument) -> String {
    let ThresholdDocument { threshold, formula, threshold_offset: offset, pairs, photos, .. } =
        document;
    let faces = format::count(document.faces, "face");
    let mut text = format!("'{}': faces must reach {threshold:.2}", document.collection);
    text += &match *offset > 0.0 {
        true => format!(", {offset:.2} more than the usual\n{formula:.2} for {faces}.\n"),
        false => format!(", the usual threshold for {faces}.\n"),
    };
    let seen = format::count(*pairs, "pair");
    text += &match &document.calibrated {
        Some(CalibratedThreshold { threshold, low, high, recommended_offset: advised }) => {
            let advice = match *advised > *offset {
                true => format!("--offset {advised:.2} is recommended"),
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
        let PreviewDocument { threshold_offset: offset, threshold, .. } = preview;
        text += &format!(
            "\nRaised by {offset:.2} to {threshold:.2}, people would be found in {} of the\n\
             {} they are found in now.\n",
            format::thousands(preview.photos_preview),
            format::count(preview.photos_current, "photo")
        );
        let mut table = Table::new(&[">similarity", ">must reach", "missed photo"]);
        for gone in &preview.lost_matches {
            let path = super::report::printable(&gone.photo).replace('\n', "\\n");
            table.row([format!("{:.2}", gone.similarity), format!("{:.2}", gone.threshold), path]);
        }
        if !preview.lost_matches.is_empty() {
            text += &format!("\n{}", table.text());
        }
        if preview.lost_matches_total > preview.lost_matches.len() {
            let more = preview.lost_matches_total - preview.lost_matches.len();
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
