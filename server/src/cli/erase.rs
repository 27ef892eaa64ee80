//! `picpick erase`: all faces of one person, found by a selfie, out of a collection for good.
//!
//! Without `--yes` it only shows what it would erase. Knows nothing of how anything is erased.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use picpick_engine::{FaceId, Match, ReceiptBody, Scoring};
use serde::Serialize;

use super::context::Context;
use super::report::{Report, Status};
use super::search::{Search, similarity};
use super::table::Table;
use super::{format, packs, receipt};

const AFTER: &str = "\
Look at what is shown before you add --yes: a relative may be among the faces,
and a side face may be missing; '--min-similarity' draws the line elsewhere. The
photos' files stay where they are. The faces are not taken in again when the
photos are indexed once more.

Example:
  picpick erase 'Anna & Ben' --selfie guest.jpg
  picpick erase 'Anna & Ben' --selfie guest.jpg --yes --receipt guest.json

With --json: {\"collection\", \"erased\", \"threshold\", \"faces\": [{\"photo\",
\"face_id\", \"similarity\"}], \"receipt\"}.";

/// Finds a person's faces as 'search --expand' does and erases them.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct Arguments {
    /// Name of the collection
    name: String,
    /// A picture of the person; several find more
    #[arg(long = "selfie", required = true, value_name = "FILE")]
    selfies: Vec<PathBuf>,
    /// Really erase; without it, only what would be erased is shown
    #[arg(long)]
    yes: bool,
    /// Also write the receipt to this file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Erase faces from this similarity on [default: the collection's threshold]
    #[arg(long, value_name = "X", value_parser = similarity, allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// The face that is meant when the picture shows several: 1 is the leftmost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    face: Option<u32>,
    #[command(flatten)]
    pack: packs::Choice,
}

#[derive(Serialize)]
struct Document {
    collection: String,
    erased: bool,
    threshold: f32,
    faces: Vec<Shown>,
    receipt: Option<ReceiptBody>,
}

#[derive(Serialize)]
struct Shown {
    photo: String,
    face_id: String,
    similarity: f32,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Report> {
    receipt::free_place(arguments.receipt.as_deref())?;
    let (collection, pack) = context.collection(&arguments.name, &arguments.pack)?;
    let search = Search {
        selfies: &arguments.selfies,
        scoring: Scoring::Expand,
        similarity_min: arguments.min_similarity,
        top: None,
        face: arguments.face.map(|face| face as usize),
    };
    let answer = search.carry_out(context, &collection, &pack)?.answer;
    let shown = |found: &Match| Shown {
        photo: found.path.to_string_lossy().into_owned(),
        face_id: found.face.to_string(),
        similarity: found.similarity,
    };
    let mut document = Document {
        collection: arguments.name.clone(),
        erased: false,
        threshold: answer.threshold,
        faces: answer.matches.iter().map(shown).collect(),
        receipt: None,
    };
    if answer.matches.is_empty() {
        let text = format!("'{}' shows nobody like that.\n", arguments.name);
        return Ok(Report::new(&document, text)?.with(Status::NothingFound));
    }
    let mut table = Table::new(&[">similarity", "face", "photo"]);
    for found in &answer.matches {
        let similarity = format!("{:.2}", found.similarity);
        table.row([similarity, found.face.to_string(), format::path(&found.path)]);
    }
    let mut text = table.text() + "\n";
    let what = format::count(answer.matches.len(), "face");
    if !arguments.yes {
        text +=
            &format!("This would erase {what} from '{}'; add --yes to do it.\n", arguments.name);
        return Report::new(&document, text);
    }
    let ids: Vec<FaceId> = answer.matches.iter().map(|found| found.face).collect();
    let written = collection.erase_person(&ids)?;
    receipt::copy_to(arguments.receipt.as_deref(), &written)?;
    text += &format!(
        "Erased {what} from '{}'.\n{}",
        arguments.name,
        receipt::describe(&written.receipt)
    );
    (document.erased, document.receipt) = (true, Some(written.receipt));
    Report::new(&document, text)
}
