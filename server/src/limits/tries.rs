//! Tries at a secret that many may guess at: counted in the database, so that a restart forgives nobody.
//!
//! A try is counted before the secret is looked at, so that many at once are many, and given back where it was
//! right. Knows nothing of the secrets.

use sqlx::Row as _;

use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};

/// How many wrong tries a subject has, and how long it waits after more: each further one doubles the wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub free: i64,
    pub wait_s: i64,
    pub wait_s_max: i64,
    /// Wrong tries are forgotten after so long without one.
    pub forget_s: i64,
}

impl Patience {
    /// Counts one try of `subject`. Errors: `TooMany`, with the time to wait; nothing is counted then, as long
    /// as the transaction is dropped.
    pub async fn count(self, tx: &mut Tx, subject: &str) -> Result<()> {
        let now = now_s();
        // Changed to itself, the row is ours until the commit.
        let row = sqlx::query(
            "INSERT INTO tries (subject, failures, last_unix_s) VALUES ($1, 0, $2) \
             ON CONFLICT (subject) DO UPDATE SET failures = tries.failures \
             RETURNING failures, last_unix_s",
        )
        .bind(subject)
        .bind(now)
        .fetch_one(&mut **tx)
        .await?;
        let (failures, last): (i64, i64) = (row.try_get("failures")?, row.try_get("last_unix_s")?);
        let failures = if last < now - self.forget_s { 0 } else { failures };
        let ready = last + self.wait(failures);
        if ready > now {
            let seconds = u64::try_from(ready - now).unwrap_or(1);
            let detail = "Too many tries; wait before the next.";
            return Err(Failure::new(Kind::TooMany, detail).retry_after(seconds));
        }
        sqlx::query("UPDATE tries SET failures = $1, last_unix_s = $2 WHERE subject = $3")
            .bind(failures + 1)
            .bind(now)
            .bind(subject)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Seconds to wait after so many wrong tries.
    fn wait(self, failures: i64) -> i64 {
        let over = failures - self.free;
        if over < 0 { 0 } else { (self.wait_s << over.min(20)).min(self.wait_s_max) }
    }
}

/// Takes back a try that was right.
pub async fn give_back(tx: &mut Tx, subject: &str) -> Result<()> {
    sqlx::query("UPDATE tries SET failures = failures - 1 WHERE subject = $1 AND failures > 0")
        .bind(subject)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_most() {
        let patience = Patience { free: 3, wait_s: 5, wait_s_max: 60, forget_s: 100 };
        let waits: Vec<i64> = (0..9).map(|failures| patience.wait(failures)).collect();
        assert_eq!(waits, [0, 0, 0, 5, 10, 20, 40, 60, 60]);
        assert_eq!(patience.wait(i64::MAX / 2), 60);
    }
}
