use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use picpick_engine::{BackedUp, Backup, DataFolder, Place, Restored, open_place};
use serde::Serialize;

use super::context::Context;
use super::format;
use super::report::{Report, Status, note};
use super::table::Table;
use crate::config::UsageError;
use crate::config::s3_access;

const BACKUP_AFTER: &str = "\
Writes only what has changed since the last backup to the same place. Photos may
be indexed meanwhile. A backup does not contain the keyring and cannot be opened
without it: keep a copy of the keyring in another place. A purge destroys the
collection's key, so its backups can no longer be opened; the receipt says when
they expire.

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
pub struct Save {
    /// A folder, or s3://bucket/prefix
    place: PathBuf,
    /// Names of the collections [default: all]
    names: Vec<String>,
    /// Days until the backup expires; the next backup then removes it
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    keep_days: u32,
}

/// Restores collections from a backup.
#[derive(Args, Debug)]
#[command(after_help = RESTORE_AFTER)]
pub struct Load {
    /// A folder, or s3://bucket/prefix
    place: PathBuf,
    /// Names of the collections
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Only list the backups in this place
    #[arg(long, conflicts_with = "names")]
    list: bool,
    /// Use the newest backup made at or before this time, in seconds since 1970
    #[arg(long, value_name = "UNIX_S")]
    until: Option<u64>,
    /// Replace a collection that exists
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct Saved {
    place: String,
    backups: Vec<SavedOne>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct SavedOne {
    name: String,
    id: String,
    rows: u64,
    bytes_written: u64,
    created_unix_s: u64,
    expires_unix_s: u64,
    removed: u64,
}

#[derive(Serialize)]
struct Failed {
    name: String,
    reason: String,
}

#[derive(Serialize)]
struct Loaded {
    place: String,
    restored: Vec<LoadedOne>,
}

#[derive(Serialize)]
struct LoadedOne {
    name: String,
    id: String,
    photos: u64,
    faces: u64,
    created_unix_s: u64,
}

#[derive(Serialize)]
struct Listed {
    place: String,
    backups: Vec<ListedOne>,
}

#[derive(Serialize)]
struct ListedOne {
    id: String,
    name: Option<String>,
    created_unix_s: u64,
    expires_unix_s: u64,
}

/// Opens an object store. Makes a relative folder absolute, because receipts name it later.
fn open(at: &Path) -> Result<Box<dyn Place>> {
    let text = at.to_str().ok_or_else(|| UsageError(format!("{} is not UTF-8", at.display())))?;
    if text.contains("://") {
        return Ok(open_place(text, s3_access(text)?.as_ref())?);
    }
    let whole = std::path::absolute(at).context("finding the current folder")?;
    Ok(open_place(&whole.to_string_lossy(), None)?)
}

pub fn save(context: &Context, arguments: &Save) -> Result<Report> {
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
                backups.push(SavedOne::from(done));
            }
            Err(error) => {
                note(&format!("error: '{name}' was not backed up: {error}"));
                failed.push(Failed { name, reason: error.to_string() });
            }
        }
    }
    // A purged collection gets no new backup, which would remove its expired ones.
    data.remove_expired_backups(place.as_ref())?;
    if backups.is_empty() && failed.is_empty() {
        text = "There are no collections to back up.\n".into();
    }
    let status = if failed.is_empty() { Status::Done } else { Status::Failed };
    Ok(Report::new(&Saved { place: place.name(), backups, failed }, text)?.with(status))
}

pub fn load(context: &Context, arguments: &Load) -> Result<Report> {
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
        restored.push(LoadedOne::from(done));
    }
    Report::new(&Loaded { place: place.name(), restored }, text)
}

fn list(data: &DataFolder, place: &dyn Place) -> Result<Report> {
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
    let backups = all.into_iter().map(ListedOne::from).collect();
    Report::new(&Listed { place: place.name(), backups }, text)
}

fn existing(context: &Context) -> Result<DataFolder> {
    let missing = || {
        UsageError(format!(
            "no data folder at {}; name it with --data",
            context.config.data.display()
        ))
    };
    Ok(context.data_if_there()?.ok_or_else(missing)?)
}

impl From<BackedUp> for SavedOne {
    fn from(done: BackedUp) -> Self {
        let BackedUp { name, id, rows, bytes_written, created_unix_s, expires_unix_s, removed } =
            done;
        let id = id.to_string();
        Self { name, id, rows, bytes_written, created_unix_s, expires_unix_s, removed }
    }
}

impl From<Restored> for LoadedOne {
    fn from(done: Restored) -> Self {
        let Restored { name, id, photos, faces, created_unix_s } = done;
        Self { name, id: id.to_string(), photos, faces, created_unix_s }
    }
}

impl From<Backup> for ListedOne {
    fn from(backup: Backup) -> Self {
        let Backup { collection, name, created_unix_s, expires_unix_s } = backup;
        Self { id: collection.to_string(), name, created_unix_s, expires_unix_s }
    }
}
