use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use picpick_engine::liveness::{Challenge, FramePrint, Progress, ScreenTint};

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::ids::new_id;
use crate::infra::rate_limit::network;

/// Time limit of a challenge, 90 s.
pub const TIME_MAX: Duration = Duration::from_secs(90);
/// Maximum number of concurrent challenges; each holds a few embeddings.
const RUNNING_MAX: usize = 4096;

/// The registry of running challenges, by nonce.
#[derive(Default)]
pub struct ChallengeRegistry(Mutex<HashMap<String, Arc<RunningChallenge>>>);

/// A running challenge.
pub struct RunningChallenge {
    pub who: ChallengeSubject,
    pub begun: Instant,
    /// Whether a frame was received.
    pub shown: AtomicBool,
    /// Locked while a frame is analysed.
    challenge: Mutex<Challenge>,
}

impl RunningChallenge {
    /// Locks the challenge for one frame. Does not wait for the lock, because a waiting request would occupy a
    /// concurrency slot that another request could use.
    ///
    /// # Errors
    /// - `TooManyRequests` while another frame is analysed.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, Challenge>> {
        self.challenge.try_lock().ok_or_else(|| {
            let detail = "Send one frame at a time: wait for the response to the previous one.";
            ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(1)
        })
    }
}

/// A challenge that has just begun.
pub struct BegunChallenge {
    /// The nonce.
    pub id: String,
    /// The first instruction, a code of `Guidance`.
    pub guidance: &'static str,
    /// Number of head turns.
    pub turns: usize,
    /// The tint of the screen for the first frame.
    pub tint: ScreenTint,
}

/// A challenge that its guest has abandoned after at least one frame.
pub struct AbandonedChallenge {
    pub who: ChallengeSubject,
    /// The prints of its frames, which the event remembers.
    pub prints: Vec<FramePrint>,
}

/// The subjects that a challenge is counted for: session, contact and network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeSubject {
    pub event: String,
    pub session: String,
    pub contact: String,
    pub network: IpAddr,
}

impl ChallengeSubject {
    /// Creates the subjects of a session of a guest of `event`, whose contact has the pseudonym
    /// `contact_hash`.
    pub fn new(event: &str, session: &str, contact_hash: &str, from: IpAddr) -> Self {
        let (event, session) = (event.to_owned(), session.to_owned());
        let contact = format!("{event}:{contact_hash}");
        Self { event, session, contact, network: network(from) }
    }
}

impl ChallengeRegistry {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<RunningChallenge>>> {
        self.0.lock()
    }

    /// Removes this session's previous challenge and all expired challenges. Returns the removed challenges
    /// that were abandoned after at least one frame.
    pub fn remove_ended(&self, session: &str) -> Vec<AbandonedChallenge> {
        let mut left = Vec::new();
        self.map().retain(|_, other| {
            let over = other.who.session == session || other.begun.elapsed() >= TIME_MAX;
            // A challenge whose frame is being analysed is kept.
            let Some(challenge) = other.try_lock().ok().filter(|_| over) else { return true };
            // A client that disconnected before it received the failure has abandoned the challenge, too.
            let passed = challenge.verdict() == Some(Progress::Passed);
            if other.shown.load(Ordering::SeqCst) && !passed {
                let prints = challenge.prints().to_vec();
                left.push(AbandonedChallenge { who: other.who.clone(), prints });
            }
            false
        });
        left
    }

    /// Removes the challenges that are counted for `contact`: an event's ID and a contact's pseudonym.
    pub fn remove_of(&self, contact: &str) {
        self.map().retain(|_, other| other.who.contact != contact);
    }

    /// Adds a challenge.
    ///
    /// # Errors
    /// - `Busy` if `RUNNING_MAX` challenges are running.
    pub fn begin(&self, who: ChallengeSubject) -> Result<BegunChallenge> {
        let challenge = Challenge::random()?;
        let (guidance, id) = (challenge.awaited().code(), new_id()?);
        let (turns, tint) = (challenge.turns().len(), challenge.tint());
        let mut map = self.map();
        if map.len() >= RUNNING_MAX {
            let detail = "Too many challenges are running; try again in 5 seconds.";
            return Err(ApiError::new(ErrorKind::Busy, detail).retry_after(5));
        }
        let (begun, shown, challenge) =
            (Instant::now(), AtomicBool::new(false), Mutex::new(challenge));
        map.insert(id.clone(), Arc::new(RunningChallenge { who, begun, shown, challenge }));
        Ok(BegunChallenge { id, guidance, turns, tint })
    }

    /// Returns a challenge of this session.
    ///
    /// # Errors
    /// - `NotFound` if the session has no such challenge.
    pub fn find(&self, id: &str, session: &str) -> Result<Arc<RunningChallenge>> {
        let found = self.map().get(id).filter(|found| found.who.session == session).cloned();
        found.ok_or_else(ApiError::not_found)
    }

    /// Removes a challenge. Of several concurrent calls, one succeeds.
    ///
    /// # Errors
    /// - `NotFound` if the challenge was removed already.
    pub fn end(&self, id: &str) -> Result<()> {
        self.map().remove(id).map(drop).ok_or_else(ApiError::not_found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(session: &str) -> ChallengeSubject {
        ChallengeSubject::new("event", session, "contact", std::net::Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn a_challenge_takes_one_frame_at_a_time_and_is_its_sessions_own() {
        let challenges = ChallengeRegistry::default();
        let id = challenges.begin(who("one")).unwrap().id;
        assert_eq!(challenges.find(&id, "two").err().unwrap().kind, ErrorKind::NotFound);
        let under_way = challenges.find(&id, "one").unwrap();
        let looking = under_way.try_lock().unwrap();
        let refused = under_way.try_lock().err().unwrap();
        assert_eq!((refused.kind, refused.retry_after_s), (ErrorKind::TooManyRequests, Some(1)));
        // While a frame is analysed, the challenge is not removed.
        assert!(challenges.remove_ended("one").is_empty() && challenges.find(&id, "one").is_ok());
        drop(looking);
        assert!(challenges.remove_ended("two").is_empty() && challenges.find(&id, "one").is_ok());
        assert!(challenges.end(&id).is_ok() && challenges.end(&id).is_err());
    }

    #[test]
    fn what_was_shown_a_frame_and_left_is_told() {
        let challenges = ChallengeRegistry::default();
        challenges.begin(who("one")).unwrap();
        assert!(challenges.remove_ended("one").is_empty(), "no frame was shown");
        let id = challenges.begin(who("one")).unwrap().id;
        challenges.find(&id, "one").unwrap().shown.store(true, Ordering::SeqCst);
        let left = challenges.remove_ended("one");
        assert_eq!(left.iter().map(|left| &left.who).collect::<Vec<_>>(), [&who("one")]);
        assert!(challenges.find(&id, "one").is_err());
    }
}
