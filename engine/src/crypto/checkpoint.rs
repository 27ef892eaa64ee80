//! The checkpoint: a statement in `keys.toml` of how far each chain of records had grown, signed with the
//! studio's key.
//!
//! A chain proves that nothing inside it was changed, but not that its end is there. The checkpoint names the
//! last record that was durable when the checkpoint was written. A chain that is longer is normal, because a
//! record is written before its checkpoint. A chain that is shorter, or has another record at that place, was
//! cut, rewritten or replaced by an older copy.

use serde::{Deserialize, Serialize};

use super::{KeyExport, PublicKey, Signer};
use crate::error::{Error, Result};

const CONTEXT: &str = "picpick checkpoint 1";

/// The last record of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// Number of the record, from 1; 0 for an empty chain.
    pub number: u64,
    /// SHA-256 of the record, hexadecimal.
    pub hash: String,
}

/// The state of the service's audit log at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditCheckpoint {
    /// Number of the last entry, from 1; 0 for an empty log.
    pub number: u64,
    /// Hash of that entry; empty for an empty log.
    pub hash: String,
    /// Number of the first entry that needs an authentication code. Entries before it were written by
    /// programs without the key.
    pub keyed_from: u64,
    /// Time of the checkpoint, seconds since the Unix epoch.
    pub at_unix_s: u64,
}

/// The heads of all chains of a data folder and of its service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    pub(crate) erasure_log: ChainHead,
    pub(crate) receipts: ChainHead,
    /// Numbers of receipts whose loss the operator has accepted, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) receipts_lost: Vec<u64>,
    /// Number of entries of the erasure log whose loss the operator has accepted.
    #[serde(default)]
    pub(crate) erasures_lost: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<AuditCheckpoint>,
    /// The exports of the keyring that had not expired when the last one was made, in order of number, and in
    /// any case the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) key_exports: Vec<KeyExport>,
}

/// A checkpoint and its Ed25519 signature, 128 hexadecimal digits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedCheckpoint {
    signature: String,
    content: Checkpoint,
}

impl Default for ChainHead {
    /// Returns the head of an empty chain: number 0, and zeros as the hash.
    fn default() -> Self {
        Self { number: 0, hash: "0".repeat(64) }
    }
}

impl ChainHead {
    /// Replaces this head by `other` if `other` is newer. Returns whether it did.
    pub(crate) fn advance(&mut self, other: &Self) -> bool {
        let newer = other.number > self.number;
        if newer {
            self.clone_from(other);
        }
        newer
    }
}

impl SignedCheckpoint {
    pub(super) fn sign(content: Checkpoint, signer: &Signer) -> Result<Self> {
        let signature = hex::encode(signer.sign(CONTEXT, &bytes(&content)?));
        Ok(Self { signature, content })
    }

    /// Returns the checkpoint if `key` signed it, else `None`.
    pub(super) fn verified(&self, key: &PublicKey) -> Option<Checkpoint> {
        let signature = hex::decode(&self.signature).ok()?.try_into().ok()?;
        let signed = key.verifies(CONTEXT, &bytes(&self.content).ok()?, &signature);
        signed.then(|| self.content.clone())
    }
}

/// Returns the signed bytes: JSON with the fields in the order of their declaration.
fn bytes(content: &Checkpoint) -> Result<Vec<u8>> {
    serde_json::to_vec(content).map_err(|error| Error::Damaged {
        what: "the checkpoint of the keyring".into(),
        reason: error.to_string(),
    })
}
