use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use picpick_engine::receipts::{CollectionResidue, Residue};
use serde::Serialize;

use super::context::Context;
use super::format;
use super::report::{ExitStatus, Report};
use super::table::Table;

const AFTER: &str = "\
Every collection has canaries: known bytes among its encrypted rows. The scan
must find the canaries of an existing collection in that collection's folder,
which proves that the scan works. It must find no canary of a purged collection
and no unencrypted embedding. The exit status is 1 if it finds either, or if a
file cannot be read. Nothing is changed.

With --json: {\"residue\", \"files\", \"bytes\", \"needles\", \"unreadable\":
[path], \"collections\": [{\"id\", \"name\", \"purged\", \"canaries\", \"found\",
\"elsewhere\": [path], \"unsealed\": [path], \"closed\"}]}.";

/// Scans the raw files of the data folder and the keyring for face data in places where none may be.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct ScanArguments {
    /// Scan these folders too, for instance folders with old copies
    #[arg(value_name = "DIR")]
    also: Vec<PathBuf>,
}

#[derive(Serialize)]
struct ScanDocument {
    residue: usize,
    files: u64,
    bytes: u64,
    needles: u64,
    unreadable: Vec<String>,
    collections: Vec<ScannedCollectionRow>,
}

#[derive(Serialize)]
struct ScannedCollectionRow {
    id: String,
    name: Option<String>,
    purged: bool,
    canaries: Option<u64>,
    found: u64,
    elsewhere: Vec<String>,
    unsealed: Vec<String>,
    closed: Option<String>,
}

pub fn run(context: &Context, arguments: &ScanArguments) -> Result<Report> {
    for folder in &arguments.also {
        if let Err(error) = std::fs::read_dir(folder) {
            return Err(picpick_engine::Error::io("read", folder, error).into());
        }
    }
    let residue = context.data()?.scan(&arguments.also)?;
    let found = residue.found();
    let text = describe(&residue);
    let paths = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    let shown = |one: &CollectionResidue| ScannedCollectionRow {
        id: one.id.to_string(),
        name: one.name.clone(),
        purged: one.name.is_none(),
        canaries: one.canaries,
        found: one.found,
        elsewhere: paths(&one.elsewhere),
        unsealed: paths(&one.unsealed),
        closed: one.store_error.clone(),
    };
    let document = ScanDocument {
        residue: found,
        files: residue.files,
        bytes: residue.bytes,
        needles: residue.patterns,
        unreadable: paths(&residue.unreadable),
        collections: residue.collections.iter().map(shown).collect(),
    };
    let clean = found == 0 && residue.unreadable.is_empty();
    Ok(Report::new(&document, text)?.with(if clean {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    }))
}

fn describe(residue: &Residue) -> String {
    let mut table = Table::new(&[">canaries", ">found", "state", "collection"]);
    let mut problems = String::new();
    for one in &residue.collections {
        let (state, name) = match &one.name {
            Some(name) => ("existing", super::report::printable(name)),
            None => ("purged", one.id.to_string()),
        };
        let canaries = one.canaries.map_or_else(|| "unknown".into(), |count| count.to_string());
        table.row([canaries, one.found.to_string(), state.into(), name.clone()]);
        if let Some(reason) = &one.store_error {
            problems += &format!("the store of '{name}' could not be opened: {reason}\n");
        }
        for path in &one.elsewhere {
            problems +=
                &format!("RESIDUE: encrypted rows of {state} '{name}' in {}\n", format::path(path));
        }
        for path in &one.unsealed {
            problems +=
                &format!("RESIDUE: unencrypted embedding of '{name}' in {}\n", format::path(path));
        }
    }
    for path in &residue.unreadable {
        problems += &format!("NOT READ: {}\n", format::path(path));
    }
    let mut text = String::new();
    if !residue.collections.is_empty() {
        text += &(table.text() + "\n");
    }
    text += &problems;
    text += &format!(
        "Scanned {} with {} for {} patterns: {}\n",
        format::count(residue.files as usize, "file"),
        format::bytes(residue.bytes),
        format::thousands(residue.patterns as usize),
        match residue.found() {
            0 => "no face data in a wrong place.".to_owned(),
            found => format!("{} with face data in a wrong place.", format::count(found, "file")),
        }
    );
    text
}
