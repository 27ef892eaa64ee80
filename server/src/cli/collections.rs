use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use picpick_engine::receipts::{ReceiptBody, Requester};
use picpick_engine::{CollectionInfo, RetentionPolicy};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{coverage, format, pack_option, receipt, retention_options};
use crate::config::UsageError;

const CREATE_AFTER: &str = "\
The model pack of a collection cannot be changed later, because faces of
different packs cannot be compared.

Examples:
  picpick collections create 'Anna & Ben'
  picpick collections create 'Anna & Ben' --until 2027-12-31

With --json: {\"name\", \"id\", \"pack\", \"created_unix_s\", \"purpose\",
\"legal_basis\", \"ends_unix_s\"}.";
const LIST_AFTER: &str = "\
With --json: {\"collections\": [the document of 'create']}.";
const SHOW_AFTER: &str = "\
With --json: the document of 'create', and {\"photos\", \"faces\", \"people\",
 \"low_quality_faces\", \"photos_without_faces\", \"index\", \"threshold\"}.";
const KEEP_AFTER: &str = "\
Changes only the values that you name.

Example:
  picpick collections keep 'Anna & Ben' --days 60

With --json: the document of 'create'.";
const DELETE_AFTER: &str = "\
Destroys the collection's key first. From then on, only an older copy of the
keyring can open copies of the data: destroy older copies of the keyring
yourself. Then removes the files, scans the data folder for remains, and writes
a signed receipt. If a purge is interrupted, the next command completes it. Your
photo files are not changed.

With --json: {\"deleted\", \"id\", \"receipt\"}.";

#[derive(Subcommand, Debug)]
pub enum CollectionsCommand {
    /// Create an empty collection, usually one for each event
    #[command(after_help = CREATE_AFTER)]
    Create {
        /// Name of the new collection: 1 to 100 printable characters
        name: String,
        #[command(flatten)]
        keep: retention_options::RetentionOptions,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
    /// List all collections
    #[command(after_help = LIST_AFTER)]
    List,
    /// Describe one collection: its contents, and the faces that are hard to find
    #[command(after_help = SHOW_AFTER)]
    Show {
        /// Name of the collection
        name: String,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
    /// Change a collection's retention: purpose, legal basis and end date
    #[command(after_help = KEEP_AFTER)]
    Keep {
        /// Name of the collection
        name: String,
        #[command(flatten)]
        keep: retention_options::RetentionOptions,
    },
    /// Delete a collection and all its faces permanently, with a receipt
    #[command(after_help = DELETE_AFTER)]
    Delete {
        /// Name of the collection
        name: String,
        /// Delete; without this option, only show the numbers of photos and faces to delete
        #[arg(long)]
        yes: bool,
        /// Also write the receipt to this file
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
}

#[derive(Serialize)]
struct CollectionRow {
    name: String,
    id: String,
    pack: String,
    created_unix_s: u64,
    purpose: String,
    legal_basis: String,
    ends_unix_s: Option<u64>,
}

#[derive(Serialize)]
struct CollectionList {
    collections: Vec<CollectionRow>,
}

#[derive(Serialize)]
struct CollectionDocument {
    #[serde(flatten)]
    info: CollectionRow,
    photos: usize,
    faces: usize,
    people: usize,
    low_quality_faces: usize,
    photos_without_faces: usize,
    index: &'static str,
    threshold: f32,
}

#[derive(Serialize)]
struct DeletedCollection {
    deleted: String,
    id: String,
    receipt: ReceiptBody,
}

pub fn run(context: &Context, command: CollectionsCommand) -> Result<Report> {
    match command {
        CollectionsCommand::Create { name, keep, pack } => create(context, &name, &keep, &pack),
        CollectionsCommand::List => list(context),
        CollectionsCommand::Show { name, pack } => show(context, &name, &pack),
        CollectionsCommand::Keep { name, keep } => keep_longer(context, &name, &keep),
        CollectionsCommand::Delete { name, yes, receipt, pack } => {
            receipt::check_destination(receipt.as_deref())?;
            warn_unless(context, &name, yes, &pack)?;
            delete(context, &name, receipt.as_deref())
        }
    }
}

fn create(
    context: &Context,
    name: &str,
    keep: &retention_options::RetentionOptions,
    choice: &pack_option::PackOption,
) -> Result<Report> {
    let pack = choice.or_default()?;
    let info = context.data()?.create(name, pack.id(), &keep.fresh())?;
    let mut text = format!("Created collection '{name}' for model pack '{}'.\n", pack.reference());
    text += &format!("Kept {}.\n", retention_options::text(&info.retention));
    Report::new(&CollectionRow::from(info), text)
}

fn keep_longer(
    context: &Context,
    name: &str,
    keep: &retention_options::RetentionOptions,
) -> Result<Report> {
    if keep.is_empty() {
        let hint = "nothing to change; give --until, --days, --purpose or --basis";
        return Err(UsageError(hint.into()).into());
    }
    let data = context.data_with(name)?;
    let info = data.set_retention(name, &keep.over(&data.collection(name)?.retention))?;
    let text = format!("'{name}' is now kept {}.\n", retention_options::text(&info.retention));
    Report::new(&CollectionRow::from(info), text)
}

fn list(context: &Context) -> Result<Report> {
    let all = context.data_if_there()?.map_or_else(|| Ok(Vec::new()), |data| data.collections())?;
    let mut text =
        "There are no collections; create one with 'picpick collections create NAME'.\n".to_owned();
    if !all.is_empty() {
        let mut table = Table::new(&["created", "model pack", "name"]);
        for info in &all {
            table.row([format::date(info.created_unix_s), info.pack.clone(), info.name.clone()]);
        }
        text = table.text();
    }
    Report::new(
        &CollectionList { collections: all.into_iter().map(CollectionRow::from).collect() },
        text,
    )
}

fn show(context: &Context, name: &str, choice: &pack_option::PackOption) -> Result<Report> {
    let (collection, _) = context.collection(name, choice)?;
    let coverage = coverage::of(&collection);
    let (photos, faces) = (coverage.photos, coverage.faces);
    let (people, index, threshold) = {
        collection.read_gallery(|gallery| {
            (gallery.people().len(), gallery.index_kind(), gallery.threshold())
        })
    };
    let info = CollectionRow::from(collection.info().clone());
    let mut text = format!("'{}', created {}\n", info.name, format::date(info.created_unix_s));
    text += &format!("Kept {}\n", retention_options::text(&collection.info().retention));
    let (with_photos, with_faces) = (format::count(photos, "photo"), format::count(faces, "face"));
    text += &format!("{with_photos} with {with_faces} of {}\n", format::count(people, "person"));
    text += &coverage::warning(&coverage);
    text += &format!(
        "Model pack {}, index {index}, threshold {threshold:.2}, id {}\n",
        info.pack, info.id
    );
    let document = CollectionDocument {
        info,
        photos,
        faces,
        people,
        low_quality_faces: coverage.weak(),
        photos_without_faces: coverage.without_face,
        index,
        threshold,
    };
    Report::new(&document, text)
}

/// Errors with the numbers of photos and faces that a purge would delete, unless `yes` is set.
fn warn_unless(
    context: &Context,
    name: &str,
    yes: bool,
    choice: &pack_option::PackOption,
) -> Result<()> {
    if yes {
        return Ok(());
    }
    // A collection that cannot be opened can still be deleted, with unknown counts.
    let counts = match context.collection(name, choice) {
        Ok((collection, _)) => {
            let known = coverage::of(&collection);
            let photos = format::count(known.photos, "photo");
            format!("{photos} and {}", format::count(known.faces, "face"))
        }
        Err(error) => format!("an unknown number of faces ({error})"),
    };
    let hint = format!("this would delete collection '{name}' with {counts}; add --yes to confirm");
    Err(UsageError(hint).into())
}

fn delete(context: &Context, name: &str, copy: Option<&Path>) -> Result<Report> {
    let data = context.data_with(name)?;
    let written = data.purge(name, Requester::Operator)?;
    let id = written.receipt.collection.clone();
    receipt::copy_to(copy, &written)?;
    let text = format!("Deleted collection '{name}'.\n{}", receipt::describe(&written.receipt));
    Report::new(&DeletedCollection { deleted: name.to_owned(), id, receipt: written.receipt }, text)
}

impl From<CollectionInfo> for CollectionRow {
    fn from(info: CollectionInfo) -> Self {
        let CollectionInfo { id, name, pack, created_unix_s, retention: keep } = info;
        let RetentionPolicy { purpose, legal_basis, ends_unix_s } = keep;
        Self { name, id: id.to_string(), pack, created_unix_s, purpose, legal_basis, ends_unix_s }
    }
}
