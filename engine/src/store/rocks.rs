//! RocksDB: bytes under keys, durable when `write` returns. The only user of `rocksdb`.
//!
//! Options follow the measured facts on deletion: no log recycling, no archived logs, no snapshots
//! kept. Knows nothing of what the bytes mean.

use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::keys::Key;
use crate::error::{Error, Result};
use crate::files;
use crate::reserve;

/// One change of an atomic batch.
pub(super) enum Change {
    Put(Key, Vec<u8>),
    Delete(Key),
}

/// How often a database that changes under the reader is tried.
const READING_ATTEMPTS: u32 = 5;

type RocksResult<T> = std::result::Result<T, rocksdb::Error>;

pub(super) struct Rocks {
    db: RwLock<State>,
    folder: PathBuf,
}

enum State {
    Writing(DB),
    /// Opening for writing met an error, for instance a full disk; the next write tries again.
    Reading(DB),
    /// Not even reading could be opened; why.
    Closed(String),
}

impl Rocks {
    /// Makes a new database; an existing folder is an error.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        if let Some(parent) = folder.parent() {
            files::make_folder(parent, true)?;
        }
        // Made here, not by RocksDB, whose message for a folder that cannot be made is for programmers.
        std::fs::create_dir(folder).map_err(|source| Error::io("create folder", folder, source))?;
        let mut options = options();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        let rocks = Self::with(&options, folder)?;
        if let Some(parent) = folder.parent() {
            files::sync_folder(parent)?;
        }
        Ok(rocks)
    }

    /// Opens an existing database.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if !folder.join("CURRENT").exists() {
            let reason = "its files are missing".into();
            return Err(Error::Store { collection: folder.display().to_string(), reason });
        }
        match Self::with(&options(), folder) {
            // Reads go on when the disk is full; a write says then that it is.
            Err(full) if reserve::is_full(&full) => {
                let db = DB::open_for_read_only(&options(), folder, false).map_err(|_| full)?;
                Ok(Self::of(State::Reading(db), folder))
            }
            opened => opened,
        }
    }

    fn of(state: State, folder: &Path) -> Self {
        Self { db: RwLock::new(state), folder: folder.to_path_buf() }
    }

    /// Whether nothing can be written, because the disk is full.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(*self.state(), State::Reading(_))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a database for reading beside whoever has it open ("secondary instance"), as it is now;
    /// `scratch` is a folder of its own for notes. What the owner deletes meanwhile stays readable.
    pub(super) fn open_reading(folder: &Path, scratch: &Path) -> Result<Self> {
        if !folder.join("CURRENT").exists() {
            let reason = "its files are missing".into();
            return Err(Error::Store { collection: folder.display().to_string(), reason });
        }
        let mut options = options();
        // Files are held open from the start, or the owner could remove one before it is read.
        options.set_max_open_files(-1);
        let mut opened = DB::open_as_secondary(&options, folder, scratch);
        for _ in 1..READING_ATTEMPTS {
            if opened.is_ok() {
                break;
            }
            // The owner removed a file between the list and the opening: the next list is another.
            opened = DB::open_as_secondary(&options, folder, scratch);
        }
        let db = opened.map_err(|error| failed(folder, &error))?;
        db.try_catch_up_with_primary().map_err(|error| failed(folder, &error))?;
        Ok(Self::of(State::Reading(db), folder))
    }

    fn with(options: &Options, folder: &Path) -> Result<Self> {
        let db = DB::open(options, folder).map_err(|error| failed(folder, &error))?;
        Ok(Self::of(State::Writing(db), folder))
    }

    fn with_db<T>(&self, work: impl FnOnce(&DB) -> RocksResult<T>) -> Result<T> {
        match &*self.state() {
            State::Writing(db) | State::Reading(db) => {
                work(db).map_err(|error| failed(&self.folder, &error))
            }
            State::Closed(why) => Err(Error::Store {
                collection: self.folder.display().to_string(),
                reason: format!("it was closed by an earlier error: {why}"),
            }),
        }
    }

    /// Applies all changes or none; returns once the log is fsynced.
    pub(super) fn write(&self, changes: &[Change]) -> Result<()> {
        self.be_writing()?;
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.put(key, value),
                Change::Delete(key) => batch.delete(key),
            }
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.with_db(|db| db.write_opt(batch, &synced))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with_db(|db| db.get(key))
    }

    /// Every row of `range`, in key order.
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

    /// Flushes, compacts everything down to the last level, and opens the database anew: what was
    /// deleted or replaced is in no file afterwards. Reopening begins a new MANIFEST, which else keeps
    /// the first and last keys of files that are gone, and a new log.
    pub(super) fn rewrite(&self) -> Result<()> {
        self.be_writing()?;
        let mut force = CompactOptions::default();
        force.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        self.with_db(|db| {
            db.flush()?;
            db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &force);
            // A compaction that failed in the background says so here.
            db.flush()
        })?;
        self.reopen()
    }

    fn be_writing(&self) -> Result<()> {
        let writing = matches!(*self.state(), State::Writing(_));
        if writing { Ok(()) } else { self.reopen() }
    }

    /// Closes the database and opens it anew; on a full or broken disk for reading at least.
    fn reopen(&self) -> Result<()> {
        let mut state = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // One must be closed before the other is opened: they share a lock.
        *state = State::Closed("it is being opened anew".into());
        let error = match DB::open(&options(), &self.folder) {
            Ok(db) => {
                *state = State::Writing(db);
                return Ok(());
            }
            Err(error) => failed(&self.folder, &error),
        };
        *state = match DB::open_for_read_only(&options(), &self.folder, false) {
            Ok(db) => State::Reading(db),
            Err(second) => State::Closed(format!("{error}; {second}")),
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
    // A torn last record is a crash and was never acknowledged; damage before it is an error, where the
    // default would open without what follows and say nothing.
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
