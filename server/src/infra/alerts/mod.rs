//! Alerts: detects patterns that look like an attack, stores and logs them, and posts them to the operator's
//! webhook.
//!
//! Detection costs a request one count in memory; background tasks store and post the alerts. Alerts block no
//! request: rate limits and lockouts do. Subjects are ids, hashes and client addresses, and never an e-mail, a
//! token or a PIN.

pub mod store;
pub mod webhook;
pub mod window_counter;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use utoipa::ToSchema;

use crate::config::settings::{ObservabilitySettings, Webhook};
use crate::infra::db::Db;
use window_counter::WindowCounter;

pub use store::run_alerts;

/// The pattern that was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// One caller requests many resources that do not exist or are not its own.
    Enumeration,
    /// Many wrong passwords, PINs, codes or tokens come from one caller or address.
    Guessing,
    /// Many wrong passwords, PINs or codes are tried for one account or album.
    AccountGuessing,
    /// Many different faces come with one contact, by one link, from one address or to one event.
    ManyFaces,
}

impl Pattern {
    const ALL: [Self; 4] =
        [Self::Enumeration, Self::Guessing, Self::AccountGuessing, Self::ManyFaces];

    /// Returns the name under which the pattern is stored.
    fn as_str(self) -> &'static str {
        match self {
            Self::Enumeration => "enumeration",
            Self::Guessing => "guessing",
            Self::AccountGuessing => "account_guessing",
            Self::ManyFaces => "many_faces",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.as_str() == text)
    }

    /// Returns the number of occurrences within `WINDOW_S` that raise an alert. An address may belong to a
    /// venue with 1,000 guests, who may mistype; a caller or an account is one person or program.
    fn threshold(self, subject: &str) -> u64 {
        let shared = subject.starts_with("address:");
        match self {
            Self::Enumeration if shared => 300,
            Self::Enumeration => 60,
            Self::Guessing if shared => 100,
            Self::Guessing => 30,
            Self::AccountGuessing => 15,
            // A party of guests may come from one address within minutes; what follows is told apart by the
            // studio.
            Self::ManyFaces if shared => 15,
            Self::ManyFaces if subject.starts_with("link:") => 30,
            Self::ManyFaces if subject.starts_with("event:") => 60,
            Self::ManyFaces => 3,
        }
    }
}

/// Length of a counting window, seconds. One subject raises at most one alert of a pattern in this time.
const WINDOW_S: i64 = 600;
/// Maximum number of detections that wait to be stored; further ones are dropped.
const WAITING_MAX: usize = 256;

/// A detected pattern that waits to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Detection {
    pattern: Pattern,
    subject: String,
    /// The studio's id; empty if the detection concerns no particular studio.
    studio: String,
    count: u64,
}

/// The detector of patterns, shared by all requests.
pub struct Alerts {
    counts: WindowCounter,
    sightings: mpsc::Sender<Detection>,
    /// The receiver of `sightings`, which the task that stores alerts takes.
    waiting: Mutex<Option<mpsc::Receiver<Detection>>>,
    posts: Notify,
    webhook: Option<Webhook>,
    db: Db,
}

impl Alerts {
    pub fn new(db: &Db, operations: &ObservabilitySettings) -> Self {
        let (sightings, waiting) = mpsc::channel(WAITING_MAX);
        Self {
            counts: WindowCounter::default(),
            sightings,
            waiting: Mutex::new(Some(waiting)),
            posts: Notify::new(),
            webhook: operations.webhook.clone(),
            db: db.clone(),
        }
    }

    /// Counts one occurrence of a pattern for `subject`; `studio` may be empty. For `ManyFaces` an occurrence
    /// is one more distinct face, and the subject is `contact:HASH` with a keyed hash, `address:ADDRESS`,
    /// `link:ID` or `event:ID`.
    pub fn record(&self, pattern: Pattern, subject: &str, studio: &str) {
        let now_s = crate::infra::clock::now_s();
        let threshold = pattern.threshold(subject);
        if let Some(count) = self.counts.add(pattern, subject, now_s, threshold) {
            let (subject, studio) = (subject.to_owned(), studio.to_owned());
            // A full channel means that the database is too slow. The detection is dropped, because a
            // continuing pattern is detected again.
            let _ = self.sightings.try_send(Detection { pattern, subject, studio, count });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_back_and_a_venue_is_given_more_patience() {
        for pattern in Pattern::ALL {
            assert_eq!(Pattern::parse(pattern.as_str()), Some(pattern));
            let (shared, own) = (pattern.threshold("address:1.2.3.4"), pattern.threshold("user:a"));
            assert!(shared >= own && own >= 2, "{pattern:?}");
        }
        assert_eq!(Pattern::parse("Enumeration"), None);
    }
}
