//! Lockout for guessable secrets: failed attempts are counted in the database, so that a restart does not
//! reset them.
//!
//! An attempt is counted before the secret is checked, so that concurrent attempts cannot share one count. A
//! correct attempt is refunded. Failed attempts expire one by one.

use sqlx::Row as _;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;

/// A lockout policy: a number of free attempts, then a delay that doubles with each further failure.
///
/// On average over a long time, a subject gets at most one attempt in `delay_s_max` or in `decay_s`, whichever
/// is shorter. Attempts are more frequent until the delay reaches `delay_s_max`, and after failures have
/// expired. A pause between attempts does not raise the average.
#[derive(Clone, Copy, Debug)]
pub struct LockoutPolicy {
    /// Number of failed attempts without a delay.
    pub free_attempts: i64,
    /// The first delay, seconds.
    pub delay_s: i64,
    /// Maximum delay, seconds.
    pub delay_s_max: i64,
    /// Interval at which failed attempts expire, one after another, seconds.
    pub decay_s: i64,
}

/// The failed attempts of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AttemptState {
    /// The time at which all failed attempts have expired, seconds since the Unix epoch.
    tat_s: i64,
    /// The time of the last attempt, seconds since the Unix epoch.
    last_s: i64,
}

/// A counted attempt, which [`refund`] refunds.
pub struct RecordedAttempt {
    subject: String,
    before: AttemptState,
    after: AttemptState,
}

impl LockoutPolicy {
    /// Counts one attempt of `subject`.
    ///
    /// # Errors
    /// - `TooManyRequests` with the time to wait, if the subject's delay has not ended. The caller then drops
    ///   the
    ///   transaction, so that the attempt is not counted.
    pub async fn count(self, tx: &mut Tx, subject: &str) -> Result<RecordedAttempt> {
        let now = now_s();
        // The no-op update locks the row until the commit.
        let row = sqlx::query(
            "INSERT INTO pin_attempts (subject, tat_unix_s, last_attempt_unix_s) VALUES ($1, 0, 0) \
             ON CONFLICT (subject) DO UPDATE SET last_attempt_unix_s = pin_attempts.last_attempt_unix_s \
             RETURNING tat_unix_s, last_attempt_unix_s",
        )
        .bind(subject)
        .fetch_one(&mut **tx)
        .await?;
        let before = AttemptState {
            tat_s: row.try_get("tat_unix_s")?,
            last_s: row.try_get("last_attempt_unix_s")?,
        };
        let ready = self.ready(before);
        if ready > now {
            let seconds = u64::try_from(ready - now).unwrap_or(1);
            let detail = format!("Too many attempts; wait {seconds} s before the next one.");
            return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(seconds));
        }
        let (before, after) = self.one_more(before, now);
        sqlx::query(
            "UPDATE pin_attempts SET tat_unix_s = $1, last_attempt_unix_s = $2 WHERE subject = $3",
        )
        .bind(after.tat_s)
        .bind(after.last_s)
        .bind(subject)
        .execute(&mut **tx)
        .await?;
        Ok(RecordedAttempt { subject: subject.to_owned(), before, after })
    }

    /// Returns the state before and after an attempt at `now`. Failures beyond the number that reaches the
    /// maximum delay are not counted: they would not lengthen the delay, but would expire later.
    fn one_more(self, before: AttemptState, now: i64) -> (AttemptState, AttemptState) {
        let before = AttemptState { tat_s: before.tat_s.max(now), ..before };
        let most = now + self.decay_s * self.most();
        let tat_s = (before.tat_s + self.decay_s).min(most.max(before.tat_s));
        (before, AttemptState { tat_s, last_s: now })
    }

    /// Returns the time from which the next attempt is allowed, seconds since the Unix epoch. Failures that
    /// expire during a delay do not shorten the delay.
    fn ready(self, wrong: AttemptState) -> i64 {
        let owed_s = (wrong.tat_s - wrong.last_s).max(0);
        let failures = (owed_s + self.decay_s - 1) / self.decay_s;
        wrong.last_s + self.wait(failures)
    }

    /// Returns the number of failures that reaches the maximum delay.
    fn most(self) -> i64 {
        let doubled = (0..20).find(|over| self.delay_s << over >= self.delay_s_max);
        self.free_attempts + doubled.unwrap_or(20)
    }

    /// Returns the delay in seconds after `failures` failed attempts.
    fn wait(self, failures: i64) -> i64 {
        let over = failures - self.free_attempts;
        if over < 0 { 0 } else { (self.delay_s << over.min(20)).min(self.delay_s_max) }
    }
}

/// Refunds a correct attempt, so that the attempt causes no delay. Earlier failures stay counted.
pub async fn refund(tx: &mut Tx, counted: RecordedAttempt) -> Result<()> {
    let RecordedAttempt { subject, before, after } = counted;
    // A failed attempt made since then keeps its own time.
    sqlx::query(
        "UPDATE pin_attempts SET tat_unix_s = tat_unix_s - $1, last_attempt_unix_s = CASE \
         WHEN last_attempt_unix_s = $2 AND tat_unix_s = $3 THEN $4 ELSE last_attempt_unix_s END WHERE subject = $5",
    )
    .bind(after.tat_s - before.tat_s)
    .bind(after.last_s)
    .bind(after.tat_s)
    .bind(before.last_s)
    .bind(subject)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes the rows of subjects whose failures have all expired, to free space.
pub async fn delete_decayed(tx: &mut Tx) -> Result<()> {
    // A delay may outlast the counted failures, by less than a day.
    sqlx::query("DELETE FROM pin_attempts WHERE tat_unix_s <= $1")
        .bind(now_s() - 86_400)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: LockoutPolicy =
        LockoutPolicy { free_attempts: 3, delay_s: 5, delay_s_max: 60, decay_s: 100 };
    const NOW: i64 = 1_700_000_000;

    /// Returns the state after `tries` failed attempts, each as early as allowed.
    fn tried(tries: usize) -> AttemptState {
        (0..tries).fold(AttemptState { tat_s: 0, last_s: 0 }, |wrong, _| {
            PATIENCE.one_more(wrong, PATIENCE.ready(wrong).max(NOW)).1
        })
    }

    #[test]
    fn the_wait_doubles_up_to_its_most() {
        let waits: Vec<i64> = (0..9).map(|failures| PATIENCE.wait(failures)).collect();
        assert_eq!(waits, [0, 0, 0, 5, 10, 20, 40, 60, 60]);
        assert_eq!(PATIENCE.wait(i64::MAX / 2), 60);
        assert_eq!(PATIENCE.most(), 7);
    }

    #[test]
    fn wrong_tries_are_forgotten_one_by_one() {
        let after = |tries: usize, pause: i64| {
            let wrong = tried(tries);
            let (_, next) = PATIENCE.one_more(wrong, wrong.last_s + pause);
            PATIENCE.ready(next) - next.last_s
        };
        assert_eq!((after(2, 1), after(3, 99), after(3, 200)), (5, 10, 0));
        assert_eq!(after(3, 1_000), 0);
        // A subject that fails no more often than its failures expire never waits.
        let mut wrong = tried(0);
        for nth in 0..1000 {
            assert!(PATIENCE.ready(wrong) <= NOW + 100 * nth, "{nth}");
            wrong = PATIENCE.one_more(wrong, NOW + 100 * nth).1;
        }
        // Expiry shortens no delay, and 500 failures expire no later than 7.
        let guessed = tried(500);
        assert_eq!(PATIENCE.ready(guessed) - guessed.last_s, 60);
        assert!(guessed.tat_s - guessed.last_s <= 700);
    }

    #[test]
    fn guessing_is_never_faster_than_one_in_the_longest_wait() {
        // No pause between attempts gets an attacker more attempts than the maximum delay allows.
        for pause in 0..300 {
            let (mut wrong, mut now, mut tries) = (tried(0), NOW, 0);
            while now < NOW + 360_000 {
                wrong = PATIENCE.one_more(wrong, now).1;
                now = PATIENCE.ready(wrong).max(now) + pause;
                tries += 1;
            }
            assert!(tries <= 10 + 360_000 / 60, "{pause}: {tries}");
        }
    }
}
