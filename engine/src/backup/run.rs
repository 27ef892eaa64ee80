//! Incremental backup of a collection: uploads the rows that the object store does not have yet, then a
//! manifest.
//!
//! Rows are copied in sealed form; no key leaves the keyring. The backup reads a snapshot, so that another
//! process may add photos to the store during the backup.

use std::collections::{BTreeSet, HashMap};

use super::manifest::{self, ManifestHeader, Row, RowList, SegmentRows};
use super::segment;
use crate::clock::unix_now_s;
use crate::crypto::{BackupRecord, KeyringEntry, Sealer};
use crate::data_dir::DataDir;
use crate::error::Result;
use crate::ids::CollectionId;
use crate::object_store::ObjectStore;
use crate::store::Snapshot;

/// Limits the share of unused rows in the object store: a segment is reused if at least half of its rows are
/// live. The live rows of any other segment are uploaded again. Range: 0 (no row is uploaded again) to 1 (no
/// segment with an unused row is reused).
const LIVE_SHARE_MIN: f64 = 0.5;

/// The result of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    pub name: String,
    pub id: CollectionId,
    /// Rows in this backup.
    pub rows: u64,
    /// Bytes uploaded for this backup.
    pub bytes_written: u64,
    /// Seconds since the Unix epoch.
    pub created_unix_s: u64,
    /// End of the retention time, seconds since the Unix epoch.
    pub expires_unix_s: u64,
    /// Number of expired backups that were removed.
    pub removed: u64,
}

/// A stored backup of a collection: the object name and the header of its manifest.
pub(super) struct StoredBackup {
    pub(super) object: String,
    pub(super) header: ManifestHeader,
}

impl DataDir {
    /// Backs up the collection called `name` to `object_store`, for a retention time of `keep_s` seconds.
    /// Uploads only rows that are new since the last backup in `object_store`. Also removes the collection's
    /// expired backups.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: no collection has this name.
    /// - `Keyring`, `Seal`: the keyring cannot be read or written.
    /// - `ObjectStore`, `Io`, `Store`: the object store or the collection's store failed.
    pub fn back_up(
        &self,
        name: &str,
        object_store: &dyn ObjectStore,
        keep_s: u64,
    ) -> Result<BackupSummary> {
        let entry = self.entry(name)?;
        let created_unix_s = unix_now_s();
        let expires_unix_s = created_unix_s.saturating_add(keep_s);
        // The record is written first (write-ahead), because a receipt must also state the expiry of an
        // interrupted backup.
        self.erasure_log().keyring.record_backup(BackupRecord {
            collection: entry.id.to_string(),
            place: object_store.name(),
            expires_unix_s,
        })?;
        let removed = remove_expired(object_store, entry.id, created_unix_s)?;
        let sealer = sealer(&entry)?;
        let mut writer = BackupWriter::for_store(object_store, entry.id, &sealer)?;
        self.snapshot(&entry)?.rows(|key, value| writer.add(key, value))?;
        let (rows, bytes) = writer.finish(&sealer, created_unix_s, expires_unix_s)?;
        Ok(BackupSummary {
            name: name.to_owned(),
            id: entry.id,
            rows,
            bytes_written: bytes,
            created_unix_s,
            expires_unix_s,
            removed,
        })
    }

    fn snapshot(&self, entry: &KeyringEntry) -> Result<Snapshot> {
        let scratch = self.path_of_data().join(format!("reading.{}", CollectionId::random()?));
        Snapshot::take(&self.path(entry.id), &scratch)
    }
}

/// Returns the sealer for the manifests of a collection.
pub(super) fn sealer(entry: &KeyringEntry) -> Result<Sealer> {
    Ok(Sealer::new(entry.data_key.derive("picpick backup")?))
}

/// A writer that collects rows into segments.
struct BackupWriter<'a> {
    place: &'a dyn ObjectStore,
    id: CollectionId,
    /// Rows in reusable segments, by key: index of the segment in `old`, index in the segment, and tag of the
    /// row's version.
    known: HashMap<Vec<u8>, (usize, usize, Vec<u8>)>,
    old: Vec<(String, SegmentRows)>,
    new: Vec<(String, SegmentRows)>,
    open: Vec<u8>,
    open_rows: SegmentRows,
    rows: u64,
    bytes: u64,
}

impl<'a> BackupWriter<'a> {
    /// Makes a writer that reuses the segments of the newest backup of `id` in `object_store`. Reuses none if
    /// there is no such backup or its manifest cannot be decrypted.
    fn for_store(
        object_store: &'a dyn ObjectStore,
        id: CollectionId,
        sealer: &Sealer,
    ) -> Result<Self> {
        let (mut old, mut known) = (Vec::new(), HashMap::new());
        if let Some(newest) = backups_of(object_store, id)?.pop()
            && let Some(bytes) = object_store.get(&newest.object)?
            && let Ok((header, rows)) = manifest::open(&bytes, sealer, &newest.object)
        {
            old = header.segments.into_iter().zip(rows.segments).collect();
        }
        for (s, (_, segment)) in old.iter_mut().enumerate() {
            let live = segment.rows.iter().filter(|row| row.live).count() as f64;
            let worth = live >= LIVE_SHARE_MIN * segment.rows.len() as f64;
            for (r, row) in segment.rows.iter_mut().enumerate() {
                if row.live && worth {
                    known.insert(row.key.clone(), (s, r, row.tag.clone()));
                }
                row.live = false;
            }
        }
        Ok(Self {
            place: object_store,
            id,
            known,
            old,
            new: Vec::new(),
            open: Vec::new(),
            open_rows: SegmentRows::default(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row: marks the row live if a reused segment contains this version, else appends it to the open
    /// segment.
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.rows += 1;
        let tag = segment::tag(value);
        if let Some((s, r, _)) = self.known.get(key).filter(|(.., known)| *known == tag)
            && let Some(row) =
                self.old.get_mut(*s).and_then(|(_, segment)| segment.rows.get_mut(*r))
        {
            row.live = true;
            return Ok(());
        }
        segment::push(&mut self.open, key, value);
        self.open_rows.rows.push(Row { key: key.to_vec(), tag, live: true });
        if self.open.len() >= segment::SEGMENT_BYTES { self.close() } else { Ok(()) }
    }

    /// Uploads the open segment.
    fn close(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.open);
        let name = segment::name(&bytes);
        self.place.put(&segment_object(self.id, &name), &bytes)?;
        self.bytes += bytes.len() as u64;
        self.new.push((name, std::mem::take(&mut self.open_rows)));
        Ok(())
    }

    /// Uploads the manifest, which completes the backup. Returns the number of rows in the backup and the
    /// number of bytes uploaded.
    fn finish(mut self, sealer: &Sealer, created: u64, expires: u64) -> Result<(u64, u64)> {
        self.close()?;
        let mut segments = self.old;
        segments.retain(|(_, segment)| segment.rows.iter().any(|row| row.live));
        segments.append(&mut self.new);
        let (names, rows) = segments.into_iter().unzip();
        let header = ManifestHeader::new(self.id, created, expires, names);
        let bytes = manifest::seal(&header, &RowList { segments: rows }, sealer)?;
        // The number in the name keeps two backups within one second from replacing each other.
        let number = backups_of(self.place, self.id)?.len();
        let object = format!("{}/manifests/{created:012}-{number:06}", self.id);
        self.place.put(&object, &bytes)?;
        Ok((self.rows, self.bytes + bytes.len() as u64))
    }
}

pub(super) fn segment_object(id: CollectionId, name: &str) -> String {
    format!("{id}/segments/{name}")
}

/// Lists the backups of a collection, oldest first. Omits objects that do not parse as a manifest.
pub(super) fn backups_of(
    object_store: &dyn ObjectStore,
    id: CollectionId,
) -> Result<Vec<StoredBackup>> {
    let mut all = Vec::new();
    for object in object_store.list(&format!("{id}/manifests/"))? {
        let Some(bytes) = object_store.get(&object.name)? else { continue };
        if let Some(header) =
            ManifestHeader::read(&bytes).filter(|h| h.collection == id.to_string())
        {
            all.push(StoredBackup { object: object.name, header });
        }
    }
    Ok(all)
}

/// Removes the expired backups of a collection, and their segments that no other backup needs. Returns the
/// number of removed backups.
pub(super) fn remove_expired(
    object_store: &dyn ObjectStore,
    id: CollectionId,
    now: u64,
) -> Result<u64> {
    let (expired, kept): (Vec<StoredBackup>, Vec<StoredBackup>) = backups_of(object_store, id)?
        .into_iter()
        .partition(|stored| stored.header.expires_unix_s <= now);
    if expired.is_empty() {
        return Ok(0);
    }
    // Manifests are deleted first, because a backup must never refer to a deleted segment.
    for stored in &expired {
        object_store.delete(&stored.object)?;
    }
    let needed: BTreeSet<String> =
        kept.iter().flat_map(|stored| stored.header.segments.iter().cloned()).collect();
    for stored in &expired {
        for name in stored.header.segments.iter().filter(|name| !needed.contains(*name)) {
            object_store.delete(&segment_object(id, name))?;
        }
    }
    Ok(expired.len() as u64)
}
