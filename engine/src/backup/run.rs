//! Backing a collection up: the rows that the place does not have yet, then a manifest.
//!
//! Rows go as they are, sealed; no key ever leaves the keyring. Reads a moment of the store while
//! another process may be adding to it. Knows nothing of what rows mean.

use std::collections::{BTreeSet, HashMap};

use super::manifest::{self, Header, Row, Rows, SegmentRows};
use super::segment;
use crate::clock::unix_now_s;
use crate::crypto::{BackupNote, Entry, Sealer};
use crate::data::DataFolder;
use crate::error::Result;
use crate::ids::CollectionId;
use crate::place::Place;
use crate::store::Snapshot;

/// A segment of which less than this share is still needed is written anew with the rest.
const LIVE_SHARE_MIN: f64 = 0.5;

/// What a backup did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    pub name: String,
    pub id: CollectionId,
    /// Rows in this backup, and bytes that had to be written for it.
    pub rows: u64,
    pub bytes_written: u64,
    pub created_unix_s: u64,
    pub expires_unix_s: u64,
    /// Backups that had expired and were removed.
    pub removed: u64,
}

/// One backup of a collection, without its rows.
pub(super) struct Known {
    pub(super) object: String,
    pub(super) header: Header,
}

impl DataFolder {
    /// Backs the collection called `name` up into `place`, to be kept for `keep_s` seconds. Costs what
    /// is new since the last backup there. Also removes that collection's expired backups.
    pub fn back_up(&self, name: &str, place: &dyn Place, keep_s: u64) -> Result<BackedUp> {
        let entry = self.entry(name)?;
        let created_unix_s = unix_now_s();
        let expires_unix_s = created_unix_s.saturating_add(keep_s);
        // Noted first: a receipt must name a backup even when it is cut short.
        self.books().keyring.note_backup(BackupNote {
            collection: entry.id.to_string(),
            place: place.name(),
            expires_unix_s,
        })?;
        let removed = remove_expired(place, entry.id, created_unix_s)?;
        let sealer = sealer(&entry)?;
        let mut writer = Writer::over(place, entry.id, &sealer)?;
        self.snapshot(&entry)?.rows(|key, value| writer.add(key, value))?;
        let (rows, bytes) = writer.finish(&sealer, created_unix_s, expires_unix_s)?;
        Ok(BackedUp {
            name: name.to_owned(),
            id: entry.id,
            rows,
            bytes_written: bytes,
            created_unix_s,
            expires_unix_s,
            removed,
        })
    }

    fn snapshot(&self, entry: &Entry) -> Result<Snapshot> {
        let scratch = self.path_of_data().join(format!("reading.{}", CollectionId::random()?));
        Snapshot::take(&self.path(entry.id), &scratch)
    }
}

/// Seals the manifests of a collection.
pub(super) fn sealer(entry: &Entry) -> Result<Sealer> {
    Ok(Sealer::new(entry.data_key.derive("picpick backup")?))
}

/// Collects rows into segments.
struct Writer<'a> {
    place: &'a dyn Place,
    id: CollectionId,
    /// Rows that the place has: where, and which version.
    known: HashMap<Vec<u8>, (usize, usize, Vec<u8>)>,
    old: Vec<(String, SegmentRows)>,
    new: Vec<(String, SegmentRows)>,
    open: Vec<u8>,
    open_rows: SegmentRows,
    rows: u64,
    bytes: u64,
}

impl<'a> Writer<'a> {
    /// Begins on top of the newest backup of `id` in `place` that reads.
    fn over(place: &'a dyn Place, id: CollectionId, sealer: &Sealer) -> Result<Self> {
        let (mut old, mut known) = (Vec::new(), HashMap::new());
        if let Some(newest) = backups_of(place, id)?.pop()
            && let Some(bytes) = place.get(&newest.object)?
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
            place,
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

    /// Writes the manifest, which makes it a backup; its rows, and all bytes written.
    fn finish(mut self, sealer: &Sealer, created: u64, expires: u64) -> Result<(u64, u64)> {
        self.close()?;
        let mut segments = self.old;
        segments.retain(|(_, segment)| segment.rows.iter().any(|row| row.live));
        segments.append(&mut self.new);
        let (names, rows) = segments.into_iter().unzip();
        let header = Header::new(self.id, created, expires, names);
        let bytes = manifest::seal(&header, &Rows { segments: rows }, sealer)?;
        // Two backups within a second must not replace one another.
        let number = backups_of(self.place, self.id)?.len();
        let object = format!("{}/manifests/{created:012}-{number:06}", self.id);
        self.place.put(&object, &bytes)?;
        Ok((self.rows, self.bytes + bytes.len() as u64))
    }
}

pub(super) fn segment_object(id: CollectionId, name: &str) -> String {
    format!("{id}/segments/{name}")
}

/// The backups of a collection, oldest first; what does not read as one is left out.
pub(super) fn backups_of(place: &dyn Place, id: CollectionId) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    for object in place.list(&format!("{id}/manifests/"))? {
        let Some(bytes) = place.get(&object.name)? else { continue };
        if let Some(header) = Header::read(&bytes).filter(|h| h.collection == id.to_string()) {
            all.push(Known { object: object.name, header });
        }
    }
    Ok(all)
}

/// Removes the expired backups of a collection and the segments that no other needs; their number.
pub(super) fn remove_expired(place: &dyn Place, id: CollectionId, now: u64) -> Result<u64> {
    let (expired, kept): (Vec<Known>, Vec<Known>) =
        backups_of(place, id)?.into_iter().partition(|known| known.header.expires_unix_s <= now);
    if expired.is_empty() {
        return Ok(0);
    }
    // Manifests first: a backup must never name a segment that is gone.
    for known in &expired {
        place.delete(&known.object)?;
    }
    let needed: BTreeSet<String> =
        kept.iter().flat_map(|known| known.header.segments.iter().cloned()).collect();
    for known in &expired {
        for name in known.header.segments.iter().filter(|name| !needed.contains(*name)) {
            place.delete(&segment_object(id, name))?;
        }
    }
    Ok(expired.len() as u64)
}
