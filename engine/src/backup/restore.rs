//! Restoring a collection from a backup. Every row is authenticated before the restored collection is used.
//!
//! A restore needs the collection's key in the keyring, so a purged collection cannot be restored. Later
//! erasures in the erasure log are applied when the restored collection is opened.

use super::manifest::{self, ManifestHeader, RowList};
use super::run::{backups_of, remove_expired, sealer, segment_object};
use super::segment;
use crate::clock::unix_now_s;
use crate::data_dir::{DataDir, REPLACED, RESTORING};
use crate::error::{Error, Result};
use crate::fs::durable;
use crate::ids::CollectionId;
use crate::object_store::ObjectStore;
use crate::store::{Store, StoreKeys};

/// A backup as listed in its object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub collection: CollectionId,
    /// `None` if this keyring has no key for the collection, which was purged or belongs to another studio.
    pub name: Option<String>,
    /// Seconds since the Unix epoch.
    pub created_unix_s: u64,
    /// End of the retention time, seconds since the Unix epoch.
    pub expires_unix_s: u64,
}

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreSummary {
    pub name: String,
    pub id: CollectionId,
    pub photos: u64,
    pub faces: u64,
    /// Creation time of the backup, seconds since the Unix epoch.
    pub created_unix_s: u64,
}

impl DataDir {
    /// Lists all backups in `object_store`, oldest first.
    ///
    /// # Errors
    ///
    /// - `ObjectStore`, `Io`: the object store cannot be read.
    /// - `Keyring`, `Seal`: the keyring cannot be read, or does not decrypt its signing key.
    pub fn backups_in(&self, object_store: &dyn ObjectStore) -> Result<Vec<Backup>> {
        let entries = self.erasure_log().keyring.entries()?;
        let mut ids: Vec<CollectionId> = Vec::new();
        for object in object_store.list("")? {
            let id = object.name.split('/').next().and_then(|id| id.parse().ok());
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        let mut all = Vec::new();
        for collection in ids {
            let entry = entries.iter().find(|entry| entry.id == collection);
            for stored in backups_of(object_store, collection)? {
                all.push(Backup {
                    collection,
                    name: entry.map(|entry| entry.metadata.name.clone()),
                    created_unix_s: stored.header.created_unix_s,
                    expires_unix_s: stored.header.expires_unix_s,
                });
            }
        }
        all.sort_by_key(|backup| (backup.created_unix_s, backup.collection));
        Ok(all)
    }

    /// Removes all expired backups of every collection in `object_store` and returns their number. The
    /// removal needs no collection's key.
    ///
    /// # Errors
    ///
    /// - `ObjectStore`, `Io`: the object store cannot be read, or an object cannot be deleted.
    /// - `Keyring`, `Seal`: the keyring cannot be read, or does not decrypt its signing key.
    pub fn remove_expired_backups(&self, object_store: &dyn ObjectStore) -> Result<u64> {
        let mut ids: Vec<CollectionId> =
            self.backups_in(object_store)?.iter().map(|backup| backup.collection).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(|id| remove_expired(object_store, *id, unix_now_s())).sum()
    }

    /// Restores the collection called `name` from its newest backup in `object_store`. `until_unix_s` limits
    /// the choice to backups created at or before that time. `replace` allows the restore to replace an
    /// existing collection, which stays in place until the restored collection is complete and verified.
    ///
    /// # Errors
    ///
    /// - `NoCollection`: the keyring has no key for the collection.
    /// - `NoBackup`: no backup matches `until_unix_s`, or all have expired.
    /// - `Exists`: the collection's files exist and `replace` is false.
    /// - `InUse`: another process has the collection open.
    /// - `Damaged`, `Seal`: the backup is incomplete, or its bytes were changed.
    /// - `ObjectStore`, `Io`, `Store`: the object store or the data folder failed.
    pub fn restore(
        &self,
        name: &str,
        object_store: &dyn ObjectStore,
        until_unix_s: Option<u64>,
        replace: bool,
    ) -> Result<RestoreSummary> {
        let entry = self.entry(name)?;
        let _lock = durable::lock(&self.creating_lock())?;
        let (path, now) = (self.path(entry.id), unix_now_s());
        let keys = StoreKeys { data: &entry.data_key, canary: &entry.canary_key };
        let held = match Store::open(&path, entry.id, keys) {
            Err(error @ Error::InUse { .. }) => return Err(error),
            // The operator may need existing files even if they are damaged.
            _ if !replace && path.exists() => {
                return Err(Error::Exists { name: name.to_owned() });
            }
            held => held.ok(),
        };
        let fits = |created: u64| until_unix_s.is_none_or(|until| created <= until);
        let mut backups = backups_of(object_store, entry.id)?;
        let none = |reason: &str| Error::NoBackup {
            name: name.to_owned(),
            place: object_store.name(),
            reason: reason.to_owned(),
        };
        backups.retain(|stored| fits(stored.header.created_unix_s));
        if backups.is_empty() {
            return Err(none("there is none"));
        }
        backups.retain(|stored| stored.header.expires_unix_s > now);
        let newest = backups.pop().ok_or_else(|| none("all have expired"))?;
        let bytes = object_store
            .get(&newest.object)?
            .ok_or_else(|| none("the newest one was removed; try again"))?;
        let (header, rows) = manifest::open(&bytes, &sealer(&entry)?, &newest.object)?;

        let fresh = path.with_extension(RESTORING);
        durable::remove_folder(&fresh)?;
        let store = Store::create(&fresh, entry.id, keys)?;
        fill(&store, object_store, entry.id, &header, &rows)?;
        // Faces that were hidden after the backup stay hidden, and faces that were shown again stay shown.
        if let Some(current) = &held {
            store.copy_suppressions(current)?;
        }
        drop(store);
        // The store is opened again to read the restored state and canaries. `count` fails if a row is
        // damaged.
        let (photos, faces) = count(&Store::open(&fresh, entry.id, keys)?)?;
        drop(held);
        self.swap(&path, &fresh)?;
        Ok(RestoreSummary {
            name: name.to_owned(),
            id: entry.id,
            photos,
            faces,
            created_unix_s: header.created_unix_s,
        })
    }

    /// Replaces the folder `path` with `fresh`. After an interruption between the two renames, the next
    /// opening of the data folder restores the old folder.
    fn swap(&self, path: &std::path::Path, fresh: &std::path::Path) -> Result<()> {
        let old = path.with_extension(REPLACED);
        durable::remove_folder(&old)?;
        let rename = |from: &std::path::Path, to: &std::path::Path| {
            std::fs::rename(from, to).map_err(|source| Error::io("rename", from, source))
        };
        if path.exists() {
            rename(path, &old)?;
        }
        rename(fresh, path)?;
        durable::sync_folder(&self.path_of_data().join("collections"))?;
        durable::remove_folder(&old)?;
        durable::sync_folder(&self.path_of_data().join("collections"))
    }
}

/// Imports the live rows of a backup into an empty store.
///
/// # Errors
///
/// - `Damaged`: a segment is missing, damaged, or does not match the manifest.
/// - `ObjectStore`, `Io`, `Store`: the object store cannot be read, or the store cannot be written.
fn fill(
    store: &Store,
    object_store: &dyn ObjectStore,
    id: CollectionId,
    header: &ManifestHeader,
    rows: &RowList,
) -> Result<()> {
    for (name, wanted) in header.segments.iter().zip(&rows.segments) {
        let missing = || Error::Damaged {
            what: format!("the backup in {}", object_store.name()),
            reason: format!("segment {name} is missing"),
        };
        let bytes = object_store.get(&segment_object(id, name))?.ok_or_else(missing)?;
        let found = segment::rows(&bytes, name)?.into_iter().zip(&wanted.rows);
        let live = found.filter(|((key, value), row)| {
            row.live && row.key == key && row.tag == segment::tag(value)
        });
        let live: Vec<_> = live.map(|(row, _)| row).collect();
        if live.len() != wanted.rows.iter().filter(|row| row.live).count() {
            return Err(Error::Damaged {
                what: format!("segment {name} of the backup"),
                reason: "its rows do not match the manifest".into(),
            });
        }
        store.import_rows(live)?;
    }
    Ok(())
}

/// Returns the numbers of photos and faces of a store.
///
/// # Errors
///
/// - `Seal`, `Damaged`: a row is damaged.
/// - `Store`: the store cannot be read.
fn count(store: &Store) -> Result<(u64, u64)> {
    let (mut photos, mut faces, mut damaged) = (0, 0, None);
    store.scan(
        |photo| {
            photos += 1;
            faces += photo.faces.len() as u64;
        },
        |error| damaged = Some(error),
    )?;
    damaged.map_or(Ok((photos, faces)), Err)
}
