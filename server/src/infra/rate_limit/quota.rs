use sqlx::Row as _;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::{Db, Tx};

/// A persistent quota (GCRA) for rare actions: e-mails, access requests, failed or abandoned challenges.
///
/// The quota is stored in the database, so that it survives restarts and all servers share it. Requests are
/// limited in memory instead (`gcra.rs`), because a database write per request would cost too much.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Maximum number of units available at once.
    pub capacity: i64,
    /// Time after which a used unit is available again, seconds, at least 1.
    pub refill_s: i64,
}

impl Quota {
    /// Takes one unit of `subject`.
    ///
    /// # Errors
    /// - `TooManyRequests` with `detail` and the time to wait, if no unit is available.
    pub async fn take(self, tx: &mut Tx, subject: &str, detail: &str) -> Result<()> {
        let wait = self.take_or_wait(tx, subject).await?;
        if wait > 0 {
            let failure = ApiError::new(ErrorKind::TooManyRequests, detail);
            return Err(failure.retry_after(u64::try_from(wait).unwrap_or(1)));
        }
        Ok(())
    }

    /// Takes one unit of `subject`. Returns `false` if no unit is available.
    pub async fn try_take(self, tx: &mut Tx, subject: &str) -> Result<bool> {
        Ok(self.take_or_wait(tx, subject).await? == 0)
    }

    /// Takes one unit of `subject` and returns 0; returns the seconds until a unit is available if none is.
    async fn take_or_wait(self, tx: &mut Tx, subject: &str) -> Result<i64> {
        let (whole, now) = (whole_unix_s(tx, subject).await?, now_s());
        let wait = self.wait(whole, now);
        if wait == 0 {
            self.keep(tx, subject, self.after(whole, now)).await?;
        }
        Ok(wait)
    }

    /// Records an action that has already happened, even if no unit is available.
    pub async fn note(self, tx: &mut Tx, subject: &str) -> Result<()> {
        let whole = whole_unix_s(tx, subject).await?;
        self.keep(tx, subject, self.after(whole, now_s())).await
    }

    /// Makes all units of `subject` available again.
    pub async fn give_back(self, tx: &mut Tx, subject: &str) -> Result<()> {
        sqlx::query("DELETE FROM quotas WHERE subject = $1")
            .bind(subject)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Returns the seconds until `subject` has a unit available; 0 if a unit is available now.
    pub async fn wait_s(self, db: &Db, subject: &str) -> Result<i64> {
        let row = sqlx::query("SELECT tat_unix_s FROM quotas WHERE subject = $1")
            .bind(subject)
            .fetch_optional(db.read())
            .await?;
        let whole = row.map_or(Ok(0), |row| row.try_get("tat_unix_s"))?;
        Ok(self.wait(whole, now_s()))
    }

    async fn keep(self, tx: &mut Tx, subject: &str, whole: i64) -> Result<()> {
        sqlx::query("UPDATE quotas SET tat_unix_s = $1 WHERE subject = $2")
            .bind(whole)
            .bind(subject)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Returns the theoretical arrival time after one more unit, capped at that of an exhausted quota.
    pub fn after(self, whole: i64, now: i64) -> i64 {
        (whole.max(now) + self.refill_s).min(now + self.capacity * self.refill_s)
    }

    /// Returns the seconds until a unit is available, from the theoretical arrival time `whole`.
    pub fn wait(self, whole: i64, now: i64) -> i64 {
        // Clamped, so that a clock set back blocks a subject for no longer than an exhausted quota does.
        let used_s = (whole - now).clamp(0, self.capacity * self.refill_s);
        (used_s + self.refill_s - self.capacity * self.refill_s).max(0)
    }
}

/// Returns the theoretical arrival time of `subject`, 0 for a new one. The no-op update locks the row until
/// the commit, so that concurrent transactions cannot use the same unit.
async fn whole_unix_s(tx: &mut Tx, subject: &str) -> Result<i64> {
    let row = sqlx::query(
        "INSERT INTO quotas (subject, tat_unix_s) VALUES ($1, 0) \
         ON CONFLICT (subject) DO UPDATE SET tat_unix_s = quotas.tat_unix_s RETURNING tat_unix_s",
    )
    .bind(subject)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get("tat_unix_s")?)
}

/// Deletes the rows of unused quotas, to free space: a subject without a row has an unused quota.
pub async fn delete_full_quotas(tx: &mut Tx) -> Result<()> {
    sqlx::query("DELETE FROM quotas WHERE tat_unix_s <= $1")
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
        let (budget, now) = (Quota { capacity: 3, refill_s: 10 }, 1_700_000_000);
        let mut whole = 0;
        for _ in 0..3 {
            assert_eq!(budget.wait(whole, now), 0);
            whole = budget.after(whole, now);
        }
        assert_eq!(budget.wait(whole, now), 10);
        assert_eq!((budget.wait(whole, now + 9), budget.wait(whole, now + 10)), (1, 0));
        // A recorded action beyond the quota does not lengthen the wait.
        assert_eq!(budget.after(whole, now), whole);
        assert_eq!(budget.wait(whole, now - 1000), 10);
    }
}
