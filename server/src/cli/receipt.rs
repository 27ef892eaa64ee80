use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use picpick_engine::receipts::{PublicKey, PurgeSubject, Receipt, ReceiptBody};
use serde::Serialize;

use super::context::{Context, read_file};
use super::format;
use super::report::Report;
use super::table::Table;
use crate::config::UsageError;

const VERIFY_AFTER: &str = "\
With several files, also checks that each receipt follows the receipt before it
without a gap. The exit status is 1 if a check fails. With --key, no data folder
is needed.

Examples:
  picpick receipt verify receipt.json --key 3d40…
  picpick receipt verify ~/.local/share/picpick/receipts/*.json

With --json: {\"valid\", \"key\", \"receipts\": [receipt]}.";
/// Limits the bytes that are read of a receipt file, so that a large wrong file does not fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Subcommand, Debug)]
pub enum ReceiptCommand {
    /// Verify that receipts were issued by this studio and are unchanged
    #[command(after_help = VERIFY_AFTER)]
    Verify {
        /// Receipt files, oldest first
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The studio's public key, 64 hexadecimal digits [default: the data folder's key]
        #[arg(long, value_name = "KEY")]
        key: Option<PublicKey>,
    },
    /// List the receipts of the data folder
    List,
    /// Show the studio's public key; give it to the people who verify its receipts
    Key,
    /// Print the JSON schema of a receipt
    Schema,
}

#[derive(Serialize)]
struct VerificationDocument {
    valid: bool,
    key: String,
    receipts: Vec<ReceiptBody>,
}

#[derive(Serialize)]
struct ReceiptList {
    receipts: Vec<ReceiptBody>,
}

#[derive(Serialize)]
struct KeyDocument {
    public_key: String,
}

pub fn run(context: &Context, command: ReceiptCommand) -> Result<Report> {
    match command {
        ReceiptCommand::Verify { files, key } => verify(context, &files, key),
        ReceiptCommand::List => list(context),
        ReceiptCommand::Key => {
            let public_key = own_key(context)?.to_string();
            let text = format!("{public_key}\n");
            Report::new(&KeyDocument { public_key }, text)
        }
        ReceiptCommand::Schema => {
            let schema: serde_json::Value = serde_json::from_str(Receipt::SCHEMA)?;
            Report::new(&schema, Receipt::SCHEMA.to_owned())
        }
    }
}

fn own_key(context: &Context) -> Result<PublicKey> {
    let missing =
        || UsageError("there is no data folder to take the key from; name it with --data".into());
    Ok(context.data_if_there()?.ok_or_else(missing)?.public_key()?)
}

fn verify(context: &Context, files: &[PathBuf], key: Option<PublicKey>) -> Result<Report> {
    let key = key.map_or_else(|| own_key(context), Ok)?;
    let read = |path: &PathBuf| read_file(path, FILE_BYTES_MAX);
    let contents = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    for (path, bytes) in files.iter().zip(&contents) {
        Receipt::verify(bytes, &key).with_context(|| format::path(path))?;
    }
    let receipts = Receipt::verify_chain(&contents, &key)?;
    let mut text = String::new();
    for receipt in &receipts {
        text += &describe(&receipt.receipt);
    }
    let chained = if receipts.len() > 1 { ", each follows from the one before" } else { "" };
    let what = format::count(receipts.len(), "receipt");
    text += &format!("\nValid: {what} signed with {key}{chained}.\n");
    let receipts = receipts.into_iter().map(|receipt| receipt.receipt).collect();
    Report::new(&VerificationDocument { valid: true, key: key.to_string(), receipts }, text)
}

fn list(context: &Context) -> Result<Report> {
    let Some(data) = context.data_if_there()? else {
        return Report::new(
            &ReceiptList { receipts: Vec::new() },
            "There are no receipts.\n".into(),
        );
    };
    let key = data.public_key()?;
    let mut table = Table::new(&[">number", "purged", ">photos", ">faces", "what", "collection"]);
    let mut receipts = Vec::new();
    for path in data.receipts()? {
        let receipt = Receipt::verify(&read_file(&path, FILE_BYTES_MAX)?, &key)
            .with_context(|| format::path(&path))?
            .receipt;
        table.row([
            receipt.number.to_string(),
            format::date(receipt.finished_unix_s),
            number(receipt.photos),
            number(receipt.faces),
            subject(receipt.subject).to_owned(),
            receipt.collection.clone(),
        ]);
        receipts.push(receipt);
    }
    let text = if receipts.is_empty() { "There are no receipts.\n".into() } else { table.text() };
    Report::new(&ReceiptList { receipts }, text)
}

/// Formats a receipt as lines of text.
pub fn describe(receipt: &ReceiptBody) -> String {
    let mut text = format!(
        "Receipt {}: {} of collection {}\n",
        receipt.number,
        subject(receipt.subject),
        receipt.collection
    );
    text += &format!("  purged      {}\n", format::date(receipt.finished_unix_s));
    text += &format!("  photos      {}\n", number(receipt.photos));
    text += &format!("  faces       {}\n", number(receipt.faces));
    if receipt.key_destroyed_unix_s.is_some() {
        text += &format!("  key         {} destroyed\n", receipt.key_fingerprint);
    }
    text += &format!(
        "  scanned     {} with {} for {} patterns: nothing left\n",
        format::count(receipt.scanned.files as usize, "file"),
        format::bytes(receipt.scanned.bytes),
        format::thousands(receipt.scanned.needles as usize)
    );
    match receipt.backups_expire_unix_s {
        Some(end) => {
            text += &format!(
                "  backups     may contain its encrypted rows until {}\n",
                format::date(end)
            );
        }
        None => text += "  backups     none contain its encrypted rows\n",
    }
    text
}

fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "unknown".into(), |count| format::thousands(count as usize))
}

fn subject(subject: PurgeSubject) -> &'static str {
    match subject {
        PurgeSubject::Collection => "all",
        PurgeSubject::Photos => "photos",
        PurgeSubject::Faces => "faces",
        PurgeSubject::Person => "a person",
    }
}

/// Checks that a receipt can be copied to `path`. The caller must call this before it purges anything.
///
/// # Errors
/// - `UsageError` if a file at `path` exists.
/// - `UsageError` if the folder of `path` does not exist.
pub fn check_destination(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    if path.exists() {
        return Err(UsageError(format!(
            "{} exists already; name another file",
            format::path(path)
        ))
        .into());
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(UsageError(format!(
            "the folder for {} does not exist; create it or name another file",
            format::path(path)
        ))
        .into());
    }
    Ok(())
}

/// Writes a copy of a receipt to `path`; the original stays in the data folder.
pub fn copy_to(path: Option<&Path>, receipt: &Receipt) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, receipt.to_bytes()?).with_context(|| {
        format!(
            "the purge is complete and its receipt is in the data folder, but copying the receipt to {} \
             failed",
            path.display()
        )
    })
}
