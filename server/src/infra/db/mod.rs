//! The SQL database of business data: SQLite in the data folder, or PostgreSQL shared by several servers. The
//! same statements run on both. Face data is never stored here.

pub mod analysis;
pub mod consents;
pub mod erasures;
pub mod events;
pub mod folders;
pub mod guests;
pub mod jobs;
pub mod limits;
pub mod memberships;
pub mod migrations;
pub mod pagination;
pub mod photos;
pub mod privacy_requests;
pub mod stored_choice;
pub mod studios;
mod transaction;
pub mod users;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use picpick_engine::audit::ChainKey;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Executor as _, Row as _};

use crate::infra::admission::{AdmissionControl, current_tenant};

pub use pagination::{BY_CREATION, BoundValue, Page, PageQuery, Paging};
pub use transaction::{Tx, along};

/// Maximum number of connections of the pool.
const CONNECTIONS_MAX: u32 = 8;
/// Maximum wait for a connection, 10 s; afterwards the request fails with `Busy`.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);
/// Settings of SQLite connections. WAL lets readers run beside the writer. `synchronous = FULL` makes a
/// commit durable, because an acknowledged upload must survive a power cut. `secure_delete` overwrites
/// deleted data.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON;";

/// Limits the attempts to truncate SQLite's log to 5; a short reader may prevent one.
const CHECKPOINT_ATTEMPTS: u32 = 5;
/// Wait between two attempts, 100 ms.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(100);

/// Limits the rounds in which idle connections are closed to 3. A connection in use is closed by a later call.
const CLOSING_ROUNDS: u32 = 3;
/// Wait between two rounds, 20 ms.
const CLOSING_WAIT: Duration = Duration::from_millis(20);

/// An open database; clones share its connections.
#[derive(Clone)]
pub struct Db {
    pool: AnyPool,
    /// SQLite allows one writer. Transactions queue here, because waiting inside SQLite ends in an error after
    /// `busy_timeout`, and so that the studios take turns.
    writer: Option<AdmissionControl>,
    audit_key: Option<Arc<ChainKey>>,
}

impl Db {
    /// Opens the database at `url` (`sqlite:PATH` or `postgres://…`) and migrates its schema.
    ///
    /// Errors if the database cannot be opened, or if a newer version of the program has migrated it.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let path = sqlite_path(url).unwrap_or_default();
        make_private(url).with_context(|| format!("creating the database file {path}"))?;
        let mut options =
            AnyPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_MAX);
        if sqlite {
            options = options.after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
            });
        }
        let pool = options
            .connect(url)
            .await
            .context("opening the database; check PICPICK_DATABASE_URL and the data folder")?;
        let db = Self { pool, writer: sqlite.then(writer), audit_key: None };
        migrations::run(&db.pool).await.context("migrating the database")?;
        Ok(db)
    }

    /// Returns the database with the key of the audit log, without which no transaction can record an entry.
    pub fn with_audit_key(self, key: ChainKey) -> Self {
        Self { audit_key: Some(Arc::new(key)), ..self }
    }

    /// Returns the key of the audit log; `None` if the database was opened without it.
    pub fn audit_key(&self) -> Option<&Arc<ChainKey>> {
        self.audit_key.as_ref()
    }

    /// Returns the pool, for statements that only read.
    pub fn read(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a write transaction.
    pub async fn write(&self) -> sqlx::Result<Tx> {
        // IMMEDIATE takes the write lock at once and waits for it. Without it, a transaction that reads first
        // fails at its first write if another process (the command line, a backup) has written since the
        // read.
        let (turn, begin) = match &self.writer {
            None => (None, "BEGIN"),
            Some(writer) => {
                let turn = writer.enter(&current_tenant()).await;
                (Some(turn.map_err(|_| sqlx::Error::PoolTimedOut)?), "BEGIN IMMEDIATE")
            }
        };
        Tx::begin(self.pool.acquire().await?, begin, turn, self.audit_key.clone()).await
    }

    /// Removes deleted and replaced rows from SQLite's write-ahead log, and closes idle connections, whose memory
    /// holds rows. PostgreSQL's own files are left to its operator. Logs a failure; a later call repeats the work.
    pub async fn discard_remnants(&self) {
        if let Some(writer) = &self.writer {
            let turn = writer.enter(&current_tenant()).await;
            if turn.is_ok() {
                truncate_log(&self.pool).await;
            }
        }
        // The pool takes a connection back after its user has finished, so the last ones are idle a moment later.
        for _ in 0..CLOSING_ROUNDS {
            while let Some(connection) = self.pool.try_acquire() {
                if let Err(error) = connection.close().await {
                    tracing::warn!(%error, "closing a database connection failed");
                }
            }
            if self.pool.size() == 0 {
                break;
            }
            tokio::time::sleep(CLOSING_WAIT).await;
        }
    }

    /// Closes all connections, so that SQLite removes its write-ahead log.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Returns the control of the only writer of SQLite. Transactions wait up to 30 s.
fn writer() -> AdmissionControl {
    AdmissionControl::new("writer", 1, usize::from(u16::MAX), Duration::from_secs(30))
}

/// Moves all pages of SQLite's write-ahead log to the database and truncates the log. Waits a short time for
/// readers that need the log. Logs a failure.
async fn truncate_log(pool: &AnyPool) {
    for _ in 0..CHECKPOINT_ATTEMPTS {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await;
        match row.and_then(|row| row.try_get::<i64, _>(0)) {
            Ok(0) => return,
            Ok(_) => tokio::time::sleep(CHECKPOINT_WAIT).await,
            Err(error) => {
                tracing::error!(%error, "truncating the database's log failed");
                return;
            }
        }
    }
    tracing::warn!("a reader prevents the truncation of the database's log; it is tried again");
}

/// Suffixes of SQLite's files: the database itself, its write-ahead log, its shared memory and its rollback
/// journal.
const SQLITE_ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Returns the paths of all files that a SQLite database at `url` may have. Empty for PostgreSQL.
pub fn files_of(url: &str) -> Vec<PathBuf> {
    let path = sqlite_path(url);
    let endings =
        path.iter().flat_map(|path| SQLITE_ENDINGS.map(|ending| format!("{path}{ending}")));
    endings.map(PathBuf::from).collect()
}

fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.split('?').next().unwrap_or_default().trim_start_matches("//"))
}

/// Creates a SQLite file with mode 0600 unless it exists, because SQLite itself would create a file that all
/// users can read. SQLite gives its log files the mode of the database file.
fn make_private(url: &str) -> std::io::Result<()> {
    let Some(path) = sqlite_path(url) else { return Ok(()) };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
