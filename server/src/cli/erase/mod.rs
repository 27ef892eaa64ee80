mod remote;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use picpick_engine::receipts::ReceiptBody;
use picpick_engine::{FaceId, Match, Scoring};
use serde::Serialize;

use super::context::Context;
use super::report::{ExitStatus, Report};
use super::search::{SearchRequest, similarity};
use super::table::Table;
use super::{format, pack_option, receipt};

const AFTER: &str = "\
Check the list before you add --yes: the list may contain a relative, and may
lack a face that is seen from the side. '--min-similarity' changes the required
similarity. The photo files are not changed. Indexing the photos again does not
add the erased faces again.

Examples:
  picpick erase 'Anna & Ben' --selfie guest.jpg
  picpick erase 'Anna & Ben' --selfie guest.jpg --yes --receipt guest.json

A running service holds its collections open. Erase through it then: the name
is the event's id, and the API key of an owner or admin comes from
PICPICK_API_KEY or a file:
  picpick erase EVENT --server https://photos.example.com --selfie guest.jpg

With --json: {\"collection\", \"erased\", \"threshold\", \"faces\": [{\"photo\",
\"face_id\", \"similarity\"}], \"receipt\"}; with --server {\"event\", \"erased\",
\"threshold\", \"photos\": [{\"photo\", \"similarity\"}], \"receipt\"}.";

/// Erases a person's faces, which it finds as 'search --expand' does. Without '--yes' it only lists
/// the faces.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct EraseArguments {
    /// Name of the collection; with '--server', the event's id
    pub name: String,
    /// A picture of the person; may be given several times, to find more faces
    #[arg(long = "selfie", required = true, value_name = "FILE")]
    pub selfies: Vec<PathBuf>,
    /// Erase; without this option the command only lists the faces it would erase
    #[arg(long)]
    pub yes: bool,
    /// Also write the receipt to this file
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Erase faces of at least this similarity, -1 to 1 [default: the collection's threshold]
    #[arg(long, value_name = "X", value_parser = similarity, allow_negative_numbers = true,
        conflicts_with = "server")]
    min_similarity: Option<f32>,
    /// Number of the face to use if a picture shows several faces: 1 is the leftmost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub face: Option<u32>,
    #[command(flatten)]
    remote: RemoteService,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

/// The service through which the faces are erased.
#[derive(Args, Debug)]
pub struct RemoteService {
    /// Erase through the service at this address, which may be running
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// File with the API key for '--server' [default: the key in PICPICK_API_KEY]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub key_file: Option<PathBuf>,
    /// Also keep the person's faces in later photos out; their template stays until the event ends
    #[arg(long, requires = "server")]
    pub opt_out: bool,
}

#[derive(Serialize)]
struct EraseDocument {
    collection: String,
    erased: bool,
    threshold: f32,
    faces: Vec<ErasedPhotoRow>,
    receipt: Option<ReceiptBody>,
}

#[derive(Serialize)]
struct ErasedPhotoRow {
    photo: String,
    face_id: String,
    similarity: f32,
}

pub fn run(context: &Context, arguments: &EraseArguments) -> Result<Report> {
    if let Some(server) = &arguments.remote.server {
        return remote::run(arguments, &arguments.remote, server);
    }
    receipt::check_destination(arguments.receipt.as_deref())?;
    let (collection, pack) = context.collection(&arguments.name, &arguments.pack)?;
    let search = SearchRequest {
        selfies: &arguments.selfies,
        scoring: Scoring::Expand,
        similarity_min: arguments.min_similarity,
        top: None,
        face: arguments.face.map(|face| face as usize),
    };
    let answer = search.run_search(context, &collection, &pack)?.answer;
    let shown = |found: &Match| ErasedPhotoRow {
        photo: found.path.to_string_lossy().into_owned(),
        face_id: found.face.to_string(),
        similarity: found.similarity,
    };
    let mut document = EraseDocument {
        collection: arguments.name.clone(),
        erased: false,
        threshold: answer.threshold,
        faces: answer.matches.iter().map(shown).collect(),
        receipt: None,
    };
    if answer.matches.is_empty() {
        let text = format!("No face in '{}' matches this person.\n", arguments.name);
        return Ok(Report::new(&document, text)?.with(ExitStatus::NothingFound));
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
            &format!("This would erase {what} from '{}'; add --yes to confirm.\n", arguments.name);
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
