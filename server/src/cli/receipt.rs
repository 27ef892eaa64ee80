use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use picpick_engine::receipts::{
    Exclusion, PublicKey, PurgeSubject, Receipt, ReceiptBody, Requester,
};
use picpick_engine::{DataDir, KeyExport};
use serde::Serialize;

use super::context::{Context, read_file};
use super::format;
use super::report::{ExitStatus, Report, printable};
use super::table::Table;
use crate::config::UsageError;

const VERIFY_AFTER: &str = "\
With several files, also checks that each receipt follows the receipt before it
without a gap. Without files, verifies all receipts and the erasure log of the
data folder, and compares them with the signed checkpoint in the keyring, so
that removed receipts and erasures are detected too. The exit status is 1 if a
check fails. With --key, no data folder is needed.

Examples:
  picpick receipt verify
  picpick receipt verify receipt.json --key 3d40…

With --json: {\"valid\", \"key\", \"receipts\": [receipt], \"faults\": [text]}.";
const ACCEPT_AFTER: &str = "\
After a restore of an older data folder, 'picpick receipt verify' and 'picpick
doctor' report receipts and erasures that are lost. This command accepts the
loss. The signed checkpoint in the keyring keeps what was lost, and
no later receipt takes the number of a lost one.

With --json: {\"receipts_lost\": [number], \"erasures_lost\"}.";
/// Limits the bytes that are read of a receipt file, so that a large wrong file does not fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Subcommand, Debug)]
pub enum ReceiptCommand {
    /// Verify that receipts were issued by this studio and are unchanged
    #[command(after_help = VERIFY_AFTER)]
    Verify {
        /// Receipt files, oldest first [default: all records of the data folder]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The studio's public key, 64 hexadecimal digits [default: the data folder's key]
        #[arg(long, value_name = "KEY", requires = "files")]
        key: Option<PublicKey>,
    },
    /// List the receipts of the data folder
    List,
    /// Accept that receipts or erasures are lost, after a restore of older copies
    #[command(after_help = ACCEPT_AFTER)]
    Accept {
        /// Accept the loss that 'picpick receipt verify' shows
        #[arg(long, required = true)]
        yes: bool,
    },
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
    /// The faults of the data folder's records, if no files were given.
    faults: Vec<String>,
}

#[derive(Serialize)]
struct AcceptDocument {
    receipts_lost: Vec<u64>,
    erasures_lost: u64,
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
        ReceiptCommand::Verify { files, key: None } if files.is_empty() => verify_all(context),
        ReceiptCommand::Verify { files, key } => verify(context, &files, key),
        ReceiptCommand::Accept { .. } => accept(context),
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
    Ok(own_data(context)?.public_key()?)
}

fn own_data(context: &Context) -> Result<DataDir> {
    let missing =
        || UsageError("there is no data folder to take the key from; name it with --data".into());
    Ok(context.data_if_there()?.ok_or_else(missing)?)
}

/// Verifies all records of the data folder.
fn verify_all(context: &Context) -> Result<Report> {
    let data = own_data(context)?;
    let (key, faults) = (data.public_key()?, data.review_records()?);
    let mut receipts = Vec::new();
    for path in data.receipts()? {
        // An invalid receipt is among the faults.
        if let Ok(receipt) = Receipt::verify(&read_file(&path, FILE_BYTES_MAX)?, &key) {
            receipts.push(receipt.receipt);
        }
    }
    let count = format::count(receipts.len(), "receipt");
    let text = match faults.as_slice() {
        [] => format!(
            "Valid: {count} signed with {key}, and the erasure log. Nothing that the keyring's checkpoint names \
             is missing.\n"
        ),
        faults => {
            let lines = faults.iter().map(|fault| format!("- {}\n", printable(fault)));
            format!("Not valid; {count} could be verified:\n{}", lines.collect::<String>())
        }
    };
    let valid = faults.is_empty();
    let status = if valid { ExitStatus::Done } else { ExitStatus::Failed };
    let document = VerificationDocument { valid, key: key.to_string(), receipts, faults };
    Ok(Report::new(&document, text)?.with(status))
}

fn accept(context: &Context) -> Result<Report> {
    let (receipts_lost, erasures_lost) = own_data(context)?.accept_lost_records()?;
    let text = if receipts_lost.is_empty() && erasures_lost == 0 {
        "No record is lost; there is nothing to accept.\n".to_owned()
    } else {
        let numbers: Vec<String> = receipts_lost.iter().map(u64::to_string).collect();
        format!(
            "Accepted: {} lost ({}), {} of the erasure log lost.\n",
            format::count(receipts_lost.len(), "receipt"),
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") },
            format::count(erasures_lost as usize, "entry")
        )
    };
    Report::new(&AcceptDocument { receipts_lost, erasures_lost }, text)
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
    let document =
        VerificationDocument { valid: true, key: key.to_string(), receipts, faults: Vec::new() };
    Report::new(&document, text)
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
        "  scanned     {} with {} for {} patterns: none found\n",
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
    if let Some(exports) = &receipt.key_exports {
        text += &format!("  key copies  {}\n", key_copies(exports));
    }
    if let Some(places) = &receipt.not_covered {
        let places: Vec<&str> = places.iter().copied().map(exclusion).collect();
        text += &format!("  not covered {}\n", places.join("; "));
    }
    if let Some(details) = &receipt.details {
        let by = details.requested_by.map_or("unknown", requester);
        text += &format!("  requested   by {by}\n");
        if details.templates.is_some_and(|templates| templates > 0) {
            text += "  template    the guest's face template\n";
        }
        if details.opt_out {
            text += "  opt-out     the person's template stays, to keep their faces in later photos out\n";
        }
    }
    if let Some(audit) = &receipt.audit {
        text += &format!("  audit log   entry {}, hash {}\n", audit.number, audit.hash);
    }
    text
}

/// Describes the exports of the keyring that hold the key of purged data.
fn key_copies(exports: &[KeyExport]) -> String {
    let Some(last) = exports.iter().map(|export| export.expires_unix_s).max() else {
        return "no valid export of the keyring holds its key".into();
    };
    let presumed = exports.iter().filter(|export| export.presumed).count();
    let known = exports.len() - presumed;
    let unknown = if presumed > 0 { " and those made before a restored keyring" } else { "" };
    format!(
        "{}{unknown} may be restored, the last until {}, and then open copies of its data",
        format::count(known, "keyring export"),
        format::date(last)
    )
}

fn exclusion(place: Exclusion) -> &'static str {
    match place {
        Exclusion::FreedMemory => "memory that this process had freed",
        Exclusion::LibraryBuffers => "buffers inside libraries and the operating system",
        Exclusion::Swap => "swap, which is on",
        Exclusion::ForeignCopies => "snapshots and copies by other programs, also of the keyring",
    }
}

fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "unknown".into(), |count| format::thousands(count as usize))
}

fn requester(requester: Requester) -> &'static str {
    match requester {
        Requester::Guest => "the guest",
        Requester::Person => "a person in the photos, through the studio",
        Requester::Studio => "the studio",
        Requester::Operator => "the operator",
        Requester::Retention => "the retention policy",
    }
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
