use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use picpick_engine::audit::ChainKey;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Executor as _};

use crate::infra::admission::AdmissionPermit;

/// A write transaction. Dropping it without `commit` rolls it back.
///
/// A connection leaves a transaction by a commit that succeeded, or it is closed, which rolls back on both
/// databases. Otherwise its state is unknown: SQLite ends a transaction by itself when the disk is full, and the
/// caller of a request may go away in the middle of any statement. `sqlx::Transaction` counts instead, and returns
/// such a connection to the pool, where each later transaction on it fails.
pub struct Tx {
    connection: PoolConnection<Any>,
    is_committed: bool,
    /// The turn of SQLite's only writer.
    _writer: Option<AdmissionPermit>,
    audit_key: Option<Arc<ChainKey>>,
}

tokio::task_local! {
    /// A statement and the value of its $1, executed in each transaction that this task commits.
    static ALONG: (&'static str, String);
}

/// Runs `work`. Each transaction that `work` commits also executes `statement` with `bound` as $1, so that the
/// transaction and the statement take effect atomically.
pub async fn along<T>(statement: &'static str, bound: String, work: impl Future<Output = T>) -> T {
    ALONG.scope((statement, bound), work).await
}

impl Tx {
    /// Begins a transaction on `connection` with the statement `begin`.
    ///
    /// # Errors
    /// - the database's, if it cannot begin the transaction.
    pub(super) async fn begin(
        connection: PoolConnection<Any>,
        begin: &'static str,
        writer: Option<AdmissionPermit>,
        audit_key: Option<Arc<ChainKey>>,
    ) -> sqlx::Result<Self> {
        let mut tx = Self { connection, is_committed: false, _writer: writer, audit_key };
        tx.execute(begin).await?;
        Ok(tx)
    }

    /// Returns the key of the audit log; `None` if the database was opened without it.
    pub fn audit_key(&self) -> Option<Arc<ChainKey>> {
        self.audit_key.clone()
    }

    /// Commits the transaction. The changes are durable when this function returns.
    ///
    /// # Errors
    /// - the database's. Nothing was changed, unless the connection broke before the database's answer came.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        if let Ok((statement, bound)) = ALONG.try_with(Clone::clone) {
            sqlx::query(statement).bind(bound).execute(&mut *self).await?;
        }
        self.execute("COMMIT").await?;
        self.is_committed = true;
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}
