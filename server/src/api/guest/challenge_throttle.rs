//! Delays the next challenge after too many failed or abandoned challenges.
//!
//! Challenges are counted by session, by contact in the event and by network. The count by contact also
//! covers further registrations with the contact. The limits by network are high, because a venue's guests
//! share one address. An attacker who uses up the quotas of a guest's contact delays the guest by at most
//! 30 s after the last attempt.

use std::net::IpAddr;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::GuestSession;
use crate::infra::challenge_registry::{AbandonedChallenge, ChallengeSubject};
use crate::infra::db::guests;
use crate::infra::rate_limit::Quota;

/// Quota of failed challenges per session: 5, then one per 36 s.
const FAILED_SESSION: Quota = Quota { capacity: 5, refill_s: 36 };
/// Quota of failed challenges per contact, which a family may share: 10, then one per 18 s.
const FAILED_CONTACT: Quota = Quota { capacity: 10, refill_s: 18 };
/// Quota of failed challenges per network: 300, then one per second.
const FAILED_NETWORK: Quota = Quota { capacity: 300, refill_s: 1 };
/// Quota of challenges that a session abandons after at least one frame: 20, then one per minute. It is four
/// times that of failed ones, because guests also abandon a challenge whose head turn they cannot do. It is
/// limited, because an attacker abandons challenges whose head turns do not match a recording.
const ABANDONED_SESSION: Quota = Quota { capacity: 20, refill_s: 60 };
/// Quota of abandoned challenges per contact: 40, then one per 30 s.
const ABANDONED_CONTACT: Quota = Quota { capacity: 40, refill_s: 30 };
/// Quota of abandoned challenges per network: 1,200, then one per second.
const ABANDONED_NETWORK: Quota = Quota { capacity: 1200, refill_s: 1 };

/// Returns the subjects that a session's challenges are counted for. `from` is the client's address.
pub async fn subject_of(app: &App, visit: &GuestSession, from: IpAddr) -> Result<ChallengeSubject> {
    let contact = guests::contact_hash(&app.db, &visit.guest).await?;
    Ok(ChallengeSubject::new(&visit.event, &visit.session, &contact, from))
}

fn failed_quotas(who: &ChallengeSubject) -> [(String, Quota); 3] {
    [
        (format!("failed:session:{}", who.session), FAILED_SESSION),
        (format!("failed:contact:{}", who.contact), FAILED_CONTACT),
        (format!("failed:network:{}", who.network), FAILED_NETWORK),
    ]
}

fn left_quotas(who: &ChallengeSubject) -> [(String, Quota); 3] {
    [
        (format!("left:session:{}", who.session), ABANDONED_SESSION),
        (format!("left:contact:{}", who.contact), ABANDONED_CONTACT),
        (format!("left:network:{}", who.network), ABANDONED_NETWORK),
    ]
}

/// Checks whether the session may begin a challenge.
///
/// # Errors
/// - `TooManyRequests`, with the time to wait, if too many challenges failed or were abandoned.
pub async fn check_lockout(app: &App, who: &ChallengeSubject) -> Result<()> {
    let mut wait = 0;
    for (subject, budget) in failed_quotas(who).into_iter().chain(left_quotas(who)) {
        wait = wait.max(budget.wait_s(&app.db, &subject).await?);
    }
    if wait > 0 {
        let detail = format!("Too many attempts failed or were abandoned; try again in {wait} s.");
        let failure = ApiError::new(ErrorKind::TooManyRequests, detail);
        return Err(failure.retry_after(u64::try_from(wait).unwrap_or(1)));
    }
    Ok(())
}

/// Records a failed challenge for the session, the contact and the network.
pub async fn record_failed(app: &App, who: &ChallengeSubject) -> Result<()> {
    note(app, failed_quotas(who).into()).await
}

/// Records abandoned challenges for their sessions, contacts and networks.
pub async fn record_abandoned(app: &App, all: &[AbandonedChallenge]) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    note(app, all.iter().flat_map(|left| left_quotas(&left.who)).collect()).await
}

async fn note(app: &App, mut subjects: Vec<(String, Quota)>) -> Result<()> {
    // Rows are locked in one order, so that concurrent transactions do not deadlock.
    subjects.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut tx = app.db.write().await?;
    for (subject, budget) in subjects {
        budget.note(&mut tx, &subject).await?;
    }
    Ok(tx.commit().await?)
}
