use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use picpick_engine::{CollectionId, DataDir, KeyExport};
use serde::Serialize;

use super::context::{Context, read_file};
use super::receipt::check_destination;
use super::report::Report;
use super::table::Table;
use super::{format, passphrase};
use crate::infra::clock::now_s;

const LIST_AFTER: &str = "\
Also lists the exports that 'picpick keys backup' made and that have not
expired, with the number of collections whose keys each holds.

With --json: {\"generation\", \"memory_locked\", \"keys\": [{\"collection\", \"id\",
\"fingerprint\"}], \"exports\": [{\"number\", \"made_unix_s\", \"expires_unix_s\",
\"presumed\", \"collections\": [id]}]}.";
const ROTATE_AFTER: &str = "\
Wraps all data keys under a new key-encryption key and destroys the old key in
this keyring. The data keys stay the same and the data are not rewritten.
Copies and exports of the keyring that were made before still open what they
could open.

With --json: {\"generation\"}.";
const BACKUP_AFTER: &str = "\
Writes all keys to FILE, sealed to a passphrase: from PICPICK_KEYS_PASSPHRASE,
from the file that PICPICK_KEYS_PASSPHRASE_FILE names, or asked for. Nothing in
the file can be read without it.

The keyring records the export and its last day. Until then, receipts of purges
name it, because with a copy of the encrypted data it opens what is purged later.
After that day 'picpick keys restore' refuses it. The passphrase still decrypts
the file with other programs or another clock, so destroy expired files.

With --json: {\"file\", \"export\": {\"number\", \"made_unix_s\", \"expires_unix_s\"},
\"collections\"}.";
const RESTORE_AFTER: &str = "\
Creates the keyring in the folder --keyring, or 'keyring' in the data folder.
No keyring may be there. Collections that the data folder's erasure log names as
purged are purged again at once. Exports made after this one are unknown to the
restored keyring, so receipts presume that there are some, for 366 days.

With --json: {\"export\": {\"number\", \"made_unix_s\", \"expires_unix_s\"},
\"collections\"}.";

const DAY_S: u64 = 86_400;
/// Limits the bytes that are read of an export file.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// List the fingerprints of the collections' keys, and the exports of the keyring
    #[command(after_help = LIST_AFTER)]
    List,
    /// Replace the key-encryption key
    #[command(after_help = ROTATE_AFTER)]
    Rotate,
    /// Export all keys to a file, sealed to a passphrase, until a last day
    #[command(after_help = BACKUP_AFTER)]
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
        /// Days until the export expires
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        expires: u32,
    },
    /// Create the keyring from a file that 'picpick keys backup' wrote
    #[command(after_help = RESTORE_AFTER)]
    Restore {
        /// The file
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct KeyList {
    generation: u32,
    memory_locked: bool,
    keys: Vec<KeyRow>,
    exports: Vec<ExportRow>,
}

#[derive(Serialize)]
struct KeyRow {
    collection: String,
    id: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct ExportRow {
    number: u64,
    made_unix_s: u64,
    expires_unix_s: u64,
    presumed: bool,
    collections: Vec<String>,
}

#[derive(Serialize)]
struct RotationDocument {
    generation: u32,
}

#[derive(Serialize)]
struct BackupDocument {
    file: String,
    export: KeyExport,
    collections: usize,
}

#[derive(Serialize)]
struct RestoreDocument {
    export: KeyExport,
    collections: usize,
}

pub fn run(context: &Context, command: &KeysCommand) -> Result<Report> {
    match command {
        KeysCommand::List => list(&context.data()?),
        KeysCommand::Rotate => rotate(&context.data()?),
        KeysCommand::Backup { file, expires } => backup(context, file, *expires),
        KeysCommand::Restore { file } => restore(context, file),
    }
}

fn list(data: &DataDir) -> Result<Report> {
    let mut keys = Vec::new();
    let mut table = Table::new(&["fingerprint", "collection"]);
    for info in data.collections()? {
        let fingerprint = data.key_fingerprint(&info.name)?;
        table.row([fingerprint.clone(), info.name.clone()]);
        keys.push(KeyRow { collection: info.name, id: info.id.to_string(), fingerprint });
    }
    let (generation, memory_locked) = (data.key_generation()?, DataDir::memory_is_locked());
    let mut text = if keys.is_empty() { String::new() } else { table.text() + "\n" };
    text += &format!("Key-encryption key: generation {generation}\n");
    let mut exports = Vec::new();
    let mut table = Table::new(&[">export", "made", "last day", ">collections"]);
    for (export, ids) in data.key_exports()? {
        let KeyExport { number, made_unix_s, expires_unix_s, presumed } = export;
        table.row([
            number.to_string(),
            if presumed { "presumed".to_owned() } else { format::date(made_unix_s) },
            format::date(expires_unix_s),
            format::thousands(ids.len()),
        ]);
        let collections = ids.iter().map(CollectionId::to_string).collect();
        exports.push(ExportRow { number, made_unix_s, expires_unix_s, presumed, collections });
    }
    text += &match exports.is_empty() {
        true => "No valid export of the keyring.\n".to_owned(),
        false => "\n".to_owned() + &table.text(),
    };
    if !memory_locked {
        text += "Warning: keys may be swapped to disk, because this user may not lock memory.\n\
                 Raise the limit that 'ulimit -l' shows.\n";
    }
    Report::new(&KeyList { generation, memory_locked, keys, exports }, text)
}

fn rotate(data: &DataDir) -> Result<Report> {
    let generation = data.rotate_keys()?;
    let text = format!(
        "All data keys are now wrapped under key-encryption key generation {generation}; older\n\
         generations are destroyed in this keyring. Copies and exports of the keyring that were\n\
         made before still open what they could open.\n"
    );
    Report::new(&RotationDocument { generation }, text)
}

fn backup(context: &Context, file: &Path, days: u32) -> Result<Report> {
    check_destination(Some(file))?;
    let data = context.data()?;
    let passphrase = passphrase::new()?;
    let now = u64::try_from(now_s()).unwrap_or_default();
    let (export, bytes) = data.export_keys(passphrase.as_bytes(), now + u64::from(days) * DAY_S)?;
    write(file, &bytes).with_context(|| format!("writing {}", file.display()))?;
    let collections = data.collections()?.len();
    let text = format!(
        "Wrote export {} of the keyring to {}: the keys of {}.\n\
         It can be restored until {}. Until then it opens, with a copy of the\n\
         encrypted data, also what is purged later, and receipts name it. Keep the\n\
         passphrase in another place than the file, and destroy the file after that day.\n",
        export.number,
        format::path(file),
        format::count(collections, "collection"),
        format::date(export.expires_unix_s)
    );
    let file = file.to_string_lossy().into_owned();
    Report::new(&BackupDocument { file, export, collections }, text)
}

/// Writes a new file that only its owner can read, durably.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn restore(context: &Context, file: &Path) -> Result<Report> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let passphrase = passphrase::existing()?;
    let (data, keyring) = (&context.config.data, context.config.keyring.as_deref());
    let restored = DataDir::restore_keys(data, keyring, &bytes, passphrase.as_bytes())?;
    // Opening the data folder purges again what its erasure log names.
    let collections = context.data()?.collections()?.len();
    let text = format!(
        "Restored the keyring from export {}, made {}: the keys of {}.\n",
        restored.export.number,
        format::date(restored.export.made_unix_s),
        format::count(collections, "collection")
    );
    Report::new(&RestoreDocument { export: restored.export, collections }, text)
}
