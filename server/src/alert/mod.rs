//! Alerts: patterns that look like an attack are noticed, kept, logged and posted to whoever is on duty.
//!
//! Noticing costs a request nothing but a count in memory; the rest happens beside it. Blocks nobody: that is
//! for limits and locks. Subjects are ids, hashes and client addresses; never an e-mail, a token or a PIN.

mod count;
pub mod routes;
mod table;
mod webhook;

use std::net::IpAddr;

use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::db::Db;
use crate::error::Kind;
use crate::settings::{Operations, Webhook};
use count::Counts;

pub use table::keep_keeping;

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// One caller asks for many things that are not there, or not theirs.
    Enumeration,
    /// Many passwords, PINs, codes or tokens from one place are wrong.
    Guessing,
    /// Many passwords, PINs or codes for one account are wrong.
    AccountGuessing,
    /// Many different faces come with one contact.
    ManyFaces,
}

impl Pattern {
    const ALL: [Self; 4] =
        [Self::Enumeration, Self::Guessing, Self::AccountGuessing, Self::ManyFaces];

    /// As it is stored.
    fn as_str(self) -> &'static str {
        match self {
            Self::Enumeration => "enumeration",
            Self::Guessing => "guessing",
            Self::AccountGuessing => "account_guessing",
            Self::ManyFaces => "many_faces",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.as_str() == text)
    }

    /// So many within `WINDOW_S` are an alert. An address may be a venue's, with a thousand guests who mistype;
    /// a caller or an account is one.
    fn threshold(self, subject: &str) -> u64 {
        let shared = subject.starts_with("address:");
        match self {
            Self::Enumeration if shared => 300,
            Self::Enumeration => 60,
            Self::Guessing if shared => 100,
            Self::Guessing => 30,
            Self::AccountGuessing => 15,
            Self::ManyFaces => 3,
        }
    }
}

/// What is counted together, and how often the same is told again.
const WINDOW_S: i64 = 600;
/// Alerts that wait to be written; more at once are told by the figures only.
const WAITING_MAX: usize = 256;

/// Something that was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sighting {
    pattern: Pattern,
    subject: String,
    /// Empty where it concerns no studio in particular.
    studio: String,
    count: u64,
}

/// Notices patterns. Shared by all requests.
pub struct Alerts {
    counts: Counts,
    sightings: mpsc::Sender<Sighting>,
    /// Taken by whoever writes alerts down.
    waiting: std::sync::Mutex<Option<mpsc::Receiver<Sighting>>>,
    posts: Notify,
    webhook: Option<Webhook>,
    db: Db,
}

impl Alerts {
    pub fn new(db: &Db, operations: &Operations) -> Self {
        let (sightings, waiting) = mpsc::channel(WAITING_MAX);
        Self {
            counts: Counts::default(),
            sightings,
            waiting: std::sync::Mutex::new(Some(waiting)),
            posts: Notify::new(),
            webhook: operations.webhook.clone(),
            db: db.clone(),
        }
    }

    /// Looks at how a request ended. Who is not known is counted by address.
    pub fn watch(&self, ended: Kind, caller: Option<&Caller>, address: IpAddr) {
        let pattern = match ended {
            Kind::NotFound => Pattern::Enumeration,
            Kind::WrongCredentials | Kind::SignedOut => Pattern::Guessing,
            _ => return,
        };
        let studio = match caller {
            Some(Caller::Key { studio, .. } | Caller::Visitor { studio, .. }) => studio.as_str(),
            _ => "",
        };
        match caller {
            Some(caller) => self.saw(pattern, &caller.name(), studio),
            None => self.saw(pattern, &format!("address:{address}"), studio),
        }
    }

    /// Counts one more of a pattern: `subject` is who or what it is about, `studio` may be empty. For
    /// `ManyFaces` that is one more distinct face with `contact:HASH`, where HASH is keyed.
    pub fn saw(&self, pattern: Pattern, subject: &str, studio: &str) {
        let now_s = crate::clock::now_s();
        let threshold = pattern.threshold(subject);
        if let Some(count) = self.counts.add(pattern, subject, now_s, threshold) {
            let (subject, studio) = (subject.to_owned(), studio.to_owned());
            // Full: the database does not keep up, and the same pattern is told again while it lasts.
            let _ = self.sightings.try_send(Sighting { pattern, subject, studio, count });
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
