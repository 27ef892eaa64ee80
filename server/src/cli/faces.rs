use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;
use picpick_engine::receipts::ReceiptBody;
use picpick_engine::{Collection, FaceId, Gallery};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option, photos, receipt};
use crate::config::UsageError;

const LIST_AFTER: &str = "\
PERSON is the person's number in 'picpick people'. A face of low quality may
belong to no person.

With --json: {\"collection\", \"faces\": [{\"face_id\", \"photo\", \"photo_id\",
\"quality\", \"box\": [x, y, width, height], \"person\": number or null}]}.";
const DELETE_AFTER: &str = "\
The photo stays in the collection, but searches no longer find the face.

With --json: {\"collection\", \"deleted\": [face ids], \"receipt\"}.";

#[derive(Subcommand, Debug)]
pub enum FacesCommand {
    /// List the faces, photo by photo in order of path
    #[command(after_help = LIST_AFTER)]
    List {
        /// Name of the collection
        name: String,
        /// List only these faces: face ids, or paths or ids of photos for all their faces
        #[arg(value_name = "FACE")]
        faces: Vec<OsString>,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
    /// Remove faces from the collection
    #[command(after_help = DELETE_AFTER)]
    Delete {
        /// Name of the collection
        name: String,
        /// Face ids, as 'faces list' and 'search --json' show them
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<FaceId>,
        /// Delete; without this option, only show the number of faces to delete
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
}

#[derive(Serialize)]
struct FaceList {
    collection: String,
    faces: Vec<FaceRow>,
}

#[derive(Serialize)]
struct FaceRow {
    face_id: String,
    photo: String,
    photo_id: String,
    quality: f32,
    #[serde(rename = "box")]
    bbox: [i32; 4],
    person: Option<usize>,
}

#[derive(Serialize)]
struct DeletedFaces {
    collection: String,
    deleted: Vec<String>,
    receipt: ReceiptBody,
}

pub fn run(context: &Context, command: FacesCommand) -> Result<Report> {
    match command {
        FacesCommand::List { name, faces, pack } => {
            list(&context.collection(&name, &pack)?.0, &faces)
        }
        FacesCommand::Delete { name, faces, yes, pack } => {
            delete(&context.collection(&name, &pack)?.0, faces, yes)
        }
    }
}

fn list(collection: &Collection, wanted: &[OsString]) -> Result<Report> {
    let name = &collection.info().name;
    collection.read_gallery(|gallery| {
        let mut all = all_faces(gallery);
        if !wanted.is_empty() {
            let chosen = choose(gallery, wanted)?;
            all.retain(|face| chosen.contains(&face.face_id));
        }
        let mut table = Table::new(&["id", ">quality", ">person", "photo"]);
        for face in &all {
            let person = face.person.map_or_else(|| "-".to_owned(), |person| person.to_string());
            let path = super::report::printable(&face.photo);
            table.row([face.face_id.clone(), format!("{:.2}", face.quality), person, path]);
        }
        let count = format::count(all.len(), "face");
        let text = if all.is_empty() {
            format!("{count}\n")
        } else {
            format!("{}\n{count}\n", table.text())
        };
        Report::new(&FaceList { collection: name.clone(), faces: all }, text)
    })
}

fn all_faces(gallery: &Gallery) -> Vec<FaceRow> {
    let people = gallery.people();
    let numbered = people
        .iter()
        .enumerate()
        .flat_map(|(i, person)| person.faces.iter().map(move |face| (*face, i + 1)));
    let person: std::collections::HashMap<FaceId, usize> = numbered.collect();
    let mut all = Vec::with_capacity(gallery.face_count());
    for (photo_id, photo) in gallery.photos() {
        for id in &photo.faces {
            let Some(face) = gallery.face(id) else { continue };
            all.push(FaceRow {
                face_id: id.to_string(),
                photo: photo.path.to_string_lossy().into_owned(),
                photo_id: photo_id.to_string(),
                quality: face.quality,
                bbox: face.bbox,
                person: person.get(id).copied(),
            });
        }
    }
    all
}

/// Returns the ids of the faces that `wanted` names, and of all faces of the photos that `wanted` names.
fn choose(gallery: &Gallery, wanted: &[OsString]) -> Result<Vec<String>> {
    let mut chosen = Vec::new();
    for name in wanted {
        let id = name.to_str().and_then(|text| text.parse::<FaceId>().ok());
        if let Some(id) = id.filter(|id| gallery.face(id).is_some()) {
            chosen.push(id.to_string());
            continue;
        }
        let photos = photos::choose(gallery, std::slice::from_ref(name))?;
        let faces = photos.iter().filter_map(|id| gallery.photo(id)).flat_map(|photo| &photo.faces);
        chosen.extend(faces.map(ToString::to_string));
    }
    Ok(chosen)
}

fn delete(collection: &Collection, mut ids: Vec<FaceId>, yes: bool) -> Result<Report> {
    ids.sort_unstable();
    ids.dedup();
    let name = &collection.info().name;
    let what = format::count(ids.len(), "face");
    if !yes {
        let is_missing =
            |id: &&FaceId| collection.read_gallery(|gallery| gallery.face(id).is_none());
        if let Some(missing) = ids.iter().find(is_missing) {
            let id = missing.to_string();
            return Err(picpick_engine::Error::NotFound { kind: "face", id }.into());
        }
        return Err(UsageError(format!(
            "this would delete {what} from '{name}'; add --yes to confirm"
        ))
        .into());
    }
    let receipt = collection.delete_faces(&ids)?.receipt;
    let deleted = ids.iter().map(ToString::to_string).collect();
    let attested = receipt::describe(&receipt);
    let document = DeletedFaces { collection: name.clone(), deleted, receipt };
    Report::new(&document, format!("Deleted {what} from '{name}'; the photos stay.\n{attested}"))
}
