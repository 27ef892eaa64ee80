//! `picpick erase --server`: erases a person's faces through a running service, which holds the collection open.

use anyhow::{Context as _, Result, anyhow};
use picpick_engine::receipts::Receipt;
use serde::Serialize;
use serde_json::Value;

use super::{EraseArguments, RemoteService};
use crate::cli::report::{ExitStatus, Report};
use crate::cli::{format, receipt};
use crate::client::ApiClient;
use crate::config::{UsageError, api_key};

#[derive(Serialize)]
struct RemoteErasure {
    event: String,
    erased: bool,
    threshold: f64,
    /// Photos that the search finds: id and similarity, best first.
    photos: Vec<RemoteMatch>,
    receipt: Option<picpick_engine::receipts::ReceiptBody>,
}

#[derive(Serialize)]
struct RemoteMatch {
    photo: String,
    similarity: f64,
}

/// Searches the event for the person of the first picture and, with `--yes`, erases all faces of the best match's
/// person.
pub fn run(arguments: &EraseArguments, remote: &RemoteService, server: &str) -> Result<Report> {
    receipt::check_destination(arguments.receipt.as_deref())?;
    let [selfie] = arguments.selfies.as_slice() else {
        return Err(UsageError("--server: expected one --selfie".to_owned()).into());
    };
    let key = api_key(remote.key_file.as_deref())?;
    let service = ApiClient::new(server, &arguments.name, &key, 1)?;
    let picture =
        std::fs::read(selfie).with_context(|| format!("reading {}", format::path(selfie)))?;
    let found =
        service.search(&picture, arguments.face).map_err(|error| anyhow!(error.reason()))?;
    let matches = found.get("matches").and_then(Value::as_array).cloned().unwrap_or_default();
    let text_of = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let shown = |item: &Value| RemoteMatch {
        photo: text_of(item, "photo"),
        similarity: item.get("similarity").and_then(Value::as_f64).unwrap_or_default(),
    };
    let mut document = RemoteErasure {
        event: arguments.name.clone(),
        erased: false,
        threshold: found.get("threshold").and_then(Value::as_f64).unwrap_or_default(),
        photos: matches.iter().map(shown).collect(),
        receipt: None,
    };
    let Some(best) = matches.first() else {
        let text = format!("No face in event {} matches this person.\n", arguments.name);
        return Ok(Report::new(&document, text)?.with(ExitStatus::NothingFound));
    };
    let what = format::count(matches.len(), "photo");
    if !arguments.yes {
        let text = format!(
            "{what} of event {} show this person; add --yes to erase the person's faces in them.\n",
            arguments.name
        );
        return Report::new(&document, text);
    }
    let face = text_of(best, "face");
    let done =
        service.erase_person(&face, remote.opt_out).map_err(|error| anyhow!(error.reason()))?;
    let written: Receipt =
        serde_json::from_str(&text_of(&done, "receipt")).context("reading the receipt")?;
    receipt::copy_to(arguments.receipt.as_deref(), &written)?;
    let text = format!(
        "Erased the person's faces from event {}.\n{}",
        arguments.name,
        receipt::describe(&written.receipt)
    );
    (document.erased, document.receipt) = (true, Some(written.receipt));
    Report::new(&document, text)
}
