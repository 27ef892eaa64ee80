//! The records that outlive purged data: the erasure log (`ledger.rs`) and the receipts (`receipt.rs`).
//!
//! The erasure log lists what must be erased, and is applied again to data that comes back from a backup. A
//! receipt is signed evidence of one erasure. Both contain pseudonyms only.

mod ledger;
mod receipt;

pub(crate) use ledger::{Erased, Erasure, Ledger, erasures_in};
pub(crate) use receipt::Receipts;
pub use receipt::{RECEIPT_SCHEMA, Receipt, ReceiptBody, Scanned, Subject, verify_chain};

use std::path::{Path, PathBuf};

use crate::crypto::Keyring;
use crate::error::Result;
use crate::fs::reserved_space::{Reserve, with_room};

/// The keyring, the erasure log and the receipts, and the disk space reserved for writing them.
pub(crate) struct Books {
    pub(crate) keyring: Keyring,
    pub(crate) ledger: Ledger,
    pub(crate) receipts: Receipts,
    data: PathBuf,
}

impl Books {
    pub(crate) fn of(data: &Path, keyring: Keyring) -> Self {
        let ledger = Ledger::of(data, keyring.folder());
        let receipts = Receipts::of(data, keyring.folder());
        Self { keyring, ledger, receipts, data: data.to_path_buf() }
    }

    /// Creates the disk space reserves that are missing.
    pub(crate) fn keep_room(&self) {
        self.reserves().iter().for_each(Reserve::keep);
    }

    /// Runs `work`. If the disk is full, frees the reserved space and runs it again, so `work` must be
    /// idempotent.
    pub(crate) fn with_room<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        with_room(&self.reserves(), work)
    }

    /// Signs and writes the receipt of an erasure. The receipt is durable when the call returns.
    pub(crate) fn attest(&self, body: &ReceiptBody) -> Result<Receipt> {
        let signer = self.keyring.signer()?;
        self.with_room(|| self.receipts.write(body.clone(), &signer))
    }

    fn reserves(&self) -> [Reserve; 2] {
        [Reserve::of(self.keyring.folder()), Reserve::of(&self.data)]
    }
}
