//! The records that outlive purged data: the erasure log (`ledger.rs`) and the receipts (`receipt.rs`).
//!
//! The erasure log lists the erased data by pseudonym, and is applied again to data that is restored from a
//! backup. A receipt is signed evidence of one erasure. Both contain pseudonyms only. Both are chains, whose
//! heads the keyring's checkpoint names: a record is durable before the checkpoint names it, so a checkpoint
//! may be older than its chain, and is never newer.

mod exclusions;
mod ledger;
mod receipt;
mod review;

pub use exclusions::{Exclusion, declare_freed_memory_overwritten};
pub(crate) use ledger::{ErasedData, ErasedSuppression, Erasure, erasures_in, last_erasure_unix_s};
pub(crate) use receipt::Receipts;
pub use receipt::{ErasureDetails, PurgeSubject, Receipt, ReceiptBody, Requester, ScanExtent};

use std::path::{Path, PathBuf};

use crate::crypto::Keyring;
use crate::error::Result;
use crate::fs::reserved_space::{ReservedSpace, retry_with_reserved_space};
use crate::ids::CollectionId;
use ledger::Ledger;

/// The keyring, the erasure log and the receipts, and the disk space reserved for writing them.
pub(crate) struct ErasureLog {
    pub(crate) keyring: Keyring,
    ledger: Ledger,
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

    /// Returns all erasures in order.
    ///
    /// # Errors
    ///
    /// - `Io`: a copy of the erasure log, or the keyring, cannot be read.
    /// - `Damaged`: the erasure log is damaged, or lacks an entry that the checkpoint names.
    pub(crate) fn erasures(&self) -> Result<Vec<Erasure>> {
        // The checkpoint is read first: another process may append an entry between the two.
        let checkpoint = self.keyring.checkpoint()?;
        self.ledger.read(&checkpoint.erasure_log)
    }

    /// Appends an erasure to the erasure log and then advances the checkpoint. Both are durable when the call
    /// returns. Idempotent for the purge of a collection.
    ///
    /// # Errors
    ///
    /// - `Io`, `Damaged`: as for `erasures`, or the erasure log or the checkpoint cannot be written.
    pub(crate) fn append(
        &self,
        collection: CollectionId,
        what: ErasedData,
        requester: Option<Requester>,
    ) -> Result<Erasure> {
        let checkpoint = self.keyring.checkpoint()?;
        let (erasure, head) =
            self.ledger.append(&checkpoint.erasure_log, collection, what, requester)?;
        self.keyring.change_checkpoint(|checkpoint| checkpoint.erasure_log.advance(&head))?;
        Ok(erasure)
    }

    /// Signs and writes the receipt of an erasure, and then advances the checkpoint. Both are durable when the
    /// call returns.
    pub(crate) fn issue_receipt(&self, body: &ReceiptBody) -> Result<Receipt> {
        let signer = self.keyring.signer()?;
        self.retry_with_reserved_space(|| {
            let checkpoint = self.keyring.checkpoint()?;
            let (receipt, head) = self.receipts.write(body.clone(), &signer, &checkpoint)?;
            self.keyring.change_checkpoint(|checkpoint| checkpoint.receipts.advance(&head))?;
            Ok(receipt)
        })
    }

    fn reserves(&self) -> [ReservedSpace; 2] {
        [ReservedSpace::in_folder(self.keyring.folder()), ReservedSpace::in_folder(&self.data)]
    }
}
