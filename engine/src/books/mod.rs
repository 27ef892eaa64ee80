//! The two books that outlive what is purged: the ledger of erasures and the receipts.
//!
//! The ledger says what must be gone and is applied again to whatever a backup brings back; a receipt
//! attests to a person that it is gone. Both hold pseudonyms only. Knows nothing of how anything is
//! erased.

mod ledger;
mod receipt;

pub(crate) use ledger::{Erased, Erasure, Ledger, erasures_in};
pub(crate) use receipt::Receipts;
pub use receipt::{RECEIPT_SCHEMA, Receipt, ReceiptBody, Scanned, Subject, verify_chain};

use std::path::{Path, PathBuf};

use crate::crypto::Keyring;
use crate::error::Result;
use crate::reserve::{Reserve, with_room};

/// The keyring with both books, and the disk space that is kept back for writing them.
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

    /// Makes the reserves where they are missing.
    pub(crate) fn keep_room(&self) {
        self.reserves().iter().for_each(Reserve::keep);
    }

    /// Does `work`, which must bear being repeated, with the reserves' space where the disk is full.
    pub(crate) fn with_room<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        with_room(&self.reserves(), work)
    }

    /// Signs and writes the receipt of an erasure.
    pub(crate) fn attest(&self, body: &ReceiptBody) -> Result<Receipt> {
        let signer = self.keyring.signer()?;
        self.with_room(|| self.receipts.write(body.clone(), &signer))
    }

    fn reserves(&self) -> [Reserve; 2] {
        [Reserve::of(self.keyring.folder()), Reserve::of(&self.data)]
    }
}
