//! The business data's database: SQLite in the data folder, or PostgreSQL for several servers.
//!
//! One way to read, one way to write, the same statements on both. Face data never comes here, and this
//! file knows no table.

mod migrations;
mod page;

use std::fs::OpenOptions;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Executor as _};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use page::{BY_CREATION, List, Value};

/// Connections that read at the same time.
const CONNECTIONS_MAX: u32 = 8;
/// How long a request waits for a connection before it is told that the service is busy.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);
/// SQLite only. WAL lets readers go on beside the writer; FULL makes a commit durable, for an
/// acknowledged upload must outlive a power cut; secure_delete overwrites what is deleted.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON;";

/// An open database; clones share its connections.
#[derive(Clone)]
pub struct Db {
    pool: AnyPool,
    /// SQLite has one writer: whoever waits here does not wait in the database, where it would fail.
    writer: Option<Arc<Mutex<()>>>,
}

/// Changes that happen all or not at all: dropped without `commit`, they never were.
pub struct Tx {
    inner: sqlx::Transaction<'static, sqlx::Any>,
    _writer: Option<OwnedMutexGuard<()>>,
}

impl Db {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`) and brings its tables up to date.
    ///
    /// Errors: what the database says; a database of a newer program is refused.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        make_private(url).context("making the database's file")?;
        let mut options =
            AnyPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_MAX);
        if sqlite {
            options = options.after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
            });
        }
        let pool = options.connect(url).await.context("opening the database")?;
        let db = Self { pool, writer: sqlite.then(Arc::default) };
        migrations::run(&db.pool).await.context("bringing the database up to date")?;
        Ok(db)
    }

    /// For statements that change nothing.
    pub fn read(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins changes.
    pub async fn write(&self) -> sqlx::Result<Tx> {
        let Some(writer) = &self.writer else {
            return Ok(Tx { inner: self.pool.begin().await?, _writer: None });
        };
        let guard = Arc::clone(writer).lock_owned().await;
        // A transaction that begins by reading and goes on to write fails when another program (the
        // command line, a backup) wrote in between; one that is a writer from the start waits.
        let inner = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Tx { inner, _writer: Some(guard) })
    }

    /// Waits for the connections to end, so that SQLite leaves no log behind.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

tokio::task_local! {
    /// A statement, and what is bound to it, that goes along with whatever is committed.
    static ALONG: (&'static str, String);
}

/// Does `work`; each commit in it commits `statement` as well, with `bound` for $1: the two happen together or
/// not at all.
pub async fn along<T>(statement: &'static str, bound: String, work: impl Future<Output = T>) -> T {
    ALONG.scope((statement, bound), work).await
}

/// SQLite's own ending of its file's name, and those of the logs beside it.
const SQLITE_ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The files that a database at `url` has on this machine, some of them only at times; none of PostgreSQL's.
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

/// SQLite would make its file for everybody to read; its logs take over what the file has.
fn make_private(url: &str) -> std::io::Result<()> {
    let Some(path) = sqlite_path(url) else { return Ok(()) };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl Tx {
    /// Makes the changes durable.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        if let Ok((statement, bound)) = ALONG.try_with(Clone::clone) {
            sqlx::query(statement).bind(bound).execute(&mut *self.inner).await?;
        }
        self.inner.commit().await
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
