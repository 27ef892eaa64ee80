use anyhow::Result;
use clap::Subcommand;
use picpick_engine::CollectionInfo;
use picpick_engine::receipts::{ReceiptBody, Requester};
use serde::Serialize;

use super::context::Context;
use super::report::{ExitStatus, Report, note};
use super::table::Table;
use super::{format, receipt, retention_options};

const LIST_AFTER: &str = "\
With --json: {\"collections\": [{\"name\", \"id\", \"purpose\", \"legal_basis\",
\"ends_unix_s\", \"due\"}]}.";
const RUN_AFTER: &str = "\
Run this command every night, for instance with cron. If a collection cannot be
purged, for instance because it is in use, the command names the collection,
purges the others and ends with exit status 1.

With --json: {\"dry_run\", \"due\": [{\"name\", \"id\", \"purpose\", \"legal_basis\",
\"ends_unix_s\", \"due\"}], \"receipts\": [receipt], \"failed\": [{\"name\", \"reason\"}]}.";

#[derive(Subcommand, Debug)]
pub enum RetentionCommand {
    /// List the collections with their purpose, legal basis and end date
    #[command(after_help = LIST_AFTER)]
    List,
    /// Purge every collection that has reached its end date, each with a receipt
    #[command(after_help = RUN_AFTER)]
    Run {
        /// Only list the collections that are due
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Serialize)]
struct RetentionList {
    collections: Vec<RetentionRow>,
}

#[derive(Serialize)]
struct RetentionDocument {
    dry_run: bool,
    due: Vec<RetentionRow>,
    receipts: Vec<ReceiptBody>,
    failed: Vec<FailedPurge>,
}

#[derive(Serialize)]
struct RetentionRow {
    name: String,
    id: String,
    purpose: String,
    legal_basis: String,
    ends_unix_s: Option<u64>,
    due: bool,
}

#[derive(Serialize)]
struct FailedPurge {
    name: String,
    reason: String,
}

pub fn run(context: &Context, command: &RetentionCommand) -> Result<Report> {
    let data = context.data_if_there()?;
    let mut all = data.as_ref().map_or_else(|| Ok(Vec::new()), |data| data.collections())?;
    all.sort_by_key(|info| info.retention.ends_unix_s.unwrap_or(u64::MAX));
    let RetentionCommand::Run { dry_run } = *command else { return list(&all) };
    all.retain(|info| retention_options::is_over(&info.retention));
    let (mut text, mut receipts, mut failed) = (String::new(), Vec::new(), Vec::new());
    for info in &all {
        if dry_run {
            text += &format!(
                "Due: '{}', kept {}\n",
                info.name,
                retention_options::text(&info.retention)
            );
            continue;
        }
        let purged =
            data.as_ref().map(|data| data.purge(&info.name, Requester::Retention)).transpose();
        match purged {
            Ok(Some(written)) => {
                text +=
                    &format!("Purged '{}'.\n{}", info.name, receipt::describe(&written.receipt));
                receipts.push(written.receipt);
            }
            Ok(None) => {}
            Err(error) => {
                note(&format!("error: '{}' was not purged: {error}", info.name));
                failed.push(FailedPurge { name: info.name.clone(), reason: error.to_string() });
            }
        }
    }
    if all.is_empty() {
        text = "No collection has reached its end date.\n".into();
    } else if !dry_run {
        let purged = format::count(receipts.len(), "collection");
        text += &format!("Purged {purged} of {} due.\n", all.len());
    }
    let status = if failed.is_empty() { ExitStatus::Done } else { ExitStatus::Failed };
    let due = all.iter().map(shown).collect();
    Ok(Report::new(&RetentionDocument { dry_run, due, receipts, failed }, text)?.with(status))
}

fn list(all: &[CollectionInfo]) -> Result<Report> {
    let mut table = Table::new(&["ends", "basis", "purpose", "name"]);
    for info in all {
        let ends = info.retention.ends_unix_s.map_or_else(|| "never".into(), format::date);
        let over = if retention_options::is_over(&info.retention) { " (due)" } else { "" };
        table.row([
            ends + over,
            info.retention.legal_basis.clone(),
            info.retention.purpose.clone(),
            info.name.clone(),
        ]);
    }
    let text = if all.is_empty() { "There are no collections.\n".into() } else { table.text() };
    Report::new(&RetentionList { collections: all.iter().map(shown).collect() }, text)
}

fn shown(info: &CollectionInfo) -> RetentionRow {
    RetentionRow {
        name: info.name.clone(),
        id: info.id.to_string(),
        purpose: info.retention.purpose.clone(),
        legal_basis: info.retention.legal_basis.clone(),
        ends_unix_s: info.retention.ends_unix_s,
        due: retention_options::is_over(&info.retention),
    }
}
