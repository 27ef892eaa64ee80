//! The lockout of guessable secrets: passwords, second-factor codes, PINs, group codes and contact codes.
//!
//! [`attempt`] is the only way to compare such a secret: the functions that compare require a
//! [`CountedAttempt`], and only [`attempt`] creates it. An attempt is counted in the database before the
//! comparison, so that parallel attempts cannot share one count and a restart forgets none. A right attempt is
//! refunded. Failed attempts expire one by one.
//!
//! An attempt of a browser or session that has proved the secret before counts for that browser alone (device
//! cookies, OWASP Authentication Cheat Sheet). Strangers' attempts delay strangers and never the owner's known
//! browser.
//!
//! The PIN of an album is for many people, who may share one network with a guesser. Their failures cause delays for
//! one visit alone; the failures of the network and of the album's link require a proof of work (`proof_of_work.rs`)
//! that grows with them, before the link's budget of failures delays its unknown browsers.
//!
//! Secrets of 256 random bits (links, sessions, API keys) have no lockout, because guessing finds none of
//! them, and a lockout would only let an attacker shut out others. The rate limit bounds the attempts.

use std::net::IpAddr;

use sqlx::Row as _;

use super::network;
use super::proof_of_work::{self, CheckedWork, WorkPolicy};
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::{Db, Tx};

/// A secret that is short enough to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessableSecret {
    /// The password and the second factor at sign-in. The subject is the hash of an e-mail address.
    SignIn,
    /// The password or the second factor of a signed-in user. The subject is the account.
    Reauthentication,
    /// The view PIN or the annotation PIN of an album. The subject is the album.
    AlbumPin,
    /// The code of a group of guests. The subject is the event.
    GroupCode,
    /// The code that proves a guest's contact. The subject is the guest.
    ContactCode,
}

/// The client that guesses.
#[derive(Clone, Copy, Debug)]
pub enum Guesser<'a> {
    /// A client of which only the address is known.
    Stranger(IpAddr),
    /// A browser that has proved the secret before, or a session of the subject; the id is not secret.
    Known(&'a str),
    /// A visit of an album by a browser that has not proved its PIN before.
    Visit(AlbumVisit<'a>),
}

/// A visit of an album.
#[derive(Clone, Copy, Debug)]
pub struct AlbumVisit<'a> {
    pub from: IpAddr,
    /// The id of the album's link.
    pub link: &'a str,
    /// The id of the browser's visit or session; `None` if the client keeps no cookie.
    pub id: Option<&'a str>,
    /// The proof of work that the client has sent.
    pub work: Option<&'a CheckedWork>,
}

/// An attempt at a secret.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    pub secret: GuessableSecret,
    /// The id of the account, album or event. Personal data is hashed, because the table discloses it.
    pub subject: &'a str,
    pub guesser: Guesser<'a>,
}

/// The proof that an attempt was counted. Only [`attempt`] creates it.
#[derive(Debug)]
pub struct CountedAttempt(());

#[cfg(test)]
impl CountedAttempt {
    pub fn for_test() -> Self {
        Self(())
    }
}

/// A lockout policy: a number of free attempts, then a delay that doubles with each further failure.
///
/// On average over a long time, a subject gets at most one attempt in `delay_s_max` or in `decay_s`, whichever
/// is shorter. Attempts are more frequent until the delay reaches `delay_s_max`, and after failures have
/// expired. A pause between attempts does not raise the average.
#[derive(Clone, Copy, Debug)]
struct LockoutPolicy {
    /// Number of failed attempts without a delay.
    free_attempts: i64,
    /// The first delay, seconds.
    delay_s: i64,
    /// Maximum delay, seconds.
    delay_s_max: i64,
    /// Time after which one failed attempt expires, seconds; the next one expires this much later.
    decay_s: i64,
    /// The proof of work that failed attempts require; `None`: no work.
    work: Option<WorkPolicy>,
}

/// Shortens the table of policies below.
const fn policy(free_attempts: i64, delay_s: i64, delay_s_max: i64, decay_s: i64) -> LockoutPolicy {
    LockoutPolicy { free_attempts, delay_s, delay_s_max, decay_s, work: None }
}

impl GuessableSecret {
    /// Returns the name in the table of lockouts and in device cookies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Reauthentication => "reauthentication",
            Self::AlbumPin => "pin",
            Self::GroupCode => "group_code",
            Self::ContactCode => "contact_code",
        }
    }

    /// Returns the policy for one known browser or session.
    fn known_policy(self) -> LockoutPolicy {
        match self {
            Self::SignIn | Self::Reauthentication => policy(10, 30, 900, 900),
            Self::AlbumPin => policy(10, 5, 300, 300),
            // 40 bits: at one attempt per 10 minutes no code is found within its 15 minutes.
            Self::GroupCode => policy(10, 10, 600, 600),
            // Six digits: 9 attempts in the 15 minutes of a code, and a contact gets at most 82 codes a day
            // (`api/guest/contact_proof.rs`). A guesser over all registrations with one contact therefore has
            // a chance of 7 in 10,000 a day, and sends 82 e-mails to the contact's owner for it.
            Self::ContactCode => policy(5, 60, 900, 900),
        }
    }
}

/// Sign-in, over all strangers: an attacker with many addresses tries 10 passwords at once and then one per hour.
const STRANGERS_OF_SUBJECT: LockoutPolicy = policy(10, 30, 3600, 3600);
/// Sign-in, one network of strangers, which may be an office with many people. An IPv6 address counts as its /64
/// network.
const STRANGERS_OF_NETWORK: LockoutPolicy = policy(30, 5, 600, 60);

/// A PIN, one visit. The delay is for the visitor who mistypes; a guesser begins another visit.
const VISIT: LockoutPolicy = policy(5, 5, 300, 300);
/// A PIN, all visits of one network, which may be a venue with all guests and a guesser: more work and no delay.
const VISITS_OF_NETWORK: LockoutPolicy =
    LockoutPolicy { work: Some(WorkPolicy { from: 30, step: 10 }), ..policy(100, 0, 0, 60) };
/// A PIN, all visits by one link: the budget of a guesser with any number of addresses is 300 attempts, which cost
/// 10^9 hashes, and then one per 15 minutes, so that half of the 10^6 PINs of six digits take 14 years.
const VISITS_OF_LINK: LockoutPolicy =
    LockoutPolicy { work: Some(WorkPolicy { from: 30, step: 30 }), ..policy(300, 5, 900, 900) };

impl Guess<'_> {
    /// Returns the subjects that the attempt counts for, with their policies, in the order in which their rows
    /// are locked.
    fn counters(&self) -> Vec<(String, LockoutPolicy)> {
        let (secret, name, subject) = (self.secret, self.secret.as_str(), self.subject);
        let mut counters = match self.guesser {
            Guesser::Known(id) => {
                vec![(format!("{name}:{subject}:known:{id}"), secret.known_policy())]
            }
            Guesser::Stranger(from) => vec![
                (format!("{name}:{subject}"), STRANGERS_OF_SUBJECT),
                // One counter per network over all accounts, against password spraying.
                (format!("{name}::network:{}", network(from)), STRANGERS_OF_NETWORK),
            ],
            Guesser::Visit(visit) => {
                let own = visit.id.map(|id| (format!("{name}:{subject}:visit:{id}"), VISIT));
                let all = [
                    (
                        format!("{name}:{subject}:network:{}", network(visit.from)),
                        VISITS_OF_NETWORK,
                    ),
                    (format!("{name}:{subject}:link:{}", visit.link), VISITS_OF_LINK),
                ];
                own.into_iter().chain(all).collect()
            }
        };
        counters.sort_by(|(a, _), (b, _)| a.cmp(b));
        counters
    }

    /// Consumes the attempt's proof of work, if its counters require `bits` zero bits of work.
    ///
    /// # Errors
    /// - `ProofOfWorkRequired` if the work is missing, too easy or was used before.
    async fn spend_work(&self, tx: &mut Tx, bits: u32) -> Result<()> {
        let Guesser::Visit(AlbumVisit { work, .. }) = self.guesser else { return Ok(()) };
        match work {
            _ if bits == 0 => Ok(()),
            Some(work) if work.spend(tx, bits).await? => Ok(()),
            _ => Err(proof_of_work::required()),
        }
    }
}

/// Returns the work that the next attempt requires, zero bits; 0 if none. Counts nothing.
pub async fn required_work(db: &Db, guess: Guess<'_>) -> Result<u32> {
    let mut bits = 0;
    for (subject, policy) in guess.counters() {
        let row = sqlx::query("SELECT tat_unix_s FROM lockouts WHERE subject = $1")
            .bind(subject)
            .fetch_optional(db.read())
            .await?;
        let tat_s = row.map_or(Ok(0), |row| row.try_get("tat_unix_s"))?;
        let now = now_s();
        bits =
            bits.max(policy.work_bits(policy.clamped(AttemptState { tat_s, last_s: 0 }, now), now));
    }
    Ok(bits)
}

/// Counts an attempt, then runs `check`, which compares the secret and returns `None` if the secret is wrong.
/// The attempt is refunded unless the secret is wrong. If the client disconnects during `check`, the attempt
/// stays counted.
///
/// # Errors
/// - `TooManyRequests`, with the time to wait, if too many attempts failed. `check` does not run then.
/// - `ProofOfWorkRequired`, without a challenge, if the attempt's work does not suffice. `check` does not run then.
/// - The errors of `check`.
pub async fn attempt<T, F>(
    db: &Db,
    guess: Guess<'_>,
    check: impl FnOnce(CountedAttempt) -> F,
) -> Result<Option<T>>
where
    F: Future<Output = Result<Option<T>>>,
{
    let mut tx = db.write().await?;
    let (mut recorded, mut bits) = (Vec::new(), 0);
    for (subject, policy) in guess.counters() {
        let one = policy.count(&mut tx, &subject).await?;
        bits = bits.max(policy.work_bits(one.before, one.after.last_s));
        recorded.push(one);
    }
    guess.spend_work(&mut tx, bits).await?;
    tx.commit().await?;
    let outcome = check(CountedAttempt(())).await;
    if !matches!(outcome, Ok(None)) {
        let mut tx = db.write().await?;
        for one in recorded {
            refund(&mut tx, one).await?;
        }
        tx.commit().await?;
    }
    outcome
}

/// Forgets the strangers' failed attempts at a secret that was replaced.
pub async fn forget(tx: &mut Tx, secret: GuessableSecret, subject: &str) -> Result<()> {
    sqlx::query("DELETE FROM lockouts WHERE subject = $1")
        .bind(format!("{}:{subject}", secret.as_str()))
        .execute(&mut **tx)
        .await?;
    Ok(())
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
struct RecordedAttempt {
    subject: String,
    before: AttemptState,
    after: AttemptState,
}

impl LockoutPolicy {
    /// Counts one attempt of `subject`.
    ///
    /// # Errors
    /// - `TooManyRequests` with the time to wait, if the subject's delay has not ended. The caller then drops
    ///   the transaction, so that the attempt is not counted.
    async fn count(self, tx: &mut Tx, subject: &str) -> Result<RecordedAttempt> {
        let now = now_s();
        // The no-op update locks the row until the commit.
        let row = sqlx::query(
            "INSERT INTO lockouts (subject, tat_unix_s, last_attempt_unix_s) VALUES ($1, 0, 0) \
             ON CONFLICT (subject) DO UPDATE SET last_attempt_unix_s = lockouts.last_attempt_unix_s \
             RETURNING tat_unix_s, last_attempt_unix_s",
        )
        .bind(subject)
        .fetch_one(&mut **tx)
        .await?;
        let before = AttemptState {
            tat_s: row.try_get("tat_unix_s")?,
            last_s: row.try_get("last_attempt_unix_s")?,
        };
        let before = self.clamped(before, now);
        let ready = self.ready(before);
        if ready > now {
            let seconds = u64::try_from(ready - now).unwrap_or(1);
            let detail = format!("Too many attempts; wait {seconds} s before the next one.");
            return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(seconds));
        }
        let (before, after) = self.one_more(before, now);
        sqlx::query(
            "UPDATE lockouts SET tat_unix_s = $1, last_attempt_unix_s = $2 WHERE subject = $3",
        )
        .bind(after.tat_s)
        .bind(after.last_s)
        .bind(subject)
        .execute(&mut **tx)
        .await?;
        Ok(RecordedAttempt { subject: subject.to_owned(), before, after })
    }

    /// Limits times that are ahead of `now`: a clock that ran ahead delays a subject for no longer than an
    /// exhausted policy does.
    fn clamped(self, state: AttemptState, now: i64) -> AttemptState {
        let tat_s = state.tat_s.min(now + self.decay_s * self.most());
        AttemptState { tat_s, last_s: state.last_s.min(now) }
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

    /// Returns the work that the failures left at `now` require, zero bits.
    fn work_bits(self, state: AttemptState, now: i64) -> u32 {
        let owed_s = (state.tat_s - now).max(0);
        let failures = (owed_s + self.decay_s - 1) / self.decay_s;
        self.work.map_or(0, |work| work.bits(failures))
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
async fn refund(tx: &mut Tx, counted: RecordedAttempt) -> Result<()> {
    let RecordedAttempt { subject, before, after } = counted;
    // A failed attempt made since then keeps its own time.
    sqlx::query(
        "UPDATE lockouts SET tat_unix_s = tat_unix_s - $1, last_attempt_unix_s = CASE \
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
    sqlx::query("DELETE FROM lockouts WHERE tat_unix_s <= $1")
        .bind(now_s() - 86_400)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: LockoutPolicy = policy(3, 5, 60, 100);
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
    fn a_policy_without_a_delay_counts_up_to_its_work() {
        let mut state = AttemptState { tat_s: 0, last_s: 0 };
        for _ in 0..1000 {
            assert!(VISITS_OF_NETWORK.ready(state) <= NOW);
            state = VISITS_OF_NETWORK.one_more(state, NOW).1;
        }
        assert_eq!(VISITS_OF_NETWORK.work_bits(state, NOW), 23);
        assert_eq!(VISITS_OF_NETWORK.work_bits(state, NOW + 71 * 60), 0);
        let link = AttemptState { tat_s: NOW + 300 * 900, last_s: NOW };
        assert_eq!(
            (VISITS_OF_LINK.work_bits(link, NOW), VISITS_OF_LINK.ready(link) - NOW),
            (24, 5)
        );
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
