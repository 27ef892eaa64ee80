use anyhow::Result;
use clap::Args;
use picpick_engine::{Gallery, Person};
use serde::Serialize;

use super::context::Context;
use super::people_corrections::CorrectionOptions;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option};

const AFTER: &str = "\
Faces are grouped strictly: the list shows one person twice rather than two
people as one. Your corrections still apply after photos are added; a later
correction overrides an earlier correction.

Examples:
  picpick people 'Anna & Ben' --merge FACE FACE
  picpick people 'Anna & Ben' --split FACE

With --json: {\"collection\", \"people\": [{\"person\", \"faces\", \"photos\":
[paths], \"best\": {\"photo\", \"photo_id\", \"face_id\", \"quality\", \"box\"}}],
\"faces_without_person\"}. With --merge, --split, --hide, --unhide or --show:
{\"collection\", \"hidden\", \"faces\": [{\"face_id\", \"photo\", \"quality\",
\"similarity\"}]} of the person who has the first FACE after the command.";

/// Lists the people of a collection and how often each was photographed. A person is a number and
/// the faces that belong together; the best face is the face of the highest quality.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct PeopleArguments {
    /// Name of the collection
    name: String,
    /// List only people with at least this many faces
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_faces: usize,
    /// Also list hidden people
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    words: CorrectionOptions,
    /// With --merge: allow a photo that shows two of the people, for instance in a mirror
    #[arg(long, requires = "merge")]
    allow_same_photo: bool,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

#[derive(Serialize)]
struct PeopleDocument {
    collection: String,
    people: Vec<PersonRow>,
    faces_without_person: usize,
}

#[derive(Serialize)]
struct PersonRow {
    person: usize,
    faces: usize,
    photos: Vec<String>,
    best: BestFaceRow,
}

#[derive(Serialize)]
struct BestFaceRow {
    photo: String,
    photo_id: String,
    face_id: String,
    quality: f32,
    #[serde(rename = "box")]
    bbox: [i32; 4],
}

pub fn run(context: &Context, arguments: &PeopleArguments) -> Result<Report> {
    let (collection, _) = context.collection(&arguments.name, &arguments.pack)?;
    if let Some(report) = arguments.words.carry_out(&collection, arguments.allow_same_photo)? {
        return Ok(report);
    }
    let name = &collection.info().name;
    collection.read_gallery(|gallery| {
        let all = gallery.people();
        let hidden = all.iter().filter(|person| person.hidden && !arguments.all).count();
        let with_person: usize = all.iter().map(|person| person.faces.len()).sum();
        let enough =
            all.iter().enumerate().filter(|(_, person)| person.faces.len() >= arguments.min_faces);
        let enough = enough.filter(|(_, person)| arguments.all || !person.hidden);
        let people: Vec<PersonRow> =
            enough.filter_map(|(i, person)| shown(gallery, i + 1, person)).collect();
        let faces_without_person = gallery.face_count().saturating_sub(with_person);

        let mut table = Table::new(&[">person", ">faces", ">photos", ">quality", "best face in"]);
        for person in &people {
            table.row([
                person.person.to_string(),
                person.faces.to_string(),
                person.photos.len().to_string(),
                format!("{:.2}", person.best.quality),
                super::report::printable(&person.best.photo),
            ]);
        }
        let mut text =
            if people.is_empty() { String::new() } else { format!("{}\n", table.text()) };
        text += &format!("{} in '{name}'", format::count(people.len(), "person"));
        if arguments.min_faces > 1 {
            text += &format!(" with {} faces or more", arguments.min_faces);
        }
        if faces_without_person > 0 {
            let verb = if faces_without_person == 1 { "belongs" } else { "belong" };
            text += &format!(
                "; {} of low quality {verb} to no person",
                format::count(faces_without_person, "face")
            );
        }
        if hidden > 0 {
            text += &format!("; {} hidden, shown with --all", format::count(hidden, "person"));
        }
        text += ".\n";
        Report::new(
            &PeopleDocument { collection: name.clone(), people, faces_without_person },
            text,
        )
    })
}

fn shown(gallery: &Gallery, number: usize, person: &Person) -> Option<PersonRow> {
    let faces = || person.faces.iter().filter_map(|id| Some((id, gallery.face(id)?)));
    let (face_id, best) = faces().max_by(|a, b| a.1.quality.total_cmp(&b.1.quality))?;
    let path = |id| gallery.photo(id).map(|photo| photo.path.to_string_lossy().into_owned());
    let mut photos: Vec<String> = faces().filter_map(|(_, face)| path(&face.photo)).collect();
    photos.sort_unstable();
    photos.dedup();
    let best = BestFaceRow {
        photo: path(&best.photo)?,
        photo_id: best.photo.to_string(),
        face_id: face_id.to_string(),
        quality: best.quality,
        bbox: best.bbox,
    };
    Some(PersonRow { person: number, faces: person.faces.len(), photos, best })
}
