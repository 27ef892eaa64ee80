//! `picpick collections`: make, list, describe and delete.
//!
//! A listing opens no collection. Knows nothing of photos' files or of models beyond their names.

use anyhow::Result;
use clap::Subcommand;
use picpick_engine::CollectionInfo;
use serde::Serialize;

use super::Usage;
use super::context::Context;
use super::index::Coverage;
use super::report::Report;
use super::table::Table;
use super::{format, packs};

const CREATE_AFTER: &str = "\
A collection keeps to the model pack it was made with; two packs cannot be
compared.

Example:
  picpick collections create 'Anna & Ben'

With --json: {\"name\", \"id\", \"pack\", \"created_unix_s\"}.";
const LIST_AFTER: &str = "\
With --json: {\"collections\": [{\"name\", \"id\", \"pack\", \"created_unix_s\"}]}.";
const SHOW_AFTER: &str = "\
With --json: {\"name\", \"id\", \"pack\", \"created_unix_s\", \"photos\", \"faces\",
\"people\", \"poor_faces\", \"photos_without_faces\", \"index\", \"threshold\"}.";
const DELETE_AFTER: &str = "\
The key goes first: from then on nothing reads what was stored. Your photos stay
where they are.

With --json: {\"deleted\", \"id\"}.";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make an empty collection, for instance one for an event
    #[command(after_help = CREATE_AFTER)]
    Create {
        /// Its name: 1 to 100 printable characters
        name: String,
        #[command(flatten)]
        pack: packs::Choice,
    },
    /// List all collections
    #[command(after_help = LIST_AFTER)]
    List,
    /// Describe one collection: what is in it, and what will be hard to find
    #[command(after_help = SHOW_AFTER)]
    Show {
        /// Name of the collection
        name: String,
        #[command(flatten)]
        pack: packs::Choice,
    },
    /// Delete a collection with all its faces, for good
    #[command(after_help = DELETE_AFTER)]
    Delete {
        /// Name of the collection
        name: String,
        /// Really delete; without it, only what would be deleted is said
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        pack: packs::Choice,
    },
}

#[derive(Serialize)]
struct Info {
    name: String,
    id: String,
    pack: String,
    created_unix_s: u64,
}

#[derive(Serialize)]
struct Listed {
    collections: Vec<Info>,
}

#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    info: Info,
    photos: usize,
    faces: usize,
    people: usize,
    poor_faces: usize,
    photos_without_faces: usize,
    index: &'static str,
    threshold: f32,
}

#[derive(Serialize)]
struct Deleted {
    deleted: String,
    id: String,
}

pub fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Create { name, pack } => create(context, &name, &pack),
        Command::List => list(context),
        Command::Show { name, pack } => show(context, &name, &pack),
        Command::Delete { name, yes, pack } => delete(context, &name, yes, &pack),
    }
}

fn create(context: &Context, name: &str, choice: &packs::Choice) -> Result<Report> {
    let pack = choice.or_default()?;
    let info = context.data()?.create(name, pack.id())?;
    let text = format!("Made collection '{name}' for model pack '{}'.\n", pack.reference());
    Report::new(&Info::from(info), text)
}

fn list(context: &Context) -> Result<Report> {
    let all = context.data_if_there()?.map_or_else(|| Ok(Vec::new()), |data| data.collections())?;
    let mut text =
        "There are no collections; make one with 'picpick collections create NAME'.\n".to_owned();
    if !all.is_empty() {
        let mut table = Table::new(&["created", "model pack", "name"]);
        for info in &all {
            table.row([format::date(info.created_unix_s), info.pack.clone(), info.name.clone()]);
        }
        text = table.text();
    }
    Report::new(&Listed { collections: all.into_iter().map(Info::from).collect() }, text)
}

fn show(context: &Context, name: &str, choice: &packs::Choice) -> Result<Report> {
    let (collection, _) = context.collection(name, choice)?;
    let Coverage { photos, faces, poor_faces, photos_without_faces } = Coverage::of(&collection);
    let (people, index, threshold) = {
        let gallery = collection.gallery();
        (gallery.people().len(), gallery.index_kind(), gallery.threshold())
    };
    let info = Info::from(collection.info().clone());
    let mut text = format!("'{}', made {}\n", info.name, format::date(info.created_unix_s));
    let (with_photos, with_faces) = (format::count(photos, "photo"), format::count(faces, "face"));
    text += &format!("{with_photos} with {with_faces} of {}\n", format::count(people, "person"));
    text += &Coverage::of(&collection).text();
    text += &format!(
        "Model pack {}, index {index}, threshold {threshold:.2}, id {}\n",
        info.pack, info.id
    );
    let document = Described {
        info,
        photos,
        faces,
        people,
        poor_faces,
        photos_without_faces,
        index,
        threshold,
    };
    Report::new(&document, text)
}

fn delete(context: &Context, name: &str, yes: bool, choice: &packs::Choice) -> Result<Report> {
    let data = context.data_with(name)?;
    let info = data.collection(name)?;
    if !yes {
        // A collection that does not open can still be deleted; its counts are then not known.
        let counts = match context.collection(name, choice) {
            Ok((collection, _)) => {
                let Coverage { photos, faces, .. } = Coverage::of(&collection);
                format!("{} and {}", format::count(photos, "photo"), format::count(faces, "face"))
            }
            Err(error) => format!("an unknown number of faces ({error})"),
        };
        let hint =
            format!("this would delete collection '{name}' with {counts}; add --yes to do it");
        return Err(Usage(hint).into());
    }
    data.delete(name)?;
    let id = info.id.to_string();
    Report::new(
        &Deleted { deleted: name.to_owned(), id },
        format!("Deleted collection '{name}'.\n"),
    )
}

impl From<CollectionInfo> for Info {
    fn from(info: CollectionInfo) -> Self {
        let CollectionInfo { id, name, pack, created_unix_s } = info;
        Self { name, id: id.to_string(), pack, created_unix_s }
    }
}
