use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use picpick_engine::{Collection, Match, MatchKind, Pack, Quality, Scoring};
use serde::Serialize;

use super::contact_sheet::{self, model};
use super::context::Context;
use super::query_images::QueryImages;
use super::report::{ExitStatus, Report, note};
use super::search_outcome::{QueryOutcome, match_reason};
use super::table::Table;
use super::{format, pack_option};

const AFTER: &str = "\
Similarity ranges from -1 to 1, quality from 0 to 1. A face of good
quality matches if its similarity reaches the threshold, which rises with the
number of faces in the collection. A face of low quality needs a higher
similarity.

Examples:
  picpick search 'Anna & Ben' selfie.jpg
  picpick search 'Anna & Ben' front.jpg left.jpg right.jpg --sheet found.html
  picpick search 'Anna & Ben' group.jpg --face 2 --top 10

With --json: {\"collection\", \"query\": {\"selfies\", \"faces\", \"quality\",
\"provider\", \"elapsed_ms\": {\"decode\", \"detect\", \"embed\", \"search\"}},
\"threshold\", \"matches\": [{\"photo\", \"photo_id\", \"face_id\", \"similarity\",
\"kind\": \"direct\"|\"person\"|\"expanded\", \"quality\", \"box\": [x, y, width,
height]}]}, best first; box in pixels of the upright photo. The exit
status is 3 if nothing matches.";

/// Finds a person's photos. Several selfies of the person, turned a little to either side, find more
/// than one selfie does.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct SearchArguments {
    /// Name of the collection
    name: String,
    /// Pictures of the person
    #[arg(required = true, value_name = "SELFIE")]
    selfies: Vec<PathBuf>,
    /// Show at most this number of photos
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Use this similarity, -1 to 1, instead of the threshold
    #[arg(long, value_name = "X", value_parser = similarity, allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// Match single faces only, not the people that faces belong to
    #[arg(long, conflicts_with = "expand")]
    direct: bool,
    /// Show all photos of every person who matches, also photos that would not match alone
    #[arg(long)]
    expand: bool,
    /// Number of the face to use if a picture shows several faces: 1 is the leftmost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    face: Option<u32>,
    /// Also write a contact sheet: one HTML file that contains the photos
    #[arg(long, value_name = "FILE.html", value_parser = PathBufValueParser::new().try_map(sheet_path))]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

/// Parses a similarity, -1 to 1.
pub fn similarity(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number from -1 to 1".to_owned())?;
    if (-1.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err("expected a number from -1 to 1".into())
    }
}

/// Accepts only file names that end in `.html` or `.htm`, because a contact sheet replaces the file at its
/// path, which must not be a photo.
pub fn sheet_path(path: PathBuf) -> Result<PathBuf, String> {
    let html = path.extension().is_some_and(|ending| ending == "html" || ending == "htm");
    if html { Ok(path) } else { Err("expected a file name that ends in .html".into()) }
}

#[derive(Debug, Serialize)]
pub struct SearchDocument {
    collection: String,
    query: QueryRow,
    threshold: f32,
    matches: Vec<MatchRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

#[derive(Debug, Serialize)]
struct QueryRow {
    selfies: usize,
    faces: usize,
    quality: f32,
    provider: String,
    elapsed_ms: SearchTimings,
}

#[derive(Debug, Serialize)]
struct SearchTimings {
    decode: f64,
    detect: f64,
    embed: f64,
    search: f64,
}

#[derive(Debug, Serialize)]
struct MatchRow {
    photo: String,
    photo_id: String,
    face_id: String,
    similarity: f32,
    kind: &'static str,
    quality: f32,
    #[serde(rename = "box")]
    bbox: [i32; 4],
}

pub fn run(context: &Context, arguments: &SearchArguments) -> Result<Report> {
    let (collection, pack) = context.collection(&arguments.name, &arguments.pack)?;
    let scoring = match (arguments.direct, arguments.expand) {
        (true, _) => Scoring::Direct,
        (_, true) => Scoring::Expand,
        _ => Scoring::People,
    };
    let found = SearchRequest {
        selfies: &arguments.selfies,
        scoring,
        similarity_min: arguments.min_similarity,
        top: arguments.top.map(|top| top as usize),
        face: arguments.face.map(|face| face as usize),
    }
    .run_search(context, &collection, &pack)?;
    let mut document = found.document(&collection);
    let mut text = found.text(&collection);
    if let Some(path) = &arguments.sheet {
        contact_sheet::write(path, &model::sheet_of(&collection, &pack, &found))?;
        document.sheet = Some(path.to_string_lossy().into_owned());
        text += &format!("\nContact sheet: {}\n", format::path(path));
    }
    let status =
        if found.answer.matches.is_empty() { ExitStatus::NothingFound } else { ExitStatus::Done };
    Ok(Report::new(&document, text)?.with(status))
}

/// The parameters of a search.
pub struct SearchRequest<'a> {
    pub selfies: &'a [PathBuf],
    pub scoring: Scoring,
    /// Similarity to use instead of the threshold, -1..1.
    pub similarity_min: Option<f32>,
    /// Limits the photos of the answer.
    pub top: Option<usize>,
    /// Number of the face to search for, from 1 from left to right.
    pub face: Option<usize>,
}

impl SearchRequest<'_> {
    /// Reads the selfies and searches `collection`, which must use `pack`.
    pub fn run_search(
        &self,
        context: &Context,
        collection: &Collection,
        pack: &Pack,
    ) -> Result<QueryOutcome> {
        let pipeline = context.pipeline(pack)?;
        let selfies = QueryImages::read(&pipeline, self.selfies, self.face)?;
        if selfies.probe.template.quality < Quality::LOW {
            note("note: the face is small, blurred or turned away; try a clearer picture");
        }
        let begun = Instant::now();
        let answer = collection.search(
            &selfies.probe.template,
            self.scoring,
            self.similarity_min,
            self.top,
        )?;
        let search_ms = format::ms(begun.elapsed());
        let provider = pipeline.provider().to_string();
        Ok(QueryOutcome { selfies, answer, scoring: self.scoring, provider, search_ms })
    }
}

impl QueryOutcome {
    /// Returns the JSON document of the result.
    pub fn document(&self, collection: &Collection) -> SearchDocument {
        let timings = self.selfies.probe.timings();
        let elapsed_ms = SearchTimings {
            decode: format::ms(timings.decode),
            detect: format::ms(timings.detect),
            embed: format::ms(timings.embed),
            search: self.search_ms,
        };
        SearchDocument {
            collection: collection.info().name.clone(),
            query: QueryRow {
                selfies: self.selfies.probe.images.len(),
                faces: self.selfies.probe.faces(),
                quality: self.selfies.probe.template.quality,
                provider: self.provider.clone(),
                elapsed_ms,
            },
            threshold: self.answer.threshold,
            matches: self.answer.matches.iter().map(shown).collect(),
            sheet: None,
        }
    }

    /// Returns the result as text.
    pub fn text(&self, collection: &Collection) -> String {
        let (photos, faces) =
            { collection.read_gallery(|gallery| (gallery.photos().len(), gallery.face_count())) };
        let among =
            format!("{} with {}", format::count(photos, "photo"), format::count(faces, "face"));
        let name = &collection.info().name;
        if self.answer.matches.is_empty() {
            let threshold = self.answer.threshold;
            return format!(
                "No photo of '{name}' shows this person.\nSearched: {among}; threshold {threshold:.2}.\n"
            );
        }
        let mut table = Table::new(&[">similarity", ">quality", "why", "photo"]);
        for found in &self.answer.matches {
            let (similarity, quality) =
                (format!("{:.2}", found.similarity), format!("{:.2}", found.quality));
            table.row([
                similarity,
                quality,
                match_reason(found.kind).into(),
                format::path(&found.path),
            ]);
        }
        let matches = format::count(self.answer.matches.len(), "photo");
        let verb = if self.answer.matches.len() == 1 { "shows" } else { "show" };
        let threshold = self.answer.threshold;
        let head = format!("{matches} of '{name}' {verb} this person.");
        format!("{head}\nSearched: {among}; threshold {threshold:.2}.\n\n{}", table.text())
    }
}

fn shown(found: &Match) -> MatchRow {
    MatchRow {
        photo: found.path.to_string_lossy().into_owned(),
        photo_id: found.photo.to_string(),
        face_id: found.face.to_string(),
        similarity: found.similarity,
        kind: match found.kind {
            MatchKind::Direct => "direct",
            MatchKind::Person => "person",
            MatchKind::Expanded => "expanded",
        },
        quality: found.quality,
        bbox: found.bbox,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picpick_engine::{FaceId, PhotoId};

    #[test]
    fn similarities_and_sheet_names_are_checked_early() {
        assert_eq!(similarity("0.5"), Ok(0.5));
        assert_eq!(similarity("-1"), Ok(-1.0));
        for wrong in ["1.5", "NaN", "inf", "much", ""] {
            assert!(similarity(wrong).is_err(), "{wrong}");
        }
        assert!(sheet_path("a/b.html".into()).is_ok());
        assert!(sheet_path("photo.jpg".into()).is_err() && sheet_path("sheet".into()).is_err());
    }

    #[test]
    fn a_match_has_the_promised_fields() {
        let found = Match {
            photo: PhotoId([1; 16]),
            face: FaceId([2; 16]),
            path: "a.jpg".into(),
            similarity: 0.5,
            kind: MatchKind::Person,
            quality: 0.25,
            bbox: [1, -2, 3, 4],
        };
        let expected = serde_json::json!({
            "photo": "a.jpg", "photo_id": "01".repeat(16), "face_id": "02".repeat(16),
            "similarity": 0.5, "kind": "person", "quality": 0.25, "box": [1, -2, 3, 4],
        });
        assert_eq!(serde_json::to_value(shown(&found)).unwrap_or_default(), expected);
    }
}
