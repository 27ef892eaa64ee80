//! Tables whose rows are tasks of background workers, delivered at least once.
//!
//! A worker claims a row with a lease (Gray and Cheriton, 1989) before it runs the task, and releases the row
//! with the task's outcome. If the worker dies, another one claims the row after the lease has expired.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::Result;
use crate::infra::backoff::{BackoffPolicy, backoff};
use crate::infra::clock::now_s;
use crate::infra::db::{BoundValue, Db, Tx};

/// A table of tasks, described by fragments of SQL. The table's key is `id`.
#[derive(Clone, Copy, Debug)]
pub struct LeasedQueue {
    pub table: &'static str,
    /// Condition of a row that may be claimed at `$1`, seconds since the Unix epoch: it is due and not leased,
    /// or its lease has expired.
    pub claimable: &'static str,
    /// The columns of the order in which rows are claimed.
    pub order: &'static str,
    /// Assignments that lease a row at `$1` until `$4`.
    pub lease: &'static str,
    /// Length of a lease, seconds; must exceed the time of any attempt.
    pub lease_s: i64,
    /// Condition of a row that is still leased; `TRUE` if only the worker ends a lease.
    pub leased: &'static str,
    /// The columns that a claim returns.
    pub columns: &'static str,
    /// The column of the next attempt's time, seconds since the Unix epoch.
    pub due: &'static str,
    /// The seconds that are subtracted from a time before it is stored in the column `due` or bound as `$4`.
    pub due_offset_s: i64,
    pub backoff: BackoffPolicy,
    /// Limits the attempts at a task.
    pub attempts_max: i64,
}

/// A further condition on the rows to claim, with `value` as `$3`.
#[derive(Clone, Copy, Debug)]
pub struct ClaimScope<'a> {
    pub condition: &'static str,
    pub value: &'a str,
}

impl LeasedQueue {
    /// Returns the `column` of the first `limit` claimable rows. It only reads, so polling an empty queue
    /// takes no write lock; the caller claims the rows afterwards.
    pub async fn find_due(
        &self,
        db: &Db,
        column: &'static str,
        scope: Option<ClaimScope<'_>>,
        limit: i64,
    ) -> Result<Vec<String>> {
        let condition = scope.map_or("", |scope| scope.condition);
        let text = self.select(column, condition);
        let mut query = sqlx::query(&text).bind(now_s()).bind(limit);
        if let Some(scope) = scope {
            query = query.bind(scope.value);
        }
        let rows = query.fetch_all(db.read()).await?;
        rows.iter().map(|row| Ok(row.try_get(column)?)).collect()
    }

    fn select(&self, column: &str, scope: &str) -> String {
        let Self { table, claimable, order, .. } = self;
        let and = if scope.is_empty() { "" } else { " AND " };
        format!(
            "SELECT {column} FROM {table} WHERE ({claimable}){and}{scope} ORDER BY {order} LIMIT $2"
        )
    }

    /// Leases the first `limit` claimable rows of `scope` and returns them. If several workers claim one row
    /// at the same time, one worker gets the row: the outer condition repeats the inner one, so the other
    /// workers find the row leased.
    pub async fn claim(&self, db: &Db, scope: ClaimScope<'_>, limit: i64) -> Result<Vec<AnyRow>> {
        let Self { table, claimable, lease, columns, .. } = self;
        let candidates = self.select("id", scope.condition);
        // Without CASE, SQLite would search all claimable rows by an index, and not the candidates by id.
        let text = format!(
            "UPDATE {table} SET {lease} WHERE id IN ({candidates}) \
             AND CASE WHEN {claimable} THEN 1 ELSE 0 END = 1 RETURNING {columns}"
        );
        let now = now_s();
        let mut tx = db.write().await?;
        let rows = sqlx::query(&text)
            .bind(now)
            .bind(limit)
            .bind(scope.value)
            .bind(now + self.lease_s - self.due_offset_s)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Leases a row. Returns `None` if another worker has leased it since it was found.
    pub async fn claim_one(&self, db: &Db, id: &str) -> Result<Option<AnyRow>> {
        let scope = ClaimScope { condition: "id = $3", value: id };
        Ok(self.claim(db, scope, 1).await?.pop())
    }

    /// Returns the delay after `attempts` failed attempts, seconds; `None` if the task is abandoned.
    pub fn retry_delay_s(&self, attempts: i64) -> Option<i64> {
        let delay = backoff(attempts, &self.backoff).as_secs();
        (attempts < self.attempts_max).then(|| i64::try_from(delay).unwrap_or(i64::MAX))
    }

    /// Releases a leased row: sets the time of its next attempt (`None` sets the column to null) and the
    /// columns in `values`. Does nothing if the worker no longer holds the lease.
    pub async fn release(
        &self,
        tx: &mut Tx,
        id: &str,
        due_unix_s: Option<i64>,
        values: &[(&'static str, BoundValue<'_>)],
    ) -> Result<()> {
        let Self { table, leased, due, .. } = self;
        let numbered = (3..).zip(values);
        let set: String =
            numbered.map(|(number, (column, _))| format!(", {column} = ${number}")).collect();
        let text = format!("UPDATE {table} SET {due} = $1{set} WHERE id = $2 AND {leased}");
        let query = sqlx::query(&text).bind(due_unix_s.map(|due| due - self.due_offset_s)).bind(id);
        let query = values.iter().fold(query, |query, (_, value)| match value {
            BoundValue::Text(text) => query.bind(*text),
            BoundValue::Number(number) => query.bind(*number),
        });
        query.execute(&mut **tx).await?;
        Ok(())
    }

    /// Deletes the row of a task that is done or abandoned.
    pub async fn remove(&self, tx: &mut Tx, id: &str) -> Result<()> {
        let text = format!("DELETE FROM {} WHERE id = $1", self.table);
        sqlx::query(&text).bind(id).execute(&mut **tx).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUEUE: LeasedQueue = LeasedQueue {
        table: "mails",
        claimable: "due_unix_s <= $1",
        order: "due_unix_s, id",
        lease: "due_unix_s = $4, attempts = attempts + 1",
        lease_s: 60,
        leased: "attempts > 0",
        columns: "*",
        due: "due_unix_s",
        due_offset_s: 0,
        backoff: BackoffPolicy::Exponential {
            first: Duration::from_secs(2),
            max: Duration::from_secs(9),
        },
        attempts_max: 4,
    };

    async fn db_with_rows(room: &std::path::Path, ids: &[&str]) -> Db {
        let db = Db::open(&format!("sqlite:{}", room.join("db").display())).await.unwrap();
        let mut tx = db.write().await.unwrap();
        for id in ids {
            let text = "INSERT INTO mails (id, sealed, attempts, due_unix_s, expires_unix_s, \
                        created_unix_s) VALUES ($1, '', 0, 0, 0, 0)";
            sqlx::query(text).bind(*id).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        db
    }

    async fn due(db: &Db) -> Vec<String> {
        QUEUE.find_due(db, "id", None, 9).await.unwrap()
    }

    #[tokio::test]
    async fn a_row_has_one_claimant_until_its_lease_expires() {
        let room = tempfile::tempdir().unwrap();
        let db = db_with_rows(room.path(), &["a", "b", "c"]).await;
        assert_eq!(due(&db).await, ["a", "b", "c"]);
        assert_eq!(QUEUE.find_due(&db, "id", None, 2).await.unwrap(), ["a", "b"]);
        let claimed = QUEUE.claim_one(&db, "b").await.unwrap().unwrap();
        assert_eq!(claimed.try_get::<i64, _>("attempts").unwrap(), 1);
        assert!(QUEUE.claim_one(&db, "b").await.unwrap().is_none());
        let others = ClaimScope { condition: "id > $3", value: "" };
        assert_eq!(QUEUE.claim(&db, others, 9).await.unwrap().len(), 2);
        assert!(due(&db).await.is_empty());
        // The clock cannot be moved, but a lease of 0 s expires at once.
        let short = LeasedQueue { lease_s: 0, ..QUEUE };
        let mut tx = db.write().await.unwrap();
        short.release(&mut tx, "b", Some(0), &[]).await.unwrap();
        tx.commit().await.unwrap();
        let claimed = short.claim_one(&db, "b").await.unwrap().unwrap();
        assert_eq!(claimed.try_get::<i64, _>("attempts").unwrap(), 2);
        assert!(QUEUE.claim_one(&db, "b").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_released_row_is_due_at_its_time() {
        let room = tempfile::tempdir().unwrap();
        let db = db_with_rows(room.path(), &["a", "b"]).await;
        QUEUE.claim_one(&db, "a").await.unwrap().unwrap();
        let values = [("sealed", BoundValue::Text("x")), ("expires_unix_s", BoundValue::Number(7))];
        let mut tx = db.write().await.unwrap();
        for id in ["a", "b"] {
            QUEUE.release(&mut tx, id, Some(1), &values).await.unwrap();
        }
        tx.commit().await.unwrap();
        // The second row was not leased, so it has not changed.
        let a = QUEUE.claim_one(&db, "a").await.unwrap().unwrap();
        let b = QUEUE.claim_one(&db, "b").await.unwrap().unwrap();
        assert_eq!(a.try_get::<String, _>("sealed").unwrap(), "x");
        assert_eq!(a.try_get::<i64, _>("expires_unix_s").unwrap(), 7);
        assert_eq!(b.try_get::<i64, _>("expires_unix_s").unwrap(), 0);
        let mut tx = db.write().await.unwrap();
        QUEUE.release(&mut tx, "a", Some(now_s() + 60), &[]).await.unwrap();
        QUEUE.remove(&mut tx, "b").await.unwrap();
        tx.commit().await.unwrap();
        assert!(due(&db).await.is_empty());
        assert_eq!(
            [1, 2, 3, 4].map(|nth| QUEUE.retry_delay_s(nth)),
            [Some(2), Some(4), Some(8), None]
        );
    }
}
