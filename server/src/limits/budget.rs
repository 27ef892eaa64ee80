//! What may happen so many times, and again as time goes by: kept in the database, so that a restart forgives nobody
//! and several servers count as one.
//!
//! For what is rare and worth a row: requests are counted in memory (`bucket.rs`). Knows nothing of what is counted.

use sqlx::Row as _;

use crate::clock::now_s;
use crate::db::{Db, Tx};
use crate::error::{Failure, Kind, Result};

/// So many units, of which a used one is back after `back_s` (1 or more).
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub units: i64,
    pub back_s: i64,
}

impl Budget {
    /// Takes one unit of `subject`'s. Errors: `TooMany` with `detail` and the time to wait where none is left.
    pub async fn take(self, tx: &mut Tx, subject: &str, detail: &str) -> Result<()> {
        let (whole, now) = (whole_unix_s(tx, subject).await?, now_s());
        let wait = self.wait(whole, now);
        if wait > 0 {
            let failure = Failure::new(Kind::TooMany, detail);
            return Err(failure.retry_after(u64::try_from(wait).unwrap_or(1)));
        }
        self.keep(tx, subject, self.after(whole, now)).await
    }

    /// Counts what has happened already, whether a unit was left for it or not.
    pub async fn note(self, tx: &mut Tx, subject: &str) -> Result<()> {
        let whole = whole_unix_s(tx, subject).await?;
        self.keep(tx, subject, self.after(whole, now_s())).await
    }

    /// Seconds until `subject` has a unit left; 0: it has one.
    pub async fn wait_s(self, db: &Db, subject: &str) -> Result<i64> {
        let row = sqlx::query("SELECT whole_unix_s FROM budgets WHERE subject = $1")
            .bind(subject)
            .fetch_optional(db.read())
            .await?;
        let whole = row.map_or(Ok(0), |row| row.try_get("whole_unix_s"))?;
        Ok(self.wait(whole, now_s()))
    }

    async fn keep(self, tx: &mut Tx, subject: &str, whole: i64) -> Result<()> {
        sqlx::query("UPDATE budgets SET whole_unix_s = $1 WHERE subject = $2")
            .bind(whole)
            .bind(subject)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// As `bucket.rs`: a single time says all, namely when the budget is whole again.
    fn after(self, whole: i64, now: i64) -> i64 {
        (whole.max(now) + self.back_s).min(now + self.units * self.back_s)
    }

    fn wait(self, whole: i64, now: i64) -> i64 {
        // A clock that was set back must not lock anybody out for longer than an empty budget does.
        let used_s = (whole - now).clamp(0, self.units * self.back_s);
        (used_s + self.back_s - self.units * self.back_s).max(0)
    }
}

/// When the budget is whole again. Changed to itself, the row is ours until the commit.
async fn whole_unix_s(tx: &mut Tx, subject: &str) -> Result<i64> {
    let row = sqlx::query(
        "INSERT INTO budgets (subject, whole_unix_s) VALUES ($1, 0) \
         ON CONFLICT (subject) DO UPDATE SET whole_unix_s = budgets.whole_unix_s RETURNING whole_unix_s",
    )
    .bind(subject)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get("whole_unix_s")?)
}

/// Forgets the budgets that are whole, which loses nothing.
pub async fn forget_whole(tx: &mut Tx) -> Result<()> {
    sqlx::query("DELETE FROM budgets WHERE whole_unix_s <= $1")
        .bind(now_s())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_by_one() {
        let (budget, now) = (Budget { units: 3, back_s: 10 }, 1_700_000_000);
        let mut whole = 0;
        for _ in 0..3 {
            assert_eq!(budget.wait(whole, now), 0);
            whole = budget.after(whole, now);
        }
        assert_eq!(budget.wait(whole, now), 10);
        assert_eq!((budget.wait(whole, now + 9), budget.wait(whole, now + 10)), (1, 0));
        // What happens all the same makes the wait no longer.
        assert_eq!(budget.after(whole, now), whole);
        assert_eq!(budget.wait(whole, now - 1000), 10);
    }
}
