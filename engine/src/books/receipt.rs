//! Receipts: signed statements that something was purged, each chained to the one before.
//!
//! A receipt is canonical JSON (RFC 8785: keys sorted, no white space, whole numbers only) and a line
//! end; its bytes are checked as they are, so that no changed byte passes. Knows nothing of how a purge
//! is done.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

use crate::crypto::{PublicKey, Signer};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::{hex, unhex};

/// The JSON schema of a receipt, for whoever checks one with a program of their own.
pub const RECEIPT_SCHEMA: &str = include_str!("receipt.schema.json");
const FORMAT: &str = "picpick receipt 1";

/// A signed receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub receipt: ReceiptBody,
    /// Ed25519 over "picpick receipt 1", a zero byte and the canonical bytes of `receipt`.
    pub signature: String,
}

/// What a receipt states. Times are seconds since 1970, hashes and keys hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBody {
    pub format: String,
    /// From 1, without gaps.
    pub number: u64,
    /// SHA-256 of the receipt file before, zeros for the first.
    pub previous: String,
    pub subject: Subject,
    /// Pseudonym of the collection.
    pub collection: String,
    /// Names the data key that opened it, without telling anything of it.
    pub key_fingerprint: String,
    /// The ledger's entry of this erasure.
    pub erasure: u64,
    /// How many were purged; none where a damaged store could not be asked.
    pub photos: Option<u64>,
    pub faces: Option<u64>,
    pub begun_unix_s: u64,
    /// When the data key was destroyed, and the generation of key-encryption key destroyed with it;
    /// none for a purge inside a living collection.
    pub key_destroyed_unix_s: Option<u64>,
    pub kek_generation_destroyed: Option<u32>,
    pub finished_unix_s: u64,
    pub scanned: Scanned,
    /// Pieces of what was purged that the scan found: always 0, else there is no receipt.
    pub residue: u64,
    /// When the last backup that may hold its sealed bytes expires; none when there is none.
    pub backups_expire_unix_s: Option<u64>,
    /// The studio's public key.
    pub public_key: String,
}

/// What was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Collection,
    Photos,
    Faces,
    Person,
}

/// What the residue scan looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanned {
    pub files: u64,
    pub bytes: u64,
    /// Windows of 16 bytes searched for.
    pub needles: u64,
}

impl Receipt {
    fn sign(body: ReceiptBody, signer: &Signer) -> Result<Self> {
        let signature = hex(&signer.sign(FORMAT, canonical(&body)?.as_bytes()));
        Ok(Self { receipt: body, signature })
    }

    /// The receipt's file: canonical JSON and a line end.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok((canonical(self)? + "\n").into_bytes())
    }

    /// Reads a receipt and checks every byte of it against the studio's public key.
    ///
    /// Errors: `Receipt` with what does not hold.
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Self> {
        let refused = |reason: &str| Error::Receipt { reason: reason.to_owned() };
        let receipt: Self = serde_json::from_slice(bytes)
            .map_err(|error| refused(&format!("it does not read as a receipt: {error}")))?;
        let body = &receipt.receipt;
        if body.format != FORMAT {
            return Err(refused(&format!(
                "expected format '{FORMAT}', received '{}'",
                body.format
            )));
        }
        if receipt.to_bytes()? != bytes {
            return Err(refused("it is not canonical JSON: bytes were added, left out or moved"));
        }
        if body.public_key != key.to_string() {
            return Err(refused(&format!(
                "it names the public key {}, expected {key}",
                body.public_key
            )));
        }
        let signature = unhex(&receipt.signature).filter(|bytes| hex(bytes) == receipt.signature);
        let signature = signature
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| refused("its signature is not 128 lower-case hexadecimal digits"))?;
        if !key.verifies(FORMAT, canonical(body)?.as_bytes(), &signature) {
            return Err(refused(
                "its signature does not hold: it was changed, or signed by another key",
            ));
        }
        if body.residue != 0 {
            return Err(refused("it states residue"));
        }
        Ok(receipt)
    }
}

/// Checks that receipts follow from one another without a gap; `files` in order of number.
pub fn verify_chain(files: &[Vec<u8>], key: &PublicKey) -> Result<Vec<Receipt>> {
    let mut all: Vec<Receipt> = Vec::new();
    for (i, bytes) in files.iter().enumerate() {
        let receipt = Receipt::verify(bytes, key)?;
        if let (Some(before), Some(last)) =
            (i.checked_sub(1).and_then(|i| files.get(i)), all.last())
        {
            let (expected, received) = (last.receipt.number + 1, receipt.receipt.number);
            if received != expected {
                let reason = format!("receipt {expected} is missing: {received} comes after it");
                return Err(Error::Receipt { reason });
            }
            if receipt.receipt.previous != hex(&Sha256::digest(before)) {
                let reason = format!("receipt {received} does not follow from the one before it");
                return Err(Error::Receipt { reason });
            }
        }
        all.push(receipt);
    }
    Ok(all)
}

/// The receipts of a data folder: `receipts/NUMBER-ERASURE.json`.
pub(crate) struct Receipts {
    folder: PathBuf,
    lock: PathBuf,
}

impl Receipts {
    pub(crate) fn of(data: &Path, keyring: &Path) -> Self {
        Self { folder: data.join("receipts"), lock: keyring.join("receipts.lock") }
    }

    /// All receipt files, in order of number.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let listing = match std::fs::read_dir(&self.folder) {
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing.map_err(|source| Error::io("list", &self.folder, source))?,
        };
        let paths = listing.flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        Ok(paths)
    }

    /// Writes the receipt of an erasure, durable when it returns. `body` says everything but number,
    /// chain and key. The receipt of an erasure that has one already is given as it is.
    pub(crate) fn write(&self, body: ReceiptBody, signer: &Signer) -> Result<Receipt> {
        files::make_folder(&self.folder, true)?;
        let _lock = files::lock(&self.lock)?;
        let files = self.files()?;
        if let Some(known) = files.iter().find(|path| numbers(path).1 == Some(body.erasure)) {
            let damaged = |error: serde_json::Error| Error::Receipt {
                reason: format!("{} does not read: {error}", known.display()),
            };
            return serde_json::from_slice(&read(known)?).map_err(damaged);
        }
        let previous = match files.last() {
            Some(last) => hex(&Sha256::digest(read(last)?)),
            None => "0".repeat(64),
        };
        let number = files.last().and_then(|last| numbers(last).0).unwrap_or(0) + 1;
        let public_key = signer.public_key().to_string();
        let body = ReceiptBody { format: FORMAT.into(), number, previous, public_key, ..body };
        let receipt = Receipt::sign(body, signer)?;
        let path = self.folder.join(format!("{number:06}-{:06}.json", receipt.receipt.erasure));
        files::replace(&path, &receipt.to_bytes()?, 0o644)?;
        Ok(receipt)
    }
}

/// A receipt's number and its erasure's, by the file's name: no file is read to find another.
fn numbers(path: &Path) -> (Option<u64>, Option<u64>) {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (number, erasure) = stem.split_once('-').unwrap_or((stem, ""));
    (number.parse().ok(), erasure.parse().ok())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::io("read", path, source))
}

/// RFC 8785 for what receipts hold: `serde_json::Value` keeps keys sorted, and whole numbers and
/// strings are written as that standard wants them.
fn canonical(value: &impl Serialize) -> Result<String> {
    serde_json::to_value(value)
        .map(|value| value.to_string())
        .map_err(|error| Error::Receipt { reason: error.to_string() })
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
