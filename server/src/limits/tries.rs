//! Tries at a secret that many may guess at: counted in the database, so that a restart forgives nobody.
//!
//! A try is counted before the secret is looked at, so that many at once are many, and undone where it was right, as
//! if it had never been. Wrong ones are forgotten one by one. Knows nothing of the secrets.

use sqlx::Row as _;

use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};

/// How many wrong tries a subject has, and how long it waits after more: each further one doubles the wait.
///
/// Whatever the pace, after the first `free` tries nobody has more than one in `wait_s_max` or one in `forget_s`,
/// whichever is more often.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub free: i64,
    pub wait_s: i64,
    pub wait_s_max: i64,
    /// A wrong try is forgotten after so long, one after the other.
    pub forget_s: i64,
}

/// A subject's wrong tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong {
    /// When all of them are forgotten.
    whole_s: i64,
    /// When the last one was made.
    last_s: i64,
}

/// A try that was counted.
pub struct Counted {
    subject: String,
    before: Wrong,
    after: Wrong,
}

impl Patience {
    /// Counts one try of `subject`. Errors: `TooMany`, with the time to wait; nothing is counted then, as long
    /// as the transaction is dropped.
    pub async fn count(self, tx: &mut Tx, subject: &str) -> Result<Counted> {
        let now = now_s();
        // Changed to itself, the row is ours until the commit.
        let row = sqlx::query(
            "INSERT INTO leaking_tries (subject, whole_unix_s, last_unix_s) VALUES ($1, 0, 0) \
             ON CONFLICT (subject) DO UPDATE SET last_unix_s = leaking_tries.last_unix_s \
             RETURNING whole_unix_s, last_unix_s",
        )
        .bind(subject)
        .fetch_one(&mut **tx)
        .await?;
        let before =
            Wrong { whole_s: row.try_get("whole_unix_s")?, last_s: row.try_get("last_unix_s")? };
        let ready = self.ready(before);
        if ready > now {
            let seconds = u64::try_from(ready - now).unwrap_or(1);
            let detail = "Too many tries; wait before the next.";
            return Err(Failure::new(Kind::TooMany, detail).retry_after(seconds));
        }
        let (before, after) = self.one_more(before, now);
        sqlx::query(
            "UPDATE leaking_tries SET whole_unix_s = $1, last_unix_s = $2 WHERE subject = $3",
        )
        .bind(after.whole_s)
        .bind(after.last_s)
        .bind(subject)
        .execute(&mut **tx)
        .await?;
        Ok(Counted { subject: subject.to_owned(), before, after })
    }

    /// The state that a try at `now` finds and leaves. What is beyond the longest wait is not kept: it would make
    /// nobody wait longer, but be forgotten later.
    fn one_more(self, before: Wrong, now: i64) -> (Wrong, Wrong) {
        let before = Wrong { whole_s: before.whole_s.max(now), ..before };
        let most = now + self.forget_s * self.most();
        let whole_s = (before.whole_s + self.forget_s).min(most.max(before.whole_s));
        (before, Wrong { whole_s, last_s: now })
    }

    /// When the next try may be made. What is forgotten meanwhile shortens no wait.
    fn ready(self, wrong: Wrong) -> i64 {
        let owed_s = (wrong.whole_s - wrong.last_s).max(0);
        let failures = (owed_s + self.forget_s - 1) / self.forget_s;
        wrong.last_s + self.wait(failures)
    }

    /// The number of wrong tries from which on a subject waits longest.
    fn most(self) -> i64 {
        let doubled = (0..20).find(|over| self.wait_s << over >= self.wait_s_max);
        self.free + doubled.unwrap_or(20)
    }

    /// Seconds to wait after so many wrong tries.
    fn wait(self, failures: i64) -> i64 {
        let over = failures - self.free;
        if over < 0 { 0 } else { (self.wait_s << over.min(20)).min(self.wait_s_max) }
    }
}

/// Undoes a try that was right: nobody waits because of it, and nothing wrong is forgotten by it.
pub async fn give_back(tx: &mut Tx, counted: Counted) -> Result<()> {
    let Counted { subject, before, after } = counted;
    // A wrong try that came after it keeps its own time.
    sqlx::query(
        "UPDATE leaking_tries SET whole_unix_s = whole_unix_s - $1, last_unix_s = CASE \
         WHEN last_unix_s = $2 AND whole_unix_s = $3 THEN $4 ELSE last_unix_s END WHERE subject = $5",
    )
    .bind(after.whole_s - before.whole_s)
    .bind(after.last_s)
    .bind(after.whole_s)
    .bind(before.last_s)
    .bind(subject)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes subjects of whose tries none is remembered. Nothing depends on it.
pub async fn forget(tx: &mut Tx) -> Result<()> {
    // A wait may outlast what is remembered, by less than a day.
    sqlx::query("DELETE FROM leaking_tries WHERE whole_unix_s <= $1")
        .bind(now_s() - 86_400)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { free: 3, wait_s: 5, wait_s_max: 60, forget_s: 100 };
    const NOW: i64 = 1_700_000_000;

    /// What is left after tries as fast as they are let, and the time of the last.
    fn tried(tries: usize) -> Wrong {
        (0..tries).fold(Wrong { whole_s: 0, last_s: 0 }, |wrong, _| {
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
        // Whoever is wrong seldom enough never waits, however often that is.
        let mut wrong = tried(0);
        for nth in 0..1000 {
            assert!(PATIENCE.ready(wrong) <= NOW + 100 * nth, "{nth}");
            wrong = PATIENCE.one_more(wrong, NOW + 100 * nth).1;
        }
        // What is forgotten shortens no wait, and long guessing is forgotten as soon as short.
        let guessed = tried(500);
        assert_eq!(PATIENCE.ready(guessed) - guessed.last_s, 60);
        assert!(guessed.whole_s - guessed.last_s <= 700);
    }

    #[test]
    fn guessing_is_never_faster_than_one_in_the_longest_wait() {
        // Of all pauses that an attacker could make, none makes more of an hour's time.
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
