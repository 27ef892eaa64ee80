use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use picpick_engine::DataDir;
use picpick_engine::backup::{Backup, BackupSummary, RestoreSummary};
use picpick_engine::object_store::{self, ObjectStore};
use serde::Serialize;

use super::context::Context;
use super::format;
use super::report::{ExitStatus, Report, note};
use super::table::Table;
use crate::config::UsageError;
use crate::config::s3_access;

const BACKUP_AFTER: &str = "\
Writes only the rows that have changed since the last backup to this place.
Photos may be indexed during a backup. A backup does not contain the keyring and
cannot be opened without it: export it with 'picpick keys backup'. A
purge destroys the collection's key, so that backups of the collection can no
longer be opened; the receipt names the day when the last of them expires.

For S3, set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for
services other than Amazon's, AWS_ENDPOINT_URL_S3.

Examples:
  picpick backup /media/backup
  picpick backup s3://studio-backup/picpick 'Anna & Ben' --keep-days 90

With --json: {\"place\", \"backups\": [{\"name\", \"id\", \"rows\",
\"bytes_written\", \"created_unix_s\", \"expires_unix_s\", \"removed\"}],
\"failed\": [{\"name\", \"reason\"}]}.";
const RESTORE_AFTER: &str = "\
Every row is checked before anything is replaced. Faces and photos that were
erased after the backup are erased again.

Examples:
  picpick restore /media/backup --list
  picpick restore /media/backup 'Anna & Ben'

With --json: {\"place\", \"restored\": [{\"name\", \"id\", \"photos\", \"faces\",
\"created_unix_s\"}]}, or with --list {\"place\", \"backups\": [{\"id\", \"name\",
\"created_unix_s\", \"expires_unix_s\"}]}.";

/// Copies collections, still encrypted, to a folder or a bucket.
#[derive(Args, Debug)]
#[command(after_help = BACKUP_AFTER)]
pub struct BackupArguments {
    /// A folder, or s3://bucket/prefix
    place: PathBuf,
    /// Names of the collections [default: all]
    names: Vec<String>,
    /// Days until the backup expires; the first backup after that day removes it
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    keep_days: u32,
}

/// Restores collections from a backup.
#[derive(Args, Debug)]
#[command(after_help = RESTORE_AFTER)]
pub struct RestoreArguments {
    /// A folder, or s3://bucket/prefix
    place: PathBuf,
    /// Names of the collections
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Only list the backups in this place
    #[arg(long, conflicts_with = "names")]
    list: bool,
    /// Use the newest backup made at or before this time, in seconds since the Unix epoch
    #[arg(long, value_name = "UNIX_S")]
    until: Option<u64>,
    /// Replace a collection that exists
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct BackupDocument {
    place: String,
    backups: Vec<BackedUpRow>,
    failed: Vec<FailedBackup>,
}

#[derive(Serialize)]
struct BackedUpRow {
    name: String,
    id: String,
    rows: u64,
    bytes_written: u64,
    created_unix_s: u64,
    expires_unix_s: u64,
    removed: u64,
}

#[derive(Serialize)]
struct FailedBackup {
    name: String,
    reason: String,
}

#[derive(Serialize)]
struct RestoreDocument {
    place: String,
    restored: Vec<RestoredRow>,
}

#[derive(Serialize)]
struct RestoredRow {
    name: String,
    id: String,
    photos: u64,
    faces: u64,
    created_unix_s: u64,
}

#[derive(Serialize)]
struct BackupList {
    place: String,
    backups: Vec<BackupRow>,
}

#[derive(Serialize)]
struct BackupRow {
    id: String,
    name: Option<String>,
    created_unix_s: u64,
    expires_unix_s: u64,
}

/// Opens the object store at `at`. Makes the path of a folder absolute, because receipts name it.
fn open(at: &Path) -> Result<Box<dyn ObjectStore>> {
    let text = at
        .to_str()
        .ok_or_else(|| UsageError(format!("the path {} is not UTF-8; rename it", at.display())))?;
    if text.contains("://") {
        return Ok(object_store::open(text, s3_access(text)?.as_ref())?);
    }
    let whole = std::path::absolute(at).context("finding the current folder")?;
    Ok(object_store::open(&whole.to_string_lossy(), None)?)
}

pub fn save(context: &Context, arguments: &BackupArguments) -> Result<Report> {
    let data = existing(context)?;
    let place = open(&arguments.place)?;
    let all = || -> Result<Vec<String>> {
        Ok(data.collections()?.into_iter().map(|info| info.name).collect())
    };
    let names = if arguments.names.is_empty() { all()? } else { arguments.names.clone() };
    let keep_s = u64::from(arguments.keep_days) * 86_400;
    let (mut backups, mut failed, mut text) = (Vec::new(), Vec::new(), String::new());
    for name in names {
        match data.back_up(&name, place.as_ref(), keep_s) {
            Ok(done) => {
                text += &format!(
                    "Backed up '{name}': {} written, kept until {}.\n",
                    format::bytes(done.bytes_written),
                    format::date(done.expires_unix_s)
                );
                backups.push(BackedUpRow::from(done));
            }
            Err(error) => {
                note(&format!("error: '{name}' was not backed up: {error}"));
                failed.push(FailedBackup { name, reason: error.to_string() });
            }
        }
    }
    // A backup removes the expired backups of its own collection only, and a purged collection gets no
    // backup.
    data.remove_expired_backups(place.as_ref())?;
    if backups.is_empty() && failed.is_empty() {
        text = "There are no collections to back up; create one with \
                'picpick collections create NAME'.\n"
            .into();
    }
    let status = if failed.is_empty() { ExitStatus::Done } else { ExitStatus::Failed };
    Ok(Report::new(&BackupDocument { place: place.name(), backups, failed }, text)?.with(status))
}

pub fn load(context: &Context, arguments: &RestoreArguments) -> Result<Report> {
    let data = existing(context)?;
    let place = open(&arguments.place)?;
    if arguments.list {
        return list(&data, place.as_ref());
    }
    let (mut restored, mut text) = (Vec::new(), String::new());
    for name in &arguments.names {
        let done = data.restore(name, place.as_ref(), arguments.until, arguments.replace)?;
        text += &format!(
            "Restored '{name}' as of {}: {} with {}.\n",
            format::date(done.created_unix_s),
            format::count(done.photos as usize, "photo"),
            format::count(done.faces as usize, "face")
        );
        restored.push(RestoredRow::from(done));
    }
    Report::new(&RestoreDocument { place: place.name(), restored }, text)
}

fn list(data: &DataDir, place: &dyn ObjectStore) -> Result<Report> {
    let all = data.backups_in(place)?;
    let mut table = Table::new(&["made", "kept until", "collection"]);
    for backup in &all {
        let unknown = || format!("{} (its key is not in this keyring)", backup.collection);
        table.row([
            format::date(backup.created_unix_s),
            format::date(backup.expires_unix_s),
            backup.name.clone().unwrap_or_else(unknown),
        ]);
    }
    let text = if all.is_empty() {
        format!("There are no backups in {}.\n", place.name())
    } else {
        table.text()
    };
    let backups = all.into_iter().map(BackupRow::from).collect();
    Report::new(&BackupList { place: place.name(), backups }, text)
}

fn existing(context: &Context) -> Result<DataDir> {
    let missing = || {
        UsageError(format!(
            "no data folder at {}; name it with --data",
            context.config.data.display()
        ))
    };
    Ok(context.data_if_there()?.ok_or_else(missing)?)
}

impl From<BackupSummary> for BackedUpRow {
    fn from(done: BackupSummary) -> Self {
        let BackupSummary {
            name,
            id,
            rows,
            bytes_written,
            created_unix_s,
            expires_unix_s,
            removed,
        } = done;
        let id = id.to_string();
        Self { name, id, rows, bytes_written, created_unix_s, expires_unix_s, removed }
    }
}

impl From<RestoreSummary> for RestoredRow {
    fn from(done: RestoreSummary) -> Self {
        let RestoreSummary { name, id, photos, faces, created_unix_s } = done;
        Self { name, id: id.to_string(), photos, faces, created_unix_s }
    }
}

impl From<Backup> for BackupRow {
    fn from(backup: Backup) -> Self {
        let Backup { collection, name, created_unix_s, expires_unix_s } = backup;
        Self { id: collection.to_string(), name, created_unix_s, expires_unix_s }
    }
}
