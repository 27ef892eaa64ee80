//! A key-value store over RocksDB. A write is durable when `write` returns.
//!
//! The options ensure that `rewrite` removes deleted bytes from the files: RocksDB neither recycles nor
//! archives logs. `tests.rs` verifies the removal.

use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};

use parking_lot::{RwLock, RwLockReadGuard};

use super::keys::Key;
use crate::error::{Error, Result};
use crate::fs::durable;
use crate::fs::reserved_space;

/// One change of an atomic batch.
pub(super) enum RowChange {
    Put(Key, Vec<u8>),
    Delete(Key),
}

/// Limits the attempts to open a database for reading to 5. The process that has it open for writing may
/// remove files during an attempt.
const READING_ATTEMPTS: u32 = 5;

type RocksResult<T> = std::result::Result<T, rocksdb::Error>;

pub(super) struct Rocks {
    db: RwLock<DbState>,
    folder: PathBuf,
}

enum DbState {
    Writing(DB),
    /// The database is open for reading only, because opening it for writing failed, for instance on a full
    /// disk. The next write tries to open it for writing.
    Reading(DB),
    /// The database is closed, because opening it failed even for reading. Holds the reason.
    Closed(String),
}

impl Rocks {
    /// Creates a new database.
    ///
    /// # Errors
    ///
    /// - `Io`: the folder exists or cannot be created.
    /// - `Store`: RocksDB cannot create the database.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        if let Some(parent) = folder.parent() {
            durable::make_folder(parent, true)?;
        }
        // The folder is created here, because RocksDB's own error message does not tell an operator what
        // failed.
        std::fs::create_dir(folder).map_err(|source| Error::io("create folder", folder, source))?;
        let mut options = options();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        let rocks = Self::with(&options, folder)?;
        if let Some(parent) = folder.parent() {
            durable::sync_folder(parent)?;
        }
        Ok(rocks)
    }

    /// Opens an existing database for writing, or for reading only if the disk is full.
    ///
    /// # Errors
    ///
    /// - `InUse`: another process has the database open.
    /// - `Store`, `Io`: the files are missing, damaged or unreadable.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if !folder.join("CURRENT").exists() {
            let reason = "its files are missing; restore a backup".into();
            return Err(Error::Store { collection: folder.display().to_string(), reason });
        }
        match Self::with(&options(), folder) {
            // On a full disk, reads still work, and the next write returns the error of the full disk.
            Err(full) if reserved_space::is_full(&full) => {
                let db = DB::open_for_read_only(&options(), folder, false).map_err(|_| full)?;
                Ok(Self::of(DbState::Reading(db), folder))
            }
            opened => opened,
        }
    }

    fn of(state: DbState, folder: &Path) -> Self {
        Self { db: RwLock::new(state), folder: folder.to_path_buf() }
    }

    /// Returns whether the database is open for reading only.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(*self.state(), DbState::Reading(_))
    }

    fn state(&self) -> RwLockReadGuard<'_, DbState> {
        self.db.read()
    }

    /// Opens the current state of a database for reading, also while another process has the database open
    /// for writing (RocksDB's "secondary instance"). RocksDB writes its log files to the folder `scratch`.
    /// Rows that the other process deletes afterwards stay readable.
    ///
    /// # Errors
    ///
    /// - `Store`, `Io`: the files are missing, damaged or unreadable.
    pub(super) fn open_reading(folder: &Path, scratch: &Path) -> Result<Self> {
        if !folder.join("CURRENT").exists() {
            let reason = "its files are missing; restore a backup".into();
            return Err(Error::Store { collection: folder.display().to_string(), reason });
        }
        let mut options = options();
        // All files are opened at once. Otherwise the other process could remove a file before it is opened.
        options.set_max_open_files(-1);
        let mut opened = DB::open_as_secondary(&options, folder, scratch);
        for _ in 1..READING_ATTEMPTS {
            if opened.is_ok() {
                break;
            }
            // Race: the other process removed a file after RocksDB had read the list of files. A retry reads
            // a new list.
            opened = DB::open_as_secondary(&options, folder, scratch);
        }
        let db = opened.map_err(|error| failed(folder, &error))?;
        db.try_catch_up_with_primary().map_err(|error| failed(folder, &error))?;
        Ok(Self::of(DbState::Reading(db), folder))
    }

    fn with(options: &Options, folder: &Path) -> Result<Self> {
        let db = DB::open(options, folder).map_err(|error| failed(folder, &error))?;
        Ok(Self::of(DbState::Writing(db), folder))
    }

    fn with_db<T>(&self, work: impl FnOnce(&DB) -> RocksResult<T>) -> Result<T> {
        match &*self.state() {
            DbState::Writing(db) | DbState::Reading(db) => {
                work(db).map_err(|error| failed(&self.folder, &error))
            }
            DbState::Closed(why) => Err(Error::Store {
                collection: self.folder.display().to_string(),
                reason: format!(
                    "it was closed after an error; correct the cause and try again: {why}"
                ),
            }),
        }
    }

    /// Applies all changes atomically. Returns after the write-ahead log is fsynced.
    pub(super) fn write(&self, changes: &[RowChange]) -> Result<()> {
        self.ensure_writable()?;
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                RowChange::Put(key, value) => batch.put(key, value),
                RowChange::Delete(key) => batch.delete(key),
            }
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.with_db(|db| db.write_opt(batch, &synced))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with_db(|db| db.get(key))
    }

    /// Calls `take` with every row of `range`, in key order.
    pub(super) fn scan(
        &self,
        range: ([u8; 1], [u8; 1]),
        mut take: impl FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_upper_bound(range.1);
        bounds.fill_cache(false);
        self.with_db(|db| {
            for row in db.iterator_opt(IteratorMode::From(&range.0, Direction::Forward), bounds) {
                let (key, value) = row?;
                take(&key, &value);
            }
            Ok(())
        })
    }

    /// Flushes, compacts all data to the last level, and reopens the database. Afterwards no file contains
    /// deleted or replaced bytes. The reopening starts a new log and a new MANIFEST, because the old MANIFEST
    /// lists the first and last keys of removed files.
    pub(super) fn rewrite(&self) -> Result<()> {
        self.ensure_writable()?;
        let mut force = CompactOptions::default();
        force.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        self.with_db(|db| {
            db.flush()?;
            db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &force);
            // The error of a failed background compaction is returned here.
            db.flush()
        })?;
        self.reopen()
    }

    fn ensure_writable(&self) -> Result<()> {
        let writing = matches!(*self.state(), DbState::Writing(_));
        if writing { Ok(()) } else { self.reopen() }
    }

    /// Closes the database and opens it again for writing. After an error, for instance on a full disk, opens
    /// the database for reading only, if possible, and returns the error.
    fn reopen(&self) -> Result<()> {
        let mut state = self.db.write();
        // The old handle must be closed before the new one is opened, because both need RocksDB's lock file.
        *state = DbState::Closed("it is being reopened".into());
        let error = match DB::open(&options(), &self.folder) {
            Ok(db) => {
                *state = DbState::Writing(db);
                return Ok(());
            }
            Err(error) => failed(&self.folder, &error),
        };
        *state = match DB::open_for_read_only(&options(), &self.folder, false) {
            Ok(db) => DbState::Reading(db),
            Err(second) => DbState::Closed(format!("{error}; {second}")),
        };
        Err(error)
    }
}

fn full(folder: &Path) -> Error {
    Error::io("write to", folder, std::io::ErrorKind::StorageFull.into())
}

fn options() -> Options {
    let mut options = Options::default();
    // Sealed bytes do not compress.
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(2);
    options.set_recycle_log_file_num(0);
    options.set_wal_ttl_seconds(0);
    options.set_wal_size_limit_mb(0);
    options.set_max_total_wal_size(32 << 20);
    options.set_max_open_files(128);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_paranoid_checks(true);
    // A crash can leave an incomplete last record, whose write never returned. Damage before the last record
    // must be an error. In its default mode, RocksDB would silently drop all records after the damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options
}

fn failed(folder: &Path, error: &rocksdb::Error) -> Error {
    let reason = error.to_string();
    if reason.contains("lock hold by current process") || reason.contains("While lock file") {
        return Error::InUse { path: folder.to_path_buf() };
    }
    if reason.contains("Read-only file system") {
        return Error::io("write to", folder, std::io::ErrorKind::ReadOnlyFilesystem.into());
    }
    if reason.contains("No space left on device") {
        return full(folder);
    }
    Error::Store { collection: folder.display().to_string(), reason }
}
