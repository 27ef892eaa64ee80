//! The records that outlive purged data: the erasure log (`ledger.rs`) and the receipts (`receipt.rs`).
//!
//! The erasure log lists the erased data by pseudonym, and is applied again to data that is restored from a
//! backup. A receipt is signed evidence of one erasure. Both contain pseudonyms only.

mod ledger;
mod receipt;

pub(crate) use ledger::{ErasedData, Erasure, Ledger, erasures_in};
pub(crate) use receipt::Receipts;
pub use receipt::{PurgeSubject, Receipt, ReceiptBody, ScanExtent};

use std::path::{Path, PathBuf};

use crate::crypto::Keyring;
use crate::error::Result;
use crate::fs::reserved_space::{ReservedSpace, retry_with_reserved_space};

/// The keyring, the erasure log and the receipts, and the disk space reserved for writing them.
pub(crate) struct ErasureLog {
    pub(crate) keyring: Keyring,
    pub(crate) ledger: Ledger,
    pub(crate) receipts: Receipts,
    data: PathBuf,
}

impl ErasureLog {
    pub(crate) fn of(data: &Path, keyring: Keyring) -> Self {
        let ledger = Ledger::of(data, keyring.folder());
        let receipts = Receipts::of(data, keyring.folder());
        Self { keyring, ledger, receipts, data: data.to_path_buf() }
    }

    /// Reserves the disk space that is not yet reserved.
    pub(crate) fn ensure_reserved(&self) {
        self.reserves().iter().for_each(ReservedSpace::ensure);
    }

    /// Runs `work`. If the disk is full, frees the reserved space and runs `work` again, so `work` must be
    /// idempotent.
    pub(crate) fn retry_with_reserved_space<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        retry_with_reserved_space(&self.reserves(), work)
    }

    /// Signs and writes the receipt of an erasure. The receipt is durable when the call returns.
    pub(crate) fn issue_receipt(&self, body: &ReceiptBody) -> Result<Receipt> {
        let signer = self.keyring.signer()?;
        self.retry_with_reserved_space(|| self.receipts.write(body.clone(), &signer))
    }

    fn reserves(&self) -> [ReservedSpace; 2] {
        [ReservedSpace::in_folder(self.keyring.folder()), ReservedSpace::in_folder(&self.data)]
    }
}
