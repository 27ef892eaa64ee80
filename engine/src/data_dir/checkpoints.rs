use super::DataDir;
use crate::crypto::{AuditCheckpoint, ChainKey};
use crate::error::Result;

impl DataDir {
    /// Returns the key that authenticates the entries of the service's audit log.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: as for `public_key`.
    pub fn audit_key(&self) -> Result<ChainKey> {
        ChainKey::of(&self.erasure_log.keyring.signer()?)
    }

    /// Returns the last checkpoint of the service's audit log; `None` before the first one.
    ///
    /// # Errors
    ///
    /// - `Keyring`: the signature of the checkpoint is invalid.
    /// - `Io`, `Seal`: as for `public_key`.
    pub fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        Ok(self.erasure_log.keyring.checkpoint()?.audit)
    }

    /// Signs `new` and replaces the checkpoint of the service's audit log by it, durably. The entries up to
    /// `new` must be durable. Does nothing if the checkpoint is no longer `old`, because another process has
    /// replaced it. Returns whether it was replaced.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`, `Seal`: the keyring cannot be read or written.
    pub fn replace_audit_checkpoint(
        &self,
        old: Option<&AuditCheckpoint>,
        new: AuditCheckpoint,
    ) -> Result<bool> {
        let mut replaced = false;
        self.erasure_log.keyring.change_checkpoint(|checkpoint| {
            replaced = checkpoint.audit.as_ref() == old;
            if replaced {
                checkpoint.audit = Some(new);
            }
            replaced
        })?;
        Ok(replaced)
    }

    /// Verifies the erasure log and all receipts against each other, the studio's key and the keyring's
    /// checkpoint. Returns one sentence for each fault.
    ///
    /// # Errors
    ///
    /// - `Io`, `Keyring`: the receipts or the keyring cannot be read.
    pub fn review_records(&self) -> Result<Vec<String>> {
        self.erasure_log.review()
    }

    /// Accepts the loss of receipts and of entries of the erasure log, after a restore of older copies. Returns
    /// the numbers of the lost receipts, and the count of the lost entries of the erasure log. The signed
    /// checkpoint keeps both.
    ///
    /// # Errors
    ///
    /// - `Damaged`: the hash chain of the erasure log is broken; restore a copy of it from a backup.
    /// - `Io`, `Keyring`: the records cannot be read, or the keyring cannot be written.
    pub fn accept_lost_records(&self) -> Result<(Vec<u64>, u64)> {
        self.erasure_log.accept_losses()
    }

    /// Advances the checkpoint to records that were written without it. Returns one sentence for each fault,
    /// which must not prevent the use of the other collections.
    pub(super) fn advance_checkpoint(&self) -> Vec<String> {
        self.erasure_log.catch_up().unwrap_or_else(|error| {
            vec![format!(
                "the records of erasures could not be compared with the keyring's checkpoint: {error}"
            )]
        })
    }
}
