//! Quotas of different faces: per contact, network, link and event.
//!
//! A face by camera answers the question whether its person is in the photos. A browser cannot attest its
//! camera, so a program with other people's photos could ask it about many people. The quotas count every
//! different face that is admitted, also after its guest has withdrawn; an exhausted quota delays further
//! faces and closes nothing. A face is different if its template matches no guest with the same contact
//! (`verification.rs`). No face data is stored: the counted faces are keyed hashes of guests' ids.

use std::net::IpAddr;

use crate::app::App;
use crate::error::{ErrorKind, Result};
use crate::infra::alerts::Pattern;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::db::guests::FACES_COUNTED_S;
use crate::infra::rate_limit::{Quota, network};

/// Quota of different faces per proved contact in an event: 4, then one per 6 hours. At most two of them are
/// guests at one time.
const CONTACT: Quota = Quota { capacity: 4, refill_s: 6 * 3600 };

/// Number of people in an event's photos for which the quotas below are made.
const PEOPLE: usize = 100;
/// Maximum factor by which a larger event multiplies the quotas.
const FACTOR_MAX: usize = 10;

/// The quotas of an event with at most `PEOPLE` people in its photos.
struct FaceQuotas {
    network: Quota,
    link: Quota,
    event: Quota,
}

/// For guests who have proved their contact: 30 at once from one network (a party behind one address), then one
/// per 20 s.
const PROVED: FaceQuotas = FaceQuotas {
    network: Quota { capacity: 30, refill_s: 20 },
    link: Quota { capacity: 60, refill_s: 10 },
    event: Quota { capacity: 120, refill_s: 5 },
};
/// For guests with the face alone.
const FACE_ALONE: FaceQuotas = FaceQuotas {
    network: Quota { capacity: 15, refill_s: 60 },
    link: Quota { capacity: 30, refill_s: 30 },
    event: Quota { capacity: 60, refill_s: 15 },
};

/// A face that is to be admitted.
pub struct NewFace<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    /// The guest whom the face belongs to.
    pub guest: &'a str,
    pub contact_hash: &'a str,
    pub contact_proved: bool,
    /// The guest link by which the guest came.
    pub link: Option<&'a str>,
    pub from: IpAddr,
    /// Number of people in the event's photos.
    pub people: usize,
}

/// Multiplies a quota for an event with `people` people in its photos.
fn scaled(quota: Quota, people: usize) -> Quota {
    let factor = i64::try_from((people / PEOPLE).clamp(1, FACTOR_MAX)).unwrap_or(1);
    Quota { capacity: quota.capacity * factor, refill_s: (quota.refill_s / factor).max(1) }
}

impl NewFace<'_> {
    /// Returns the subjects of the quotas, with the subjects of the alerts. In the order of the names, so that
    /// concurrent transactions lock the rows in one order.
    fn subjects(&self) -> Vec<(String, Quota, String)> {
        let (event, from) = (self.event, network(self.from));
        let quotas = if self.contact_proved { PROVED } else { FACE_ALONE };
        let FaceQuotas { network, link, event: whole } = quotas;
        let mut subjects = Vec::new();
        if self.contact_proved {
            let subject = format!("faces:contact:{event}:{}", self.contact_hash);
            subjects.push((subject, CONTACT, format!("contact:{}", self.contact_hash)));
        }
        let subject = format!("faces:event:{event}");
        subjects.push((subject, scaled(whole, self.people), format!("event:{event}")));
        if let Some(id) = self.link {
            let quota = scaled(link, self.people);
            subjects.push((format!("faces:link:{id}"), quota, format!("link:{id}")));
        }
        let subject = format!("faces:network:{event}:{from}");
        subjects.push((subject, scaled(network, self.people), format!("address:{from}")));
        subjects
    }
}

/// Counts a face for each subject that has not counted it within 24 hours.
///
/// # Errors
/// - `TooManyRequests` with the time to wait, if a quota is used up. Nothing is counted then.
pub async fn count(app: &App, face: &NewFace<'_>) -> Result<()> {
    let mut tx = app.db.write().await?;
    let mut counted = Vec::new();
    for (subject, quota, alert) in face.subjects() {
        let key = app.vault.name("guest face", format!("{subject} {}", face.guest).as_bytes())?;
        if is_counted(&mut tx, &key).await? {
            continue;
        }
        let detail = "Many guests have come just now; your photos will open in a moment.";
        let taken = quota.take(&mut tx, &subject, detail).await;
        if taken.is_ok() || is_exhausted(&taken) {
            app.alerts.record(Pattern::ManyFaces, &alert, face.studio);
        }
        taken?;
        counted.push(key);
    }
    for key in counted {
        note(&mut tx, &key, face.event).await?;
    }
    Ok(tx.commit().await?)
}

fn is_exhausted(taken: &Result<()>) -> bool {
    taken.as_ref().is_err_and(|failure| failure.kind == ErrorKind::TooManyRequests)
}

async fn is_counted(tx: &mut Tx, key: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT face_key FROM guest_faces_counted WHERE face_key = $1 AND counted_unix_s > $2",
    )
    .bind(key)
    .bind(now_s() - FACES_COUNTED_S)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

async fn note(tx: &mut Tx, key: &str, event: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO guest_faces_counted (face_key, event_id, counted_unix_s) VALUES ($1, $2, $3) \
         ON CONFLICT (face_key) DO UPDATE SET counted_unix_s = excluded.counted_unix_s",
    )
    .bind(key)
    .bind(event)
    .bind(now_s())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_events_get_more_and_the_face_alone_gets_less() {
        let of = |people| scaled(PROVED.network, people);
        assert_eq!((of(0).capacity, of(0).refill_s), (30, 20));
        assert_eq!((of(199).capacity, of(250).capacity, of(250).refill_s), (30, 60, 10));
        assert_eq!((of(100_000).capacity, of(100_000).refill_s), (300, 2));
        for (proved, alone) in [
            (PROVED.network, FACE_ALONE.network),
            (PROVED.link, FACE_ALONE.link),
            (PROVED.event, FACE_ALONE.event),
        ] {
            assert!(alone.capacity < proved.capacity && alone.refill_s > proved.refill_s);
            // A dozen guests who come at once behind one address are not delayed.
            assert!(alone.capacity >= 12);
        }
    }
}
