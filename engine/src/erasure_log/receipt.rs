//! Receipts: signed statements that data was purged, each chained to the previous one by hash.
//!
//! A receipt file is canonical JSON (RFC 8785: sorted keys, no white space; whole numbers only) and a line
//! end. Verification compares the bytes themselves, so that every changed byte is detected.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

use super::Exclusion;
use crate::crypto::{ChainHead, Checkpoint, KeyExport, PublicKey, Signer};
use crate::error::{Error, Result};
use crate::fs::durable;

const FORMAT: &str = "picpick receipt 1";

/// A signed receipt of one erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub receipt: ReceiptBody,
    /// Ed25519 signature over "picpick receipt 1", a zero byte and the canonical JSON of `receipt`: 128
    /// hexadecimal digits.
    pub signature: String,
}

/// The signed content of a receipt. Times are seconds since the Unix epoch; hashes and keys are hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBody {
    pub format: String,
    /// Sequence number from 1, without gaps.
    pub number: u64,
    /// SHA-256 of the previous receipt file; zeros for the first receipt.
    pub previous: String,
    pub subject: PurgeSubject,
    /// Pseudonym of the collection.
    pub collection: String,
    /// Fingerprint of the collection's data key; does not reveal the key. Empty if the keyring entry was
    /// damaged.
    pub key_fingerprint: String,
    /// Number of the erasure's entry in the erasure log.
    pub erasure: u64,
    /// Photos purged, or photos that showed the purged faces; `None` if a damaged store could not be read.
    pub photos: Option<u64>,
    /// Faces purged; `None` if a damaged store could not be read.
    pub faces: Option<u64>,
    pub begun_unix_s: u64,
    /// Time at which the data key was destroyed; `None` for an erasure inside a collection.
    pub key_destroyed_unix_s: Option<u64>,
    /// Generation of the key-encryption key that was destroyed with the data key; `None` for an erasure
    /// inside a collection.
    pub kek_generation_destroyed: Option<u32>,
    pub finished_unix_s: u64,
    pub scanned: ScanExtent,
    /// Number of pieces of the purged data that the scan found. Always 0: a purge that leaves residue gets no
    /// receipt.
    pub residue: u64,
    /// Expiry of the last backup that may hold sealed bytes of the purged data; `None` without such a backup.
    pub backups_expire_unix_s: Option<u64>,
    /// The studio's public key.
    pub public_key: String,
    /// The last entry of the service's audit log that the keyring's checkpoint named when the receipt was
    /// issued; `None` for receipts of older programs, or without a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<ChainHead>,
    /// The exports of the keyring that hold the key of the purged data and may still be restored; `None` for
    /// receipts of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_exports: Option<Vec<KeyExport>>,
    /// The places that the erasure neither cleared nor examined; `None` for receipts of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_covered: Option<Vec<Exclusion>>,
    /// Who requested the erasure, and what it erased besides photos and faces; `None` for receipts of older
    /// programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErasureDetails>,
}

/// The request of an erasure, and what it erased besides photos and faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureDetails {
    /// `None` if unknown: an older program began the erasure, or a crash came before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
    /// Guests' face templates purged. `None` for a collection, whose templates are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<u64>,
    /// Whether the person's template stays in the collection for one purpose: to keep their faces in later
    /// photos out. It ends with the collection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opt_out: bool,
}

/// Who requested an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requester {
    /// The guest whose data was erased.
    Guest,
    /// A person in the photos who is not a guest, through the studio.
    Person,
    Studio,
    /// The operator, on the command line.
    Operator,
    /// The retention policy: an end has passed, or a consent has ended.
    Retention,
}

impl Requester {
    /// Returns the name that receipts contain.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Person => "person",
            Self::Studio => "studio",
            Self::Operator => "operator",
            Self::Retention => "retention",
        }
    }
}

/// The kind of the purged data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PurgeSubject {
    Collection,
    Photos,
    Faces,
    Person,
}

/// The extent of the residue scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanExtent {
    /// Files read completely.
    pub files: u64,
    pub bytes: u64,
    /// Windows of 16 bytes searched for at every offset.
    pub needles: u64,
}

impl Receipt {
    /// The JSON schema of a receipt, for verification with other programs.
    pub const SCHEMA: &str = include_str!("receipt.schema.json");

    fn sign(body: ReceiptBody, signer: &Signer) -> Result<Self> {
        let signature = hex::encode(signer.sign(FORMAT, canonical(&body)?.as_bytes()));
        Ok(Self { receipt: body, signature })
    }

    /// Returns the content of the receipt file: canonical JSON and a line end.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok((canonical(self)? + "\n").into_bytes())
    }

    /// Parses the bytes of a receipt file and verifies them with the studio's public key.
    ///
    /// # Errors
    ///
    /// - `Receipt`: the bytes are no receipt of this format, are not canonical JSON, name another public key,
    ///   have an invalid signature, or state residue.
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<Self> {
        let refused = |reason: &str| Error::Receipt { reason: reason.to_owned() };
        let receipt: Self = serde_json::from_slice(bytes)
            .map_err(|error| refused(&format!("it cannot be parsed as a receipt: {error}")))?;
        let body = &receipt.receipt;
        if body.format != FORMAT {
            return Err(refused(&format!(
                "expected format '{FORMAT}', received '{}'",
                body.format
            )));
        }
        if receipt.to_bytes()? != bytes {
            return Err(refused("it is not canonical JSON: bytes were added, removed or moved"));
        }
        if body.public_key != key.to_string() {
            return Err(refused(&format!(
                "it names the public key {}, expected {key}",
                body.public_key
            )));
        }
        let signature = hex::decode(&receipt.signature)
            .ok()
            .filter(|bytes| hex::encode(bytes) == receipt.signature);
        let signature = signature
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| refused("its signature is not 128 lower-case hexadecimal digits"))?;
        if !key.verifies(FORMAT, canonical(body)?.as_bytes(), &signature) {
            return Err(refused(
                "its signature is invalid: the receipt was changed, or signed with another key",
            ));
        }
        if body.residue != 0 {
            return Err(refused("it states that residue was found"));
        }
        Ok(receipt)
    }

    /// Verifies receipt files, given in order of number, and verifies that the receipts form a chain without
    /// a gap. The chain may begin at any number.
    ///
    /// # Errors
    ///
    /// - `Receipt`: an invalid receipt, a missing number, or a hash that does not match the previous file.
    pub fn verify_chain(files: &[Vec<u8>], key: &PublicKey) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        for (i, bytes) in files.iter().enumerate() {
            let receipt = Self::verify(bytes, key)?;
            if let (Some(before), Some(last)) =
                (i.checked_sub(1).and_then(|i| files.get(i)), all.last())
            {
                let (expected, received) = (last.receipt.number + 1, receipt.receipt.number);
                if received != expected {
                    let reason = format!("receipt {expected} is missing before receipt {received}");
                    return Err(Error::Receipt { reason });
                }
                if receipt.receipt.previous != hex::encode(Sha256::digest(before)) {
                    let reason = format!(
                        "receipt {received} does not contain the hash of the previous receipt"
                    );
                    return Err(Error::Receipt { reason });
                }
            }
            all.push(receipt);
        }
        Ok(all)
    }
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

    /// Returns the paths of all receipt files, in order of number.
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

    /// Signs and writes the receipt of an erasure, and returns it with the head of the chain. The file is
    /// durable when the call returns. The call sets the format, number, hash of the previous receipt, public
    /// key and audit head of `body`. Idempotent: if the erasure already has a receipt, returns that receipt
    /// unchanged.
    ///
    /// `checkpoint` is the keyring's checkpoint before this call. If the folder lacks receipts that it names,
    /// the new receipt follows the last of them, so that the gap stays visible.
    ///
    /// # Errors
    ///
    /// - `Io`: a file cannot be read or written.
    /// - `Receipt`: the existing receipt of the erasure cannot be parsed.
    pub(super) fn write(
        &self,
        body: ReceiptBody,
        signer: &Signer,
        checkpoint: &Checkpoint,
    ) -> Result<(Receipt, ChainHead)> {
        durable::make_folder(&self.folder, true)?;
        let _lock = durable::lock(&self.lock)?;
        let files = self.files()?;
        let last = newer(head_of(&files)?, &checkpoint.receipts);
        if let Some(known) = files.iter().find(|path| numbers(path).1 == Some(body.erasure)) {
            let damaged = |error: serde_json::Error| Error::Receipt {
                reason: format!("{} cannot be parsed: {error}", known.display()),
            };
            return Ok((serde_json::from_slice(&read(known)?).map_err(damaged)?, last));
        }
        let number = last.number + 1;
        let public_key = signer.public_key().to_string();
        let audit = checkpoint
            .audit
            .as_ref()
            .map(|audit| ChainHead { number: audit.number, hash: audit.hash.clone() });
        let previous = last.hash;
        let body =
            ReceiptBody { format: FORMAT.into(), number, previous, public_key, audit, ..body };
        let receipt = Receipt::sign(body, signer)?;
        let path = self.folder.join(format!("{number:06}-{:06}.json", receipt.receipt.erasure));
        let bytes = receipt.to_bytes()?;
        durable::replace(&path, &bytes, 0o644)?;
        Ok((receipt, ChainHead { number, hash: hex::encode(Sha256::digest(&bytes)) }))
    }
}

/// Returns the newer of two heads; `checkpoint` if both have the same number, because it is signed.
fn newer(found: ChainHead, checkpoint: &ChainHead) -> ChainHead {
    if found.number > checkpoint.number { found } else { checkpoint.clone() }
}

/// Returns the head of the chain in `files`, which are in order of number.
///
/// # Errors
///
/// - `Io`: the last file cannot be read.
pub(super) fn head_of(files: &[PathBuf]) -> Result<ChainHead> {
    let Some(last) = files.last() else { return Ok(ChainHead::default()) };
    let number = numbers(last).0.unwrap_or(0);
    Ok(ChainHead { number, hash: hex::encode(Sha256::digest(read(last)?)) })
}

/// Returns the number of a receipt and the number of its erasure from the file name, so that no other receipt
/// needs to be read to find one.
pub(super) fn numbers(path: &Path) -> (Option<u64>, Option<u64>) {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (number, erasure) = stem.split_once('-').unwrap_or((stem, ""));
    (number.parse().ok(), erasure.parse().ok())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::io("read", path, source))
}

/// Returns the canonical JSON (RFC 8785) of a receipt. `serde_json::Value` keeps keys sorted, and writes
/// whole numbers and strings as the RFC requires; receipts have no other types.
fn canonical(value: &impl Serialize) -> Result<String> {
    serde_json::to_value(value)
        .map(|value| value.to_string())
        .map_err(|error| Error::Receipt { reason: error.to_string() })
}

#[cfg(test)]
mod tests;
