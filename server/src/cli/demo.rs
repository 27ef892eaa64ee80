use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use picpick_engine::{Collection, Error, Pack, Scoring};
use serde::Serialize;

use super::contact_sheet::{self, model};
use super::context::Context;
use super::report::{ExitStatus, Report, note};
use super::search::{SearchRequest, sheet_path};
use super::{format, index, retention_options, search};

const COLLECTION: &str = "Demo event";
/// File name of the sample that is the selfie. All other samples are the event's photos.
const SELFIE: &str = "obama.jpg";

/// Downloads the models and twelve sample photos, indexes eleven of them into the collection 'Demo
/// event', searches with the twelfth, writes a contact sheet and prints its path. The demo can
/// be repeated at any time, and changes no other collection.
#[derive(Args, Debug)]
pub struct DemoArguments {
    /// File for the contact sheet [default: contact-sheet.html in the data folder]
    #[arg(long, value_name = "FILE.html", value_parser = PathBufValueParser::new().try_map(sheet_path))]
    sheet: Option<PathBuf>,
}

#[derive(Serialize)]
struct DemoDocument {
    index: index::IndexOutcome,
    search: search::SearchDocument,
    sheet: String,
}

pub fn run(context: &Context, arguments: &DemoArguments) -> Result<Report> {
    let pack = Pack::builtin(Pack::DEFAULT)?;
    let mut say = |line: &str| note(line);
    context.models.fetch_runtime(&mut say)?;
    context.models.fetch_pack(&pack, &mut say)?;
    let samples = context.models.fetch_samples(&mut say)?;
    let is_selfie = |path: &PathBuf| path.file_name().is_some_and(|name| name == SELFIE);
    let (selfies, photos): (Vec<PathBuf>, Vec<PathBuf>) = samples.into_iter().partition(is_selfie);

    let data = context.data()?;
    match data.create(
        COLLECTION,
        pack.id(),
        &retention_options::RetentionOptions::default().fresh(),
    ) {
        Ok(_) | Err(Error::CollectionExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let collection = Collection::open(&data, COLLECTION, &pack)?;
    collection.warnings().iter().for_each(|remark| note(&format!("note: {remark}")));
    let indexed = index::index(context, &collection, &pack, &photos, None)?;
    let mut text = index::describe(&indexed, &collection);
    let search = SearchRequest {
        selfies: &selfies,
        scoring: Scoring::People,
        similarity_min: None,
        top: None,
        face: None,
    };
    let found = search.run_search(context, &collection, &pack)?;
    text += &format!("\nSearching with {SELFIE}:\n{}", found.text(&collection));

    let path = match &arguments.sheet {
        Some(path) => path.clone(),
        None => context.config.data.join("contact-sheet.html"),
    };
    contact_sheet::write(&path, &model::sheet_of(&collection, &pack, &found))?;
    let path = std::path::absolute(&path).context("finding the current folder")?;
    text += &format!("\nOpen the contact sheet in a browser:\n{}\n", format::path(&path));
    let status =
        if found.answer.matches.is_empty() { ExitStatus::NothingFound } else { ExitStatus::Done };
    let sheet = path.to_string_lossy().into_owned();
    let document = DemoDocument { index: indexed, search: found.document(&collection), sheet };
    Ok(Report::new(&document, text)?.with(status))
}
