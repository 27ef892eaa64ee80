use sha2::{Digest, Sha256};

use super::receipt::{Receipt, head_of, numbers, read};
use super::{ErasureLog, Receipts};
use crate::crypto::{Checkpoint, PublicKey};
use crate::error::Result;

impl ErasureLog {
    /// Advances the checkpoint to records that were written without it: by a process that was killed between
    /// the two writes, or by a program without checkpoints. Returns one sentence for each chain that lacks the
    /// record that the checkpoint names, and leaves its checkpoint unchanged.
    ///
    /// # Errors
    ///
    /// - `Io`, `Damaged`, `Keyring`: a record or the keyring cannot be read, or the keyring cannot be written.
    pub(crate) fn catch_up(&self) -> Result<Vec<String>> {
        let checkpoint = self.keyring.checkpoint()?;
        let mut findings = Vec::new();
        let mut newest = checkpoint.clone();
        match self.ledger.read(&checkpoint.erasure_log) {
            Ok(_) => newest.erasure_log = self.ledger.head()?,
            Err(error) => findings.push(error.to_string()),
        }
        let files = self.receipts.files()?;
        match checkpoint_receipt(&self.receipts, &checkpoint)? {
            None => newest.receipts = head_of(&files)?,
            Some(finding) => findings.push(finding),
        }
        if newest != checkpoint {
            self.keyring.change_checkpoint(|checkpoint| {
                let erasures = checkpoint.erasure_log.advance(&newest.erasure_log);
                checkpoint.receipts.advance(&newest.receipts) || erasures
            })?;
        }
        Ok(findings)
    }

    /// Verifies the erasure log and all receipts against each other, the studio's key and the checkpoint.
    /// Returns one sentence for each fault. Losses that the operator has accepted are no faults.
    ///
    /// # Errors
    ///
    /// - `Io`, `Keyring`: the receipts or the keyring cannot be read.
    pub(crate) fn review(&self) -> Result<Vec<String>> {
        let checkpoint = self.keyring.checkpoint()?;
        let key = self.keyring.signer()?.public_key();
        let mut findings = Vec::new();
        if let Err(error) = self.ledger.read(&checkpoint.erasure_log) {
            findings.push(error.to_string());
        }
        findings.extend(checkpoint_receipt(&self.receipts, &checkpoint)?);
        findings.extend(receipt_faults(&self.receipts, &checkpoint, &key)?);
        Ok(findings)
    }

    /// Accepts the loss of records that the checkpoint names, after a restore of older copies. The signed
    /// checkpoint keeps the numbers of the lost receipts and the count of the lost entries of the erasure log.
    /// Returns both.
    ///
    /// # Errors
    ///
    /// - `Damaged`: the hash chain of the erasure log itself is broken, which no acceptance can mend.
    /// - `Io`, `Keyring`: the records cannot be read, or the keyring cannot be written.
    pub(crate) fn accept_losses(&self) -> Result<(Vec<u64>, u64)> {
        let (erasures, files) = (self.ledger.head()?, self.receipts.files()?);
        let found: Vec<u64> = files.iter().filter_map(|path| numbers(path).0).collect();
        let intact = |checkpoint: &Checkpoint| self.ledger.read(&checkpoint.erasure_log).is_ok();
        let (mut receipts_lost, mut erasures_lost) = (Vec::new(), 0);
        self.keyring.change_checkpoint(|checkpoint| {
            let known = &checkpoint.receipts_lost;
            let last = checkpoint.receipts.number.max(found.last().copied().unwrap_or(0));
            receipts_lost = (1..=last)
                .filter(|number| !found.contains(number) && !known.contains(number))
                .collect();
            checkpoint.receipts_lost.extend(&receipts_lost);
            checkpoint.receipts_lost.sort_unstable();
            if !intact(checkpoint) {
                // A log of the same length with another entry at that place has lost at least one entry.
                erasures_lost =
                    checkpoint.erasure_log.number.saturating_sub(erasures.number).max(1);
                checkpoint.erasures_lost += erasures_lost;
                checkpoint.erasure_log = erasures;
            }
            !receipts_lost.is_empty() || erasures_lost > 0
        })?;
        Ok((receipts_lost, erasures_lost))
    }
}

/// Returns a sentence if the receipt that the checkpoint names is missing or another, unless its loss is
/// accepted.
fn checkpoint_receipt(receipts: &Receipts, checkpoint: &Checkpoint) -> Result<Option<String>> {
    let named = &checkpoint.receipts;
    if named.number == 0 || checkpoint.receipts_lost.contains(&named.number) {
        return Ok(None);
    }
    let files = receipts.files()?;
    let file = files.iter().find(|path| numbers(path).0 == Some(named.number));
    Ok(match file {
        None => Some(format!(
            "receipt {} is missing, which the keyring's checkpoint names: receipts were removed; restore them from a backup, or accept the loss with 'picpick receipt accept --yes'",
            named.number
        )),
        Some(path) if hex::encode(Sha256::digest(read(path)?)) != named.hash => Some(format!(
            "receipt {} is another than the one that the keyring's checkpoint names; restore it from a backup",
            named.number
        )),
        Some(_) => None,
    })
}

/// Returns a sentence for each receipt that is invalid, missing, or does not follow the receipt before it.
fn receipt_faults(
    receipts: &Receipts,
    checkpoint: &Checkpoint,
    key: &PublicKey,
) -> Result<Vec<String>> {
    let (mut findings, mut expected, mut previous) = (Vec::new(), 1, "0".repeat(64));
    for path in receipts.files()? {
        let number = numbers(&path).0.unwrap_or(0);
        let missing: Vec<u64> = (expected..number)
            .filter(|number| !checkpoint.receipts_lost.contains(number))
            .collect();
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            findings.push(format!(
                "{} receipts are missing between {first} and {last}: restore them from a backup, or accept the loss with 'picpick receipt accept --yes'",
                missing.len()
            ));
        }
        let bytes = read(&path)?;
        match Receipt::verify(&bytes, key) {
            Err(error) => findings.push(format!("{}: {error}", path.display())),
            Ok(receipt) if number == expected && receipt.receipt.previous != previous => {
                findings.push(format!(
                    "receipt {number} does not contain the hash of the previous receipt; restore both from a backup"
                ));
            }
            Ok(_) => {}
        }
        expected = number + 1;
        previous = hex::encode(Sha256::digest(&bytes));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Keyring;
    use crate::erasure_log::{ErasedData, PurgeSubject, ReceiptBody, ScanExtent};
    use crate::ids::CollectionId;

    const PHOTOS: ErasedData = ErasedData::Photos(Vec::new());

    fn log() -> (tempfile::TempDir, ErasureLog) {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::create(&folder.path().join("keyring")).unwrap();
        let log = ErasureLog::of(folder.path(), keyring);
        (folder, log)
    }

    fn body(erasure: u64) -> ReceiptBody {
        ReceiptBody {
            format: String::new(),
            number: 0,
            previous: String::new(),
            subject: PurgeSubject::Photos,
            collection: "0".repeat(32),
            key_fingerprint: String::new(),
            erasure,
            photos: Some(1),
            faces: None,
            begun_unix_s: 1,
            key_destroyed_unix_s: None,
            kek_generation_destroyed: None,
            finished_unix_s: 2,
            scanned: ScanExtent { files: 0, bytes: 0, needles: 0 },
            residue: 0,
            backups_expire_unix_s: None,
            public_key: String::new(),
            audit: None,
            key_exports: None,
            not_covered: None,
            details: None,
        }
    }

    fn heads(log: &ErasureLog) -> [u64; 2] {
        let checkpoint = log.keyring.checkpoint().unwrap();
        [checkpoint.erasure_log.number, checkpoint.receipts.number]
    }

    /// A process that is killed between a record and its checkpoint leaves an older checkpoint.
    #[test]
    fn records_written_without_their_checkpoint_are_caught_up() {
        let (_folder, log) = log();
        log.append(CollectionId([1; 16]), PHOTOS, None).unwrap();
        log.issue_receipt(&body(1)).unwrap();
        assert_eq!(heads(&log), [1, 1]);
        let named = log.keyring.checkpoint().unwrap();
        log.ledger.append(&named.erasure_log, CollectionId([2; 16]), PHOTOS, None).unwrap();
        log.receipts.write(body(2), &log.keyring.signer().unwrap(), &named).unwrap();
        assert_eq!(heads(&log), [1, 1]);
        assert_eq!(log.review().unwrap(), [""; 0], "an older checkpoint is normal");
        assert_eq!(log.catch_up().unwrap(), [""; 0]);
        assert_eq!(heads(&log), [2, 2]);
    }

    #[test]
    fn a_cut_is_reported_and_the_checkpoint_is_not_set_back() {
        let (folder, log) = log();
        for erasure in 1..=3 {
            log.append(CollectionId([1; 16]), PHOTOS, None).unwrap();
            log.issue_receipt(&body(erasure)).unwrap();
        }
        std::fs::remove_file(log.receipts.files().unwrap().pop().unwrap()).unwrap();
        for copy in ["keyring/ledger", "ledger"] {
            let path = folder.path().join(copy);
            let text = std::fs::read_to_string(&path).unwrap();
            let kept: String = text.split_inclusive('\n').take(2).collect();
            std::fs::write(path, kept).unwrap();
        }
        assert_eq!(log.catch_up().unwrap().len(), 2);
        assert_eq!(heads(&log), [3, 3]);
        assert_eq!(log.review().unwrap().len(), 2);
        assert!(
            log.erasures().is_err() && log.append(CollectionId([1; 16]), PHOTOS, None).is_err()
        );
        assert_eq!(log.accept_losses().unwrap(), (vec![3], 1));
        assert_eq!(log.review().unwrap(), [""; 0]);
        assert_eq!(log.append(CollectionId([1; 16]), PHOTOS, None).unwrap().number, 3);
        assert_eq!(log.issue_receipt(&body(4)).unwrap().receipt.number, 4);
        assert_eq!(log.review().unwrap(), [""; 0]);
    }
}
