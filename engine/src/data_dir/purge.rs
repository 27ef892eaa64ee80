//! The purge of a collection: destroy the key, remove the files, scan for residue, issue a receipt.
//!
//! Each step is durable before the next one and idempotent. A purge interrupted by a crash is resumed when
//! the data folder is opened the next time.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{CREATING, DataDir, REPLACED, RESTORING};
use crate::clock::unix_now_s;
use crate::crypto::{KeyringEntry, PurgedEntry};
use crate::erasure_log::{
    ErasedData, ErasureDetails, Exclusion, PurgeSubject, Receipt, ReceiptBody, Requester,
    ScanExtent,
};
use crate::error::{Error, Result};
use crate::fs::durable;
use crate::fs::residue_scan::{PatternSet, Scan};
use crate::ids::CollectionId;
use crate::store::{Store, canary};

/// Number of canaries to search for if the store could not be read: 65,536, the canaries of a million photos.
pub(super) const CANARIES_UNKNOWN: u64 = 1 << 16;

impl DataDir {
    /// Purges the collection called `name` permanently, for `requester`, and returns the signed receipt.
    ///
    /// The steps are:
    ///
    /// 1. Opens the store exclusively, which denies access to other processes.
    /// 2. Destroys the collection's key together with a generation of the key-encryption key.
    /// 3. Appends the erasure to the erasure log.
    /// 4. Removes the files.
    /// 5. Scans the data folder and the keyring.
    /// 6. Writes the receipt.
    ///
    /// A full disk does not prevent a purge. After an error in step 3 or later, the key is already destroyed;
    /// the remaining steps run when the data folder is opened the next time.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `InUse`: another process has the collection open.
    /// - `Residue`: the scan found data of the collection; no receipt is written.
    /// - `Keyring`, `Io`, `Damaged`: a step could not be completed.
    pub fn purge(&self, name: &str, requester: Requester) -> Result<Receipt> {
        let entry = match self.entry(name) {
            Ok(entry) => entry,
            Err(error) => return self.purge_damaged(name, error),
        };
        let _lock = durable::lock(&self.purge_lock())?;
        let held = self.open_for_purge(&entry)?;
        let counts = held.as_ref().and_then(counts);
        let receipt = self.purge_by_id(entry.id, counts, Some(requester), || drop(held));
        self.erasure_log.ensure_reserved();
        receipt
    }

    /// Purges a collection whose keyring entry is damaged. The collection's name is lost, so `name` must be
    /// its id. Returns the error `otherwise` for any other name.
    fn purge_damaged(&self, name: &str, otherwise: Error) -> Result<Receipt> {
        let id = name.parse().ok();
        match id.filter(|id| self.erasure_log.keyring.damaged().is_ok_and(|all| all.contains(id))) {
            Some(id) => {
                let _lock = durable::lock(&self.purge_lock())?;
                self.purge_by_id(id, None, Some(Requester::Operator), || ())
            }
            None => Err(otherwise),
        }
    }

    /// Destroys the key, closes the store with `release`, and completes the purge.
    fn purge_by_id(
        &self,
        id: CollectionId,
        counts: Option<(u64, u64, u64)>,
        requester: Option<Requester>,
        release: impl FnOnce(),
    ) -> Result<Receipt> {
        // On a full disk the work runs twice. The first attempt may have destroyed the key and failed
        // afterwards.
        self.erasure_log.retry_with_reserved_space(|| match self.is_purged(id)? {
            true => Ok(()),
            false => self.erasure_log.keyring.destroy_key(id, counts),
        })?;
        release();
        let purged = self.erasure_log.keyring.purged()?;
        let purged = purged.iter().find(|purged| purged.id == id);
        let missing =
            || self.erasure_log.keyring.failed("the purge that was just started is missing");
        self.complete_purge(purged.ok_or_else(missing)?, requester)
    }

    /// Opens the store, so that no other process can open it. Returns `None` if the store is too damaged to
    /// open, because damage must not prevent a purge.
    ///
    /// # Errors
    ///
    /// - `InUse`: another process has the store open.
    fn open_for_purge(&self, entry: &KeyringEntry) -> Result<Option<Store>> {
        match Store::open(&self.path(entry.id), entry.id, super::keys(entry)) {
            Err(error @ Error::InUse { .. }) => Err(error),
            opened => Ok(opened.ok()),
        }
    }

    fn is_purged(&self, id: CollectionId) -> Result<bool> {
        Ok(self.erasure_log.keyring.purged()?.iter().any(|purged| purged.id == id))
    }

    /// Runs the steps that follow the destruction of the key. Each step is idempotent.
    fn complete_purge(
        &self,
        purged: &PurgedEntry,
        requester: Option<Requester>,
    ) -> Result<Receipt> {
        let erasure = self.erasure_log.retry_with_reserved_space(|| {
            self.erasure_log.append(purged.id, ErasedData::Collection, requester)
        })?;
        self.remove_files(purged.id)?;
        let scan = self.scan_data(&canaries(purged)?)?;
        if !scan.found.is_empty() {
            let path = scan.found.first().map_or(self.folder.clone(), |(_, path)| path.clone());
            let (collection, found) = (purged.id.to_string(), scan.found.len());
            return Err(Error::Residue { collection, found, path });
        }
        let backups = self.erasure_log.keyring.backups(purged.id)?;
        let receipt = self.erasure_log.issue_receipt(&ReceiptBody {
            format: String::new(),
            number: 0,
            previous: String::new(),
            subject: PurgeSubject::Collection,
            collection: purged.id.to_string(),
            key_fingerprint: purged.key_fingerprint.clone(),
            erasure: erasure.number,
            photos: purged.photos,
            faces: purged.faces,
            begun_unix_s: purged.begun_unix_s,
            key_destroyed_unix_s: Some(purged.key_destroyed_unix_s),
            kek_generation_destroyed: Some(purged.kek_generation),
            finished_unix_s: unix_now_s(),
            scanned: scan_extent(&scan),
            residue: 0,
            backups_expire_unix_s: backups.iter().map(|note| note.expires_unix_s).max(),
            public_key: String::new(),
            audit: None,
            key_exports: Some(purged.key_exports.clone()),
            not_covered: Some(Exclusion::current()),
            details: Some(ErasureDetails {
                requested_by: erasure.requester,
                templates: None,
                opt_out: false,
            }),
        })?;
        self.erasure_log
            .retry_with_reserved_space(|| self.erasure_log.keyring.complete_purge(purged.id))?;
        Ok(receipt)
    }

    fn remove_files(&self, id: CollectionId) -> Result<()> {
        let path = self.path(id);
        // An interrupted creation or restore may have left folders beside the collection's folder.
        let beside = [CREATING, RESTORING, REPLACED].map(|ending| path.with_extension(ending));
        for path in beside.into_iter().chain([path]) {
            durable::remove_folder(&path)?;
        }
        durable::sync_folder(&self.folder.join("collections"))
    }

    /// Scans the data folder and the keyring.
    ///
    /// # Errors
    ///
    /// - `Io`: a file could not be read.
    fn scan_data(&self, patterns: &PatternSet) -> Result<Scan> {
        let mut scan = patterns.scan_all(&self.folder)?;
        let keyring = self.erasure_log.keyring.folder();
        if !keyring.starts_with(&self.folder) {
            let other = patterns.scan_all(keyring)?;
            (scan.files, scan.bytes) = (scan.files + other.files, scan.bytes + other.bytes);
            scan.found.extend(other.found);
        }
        Ok(scan)
    }

    /// Resumes interrupted purges. Purges collections again that an old copy of the keyring or of the data
    /// folder has restored. Returns one sentence for each action and for a failure. A failed purge is retried
    /// at the next opening, so that the other collections stay usable.
    pub(super) fn resume_purges(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match durable::try_lock(&self.purge_lock()) {
            // Another process is purging.
            Ok(None) => return warnings,
            // The folder is not writable, so nothing can be purged.
            Err(_) => return warnings,
            Ok(Some(_lock)) => {
                if let Err(error) = self.resume_all_purges(&mut warnings) {
                    warnings.push(format!(
                        "a purge could not be completed; correct the cause and open the data folder again: {error}"
                    ));
                }
            }
        }
        warnings
    }

    fn resume_all_purges(&self, warnings: &mut Vec<String>) -> Result<()> {
        self.remove_leftovers()?;
        let ledger = self.erasure_log.erasures()?;
        let purged_before: HashSet<CollectionId> = ledger
            .iter()
            .filter(|erasure| erasure.what == ErasedData::Collection)
            .map(|erasure| erasure.collection)
            .collect();
        if !purged_before.is_empty() {
            for entry in self.erasure_log.keyring.entries()? {
                if purged_before.contains(&entry.id) {
                    self.erasure_log.keyring.destroy_key(entry.id, None)?;
                    let what = "was purged before, but an old copy of the keyring restored its key";
                    warnings.push(format!("collection {} {what}: purged again", entry.id));
                }
            }
        }
        for purged in self.erasure_log.keyring.purged()? {
            if purged.pending {
                self.complete_purge(&purged, None)?;
                warnings.push(format!("the purge of collection {} is completed", purged.id));
            } else if self.path(purged.id).exists() {
                self.remove_files(purged.id)?;
                let what = "was purged before, but an old copy restored its files";
                warnings.push(format!("collection {} {what}: removed", purged.id));
            }
        }
        for id in purged_before {
            if self.path(id).exists() {
                self.remove_files(id)?;
                warnings.push(format!("collection {id} was purged before: its files are removed"));
            }
        }
        Ok(())
    }

    /// Completes or rolls back the interrupted creation or restore of a collection. Does nothing while
    /// another process is creating or restoring a collection.
    fn remove_leftovers(&self) -> Result<()> {
        let Some(_lock) = durable::try_lock(&self.creating_lock())? else { return Ok(()) };
        let folder = self.folder.join("collections");
        let listing =
            std::fs::read_dir(&folder).map_err(|source| Error::io("list", &folder, source))?;
        for found in listing.flatten().map(|entry| entry.path()) {
            let Some(ending) = found.extension().and_then(|ending| ending.to_str()) else {
                continue;
            };
            let whole = found.with_extension("");
            let id = whole.file_name().and_then(|name| name.to_str()?.parse().ok());
            let Some(id) = id.filter(|_| [CREATING, RESTORING, REPLACED].contains(&ending)) else {
                continue;
            };
            let known = || -> Result<bool> {
                Ok(self.erasure_log.keyring.entries()?.iter().any(|entry| entry.id == id))
            };
            if ending != RESTORING && !whole.exists() && known()? {
                self.rename(&found, &whole)?;
            } else {
                durable::remove_folder(&found)?;
            }
        }
        Ok(())
    }

    /// Returns the path of the lock that is held during a purge.
    fn purge_lock(&self) -> PathBuf {
        self.erasure_log.keyring.folder().join("purge.lock")
    }

    /// Returns the path of the lock that is held while a collection is created or restored.
    pub(crate) fn creating_lock(&self) -> PathBuf {
        self.erasure_log.keyring.folder().join("making.lock")
    }
}

/// Returns the numbers of photos, faces and canaries of a store; `None` if a row is damaged.
fn counts(store: &Store) -> Option<(u64, u64, u64)> {
    let (mut photos, mut faces, mut sound) = (0, 0, true);
    let count = |photo: crate::face::Photo| {
        photos += 1;
        faces += photo.faces.len() as u64;
    };
    let scanned = store.scan(count, |_| sound = false);
    (scanned.is_ok() && sound).then_some((photos, faces, store.state().canaries))
}

fn canaries(purged: &PurgedEntry) -> Result<PatternSet> {
    let mut patterns = PatternSet::new();
    let Some(canary_key) = &purged.canary_key else { return Ok(patterns) };
    for number in 0..purged.canaries.unwrap_or(CANARIES_UNKNOWN) {
        patterns.add(&canary::value(canary_key, number)?);
    }
    Ok(patterns)
}

/// Returns the extent of a scan, for a receipt.
pub(crate) fn scan_extent(scan: &Scan) -> ScanExtent {
    let Scan { files, bytes, patterns, .. } = *scan;
    ScanExtent { files, bytes, needles: patterns }
}

/// Scans one folder for `patterns`, and returns the extent of the scan.
///
/// # Errors
///
/// - `Residue`: a file contains a pattern.
/// - `Io`: a file could not be read.
pub(crate) fn check_no_residue(
    patterns: &PatternSet,
    folder: &Path,
    collection: CollectionId,
) -> Result<ScanExtent> {
    let scan = patterns.scan_all(folder)?;
    match scan.found.first() {
        Some((_, path)) => Err(Error::Residue {
            collection: collection.to_string(),
            found: scan.found.len(),
            path: path.clone(),
        }),
        None => Ok(scan_extent(&scan)),
    }
}
