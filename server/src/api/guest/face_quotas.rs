//! Quotas of different faces: per contact, network, link and event.
//!
//! A face by camera answers the question whether its person is in the photos. A browser cannot attest its
//! camera, so a program with other people's photos could ask it about many people. The quotas count every
//! different face that is admitted, also after its guest has withdrawn; an exhausted quota delays further
//! faces and closes nothing. A face is different if its template matches no guest with the same contact
//! (`verification.rs`). No face data is stored: the counted faces are keyed hashes of guests' ids.

use std::net::IpAddr;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::alerts::Pattern;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::db::guests::FACES_COUNTED_S;
use crate::infra::rate_limit::{Quota, network};

/// Quota of different faces per proved contact in an event: one a day, also after its guest has withdrawn.
const CONTACT: Quota = Quota { capacity: 1, refill_s: 86_400 };

/// Number of people in an event's photos for which the quotas below are made.
const PEOPLE: usize = 100;
/// Maximum factor by which a larger event multiplies the quotas.
const FACTOR_MAX: usize = 10;

/// The quotas of an event with at most `PEOPLE` people in its photos. Of each pair, the first bounds how many
/// come at once, and the second how many come in a day.
struct FaceQuotas {
    network: Quota,
    link: [Quota; 2],
    event: [Quota; 2],
}

/// For guests who have proved their contact: 30 at once from one network (a party behind one address), then one
/// per 20 s.
const PROVED: FaceQuotas = FaceQuotas {
    network: Quota { capacity: 30, refill_s: 20 },
    link: [Quota { capacity: 60, refill_s: 10 }, per_day(300)],
    event: [Quota { capacity: 120, refill_s: 5 }, per_day(600)],
};
/// For guests with the face alone.
const FACE_ALONE: FaceQuotas = FaceQuotas {
    network: Quota { capacity: 15, refill_s: 60 },
    link: [Quota { capacity: 30, refill_s: 30 }, per_day(100)],
    event: [Quota { capacity: 60, refill_s: 15 }, per_day(200)],
};

/// Returns the quota of `units` a day; a day that begins unused has twice as many.
const fn per_day(units: i64) -> Quota {
    Quota { capacity: units, refill_s: 86_400 / units }
}

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
    let factor = i64::try_from(people.div_ceil(PEOPLE).clamp(1, FACTOR_MAX)).unwrap_or(1);
    Quota { capacity: quota.capacity * factor, refill_s: (quota.refill_s / factor).max(1) }
}

/// A subject for which a face counts.
struct CountedSubject {
    subject: String,
    quota: Quota,
    /// The subject of the alert.
    alert: String,
    /// Whether an exhausted quota refuses the face; others delay it.
    refuses: bool,
}

impl NewFace<'_> {
    /// Returns the subjects in the order of their names, so that concurrent transactions lock the rows in one
    /// order.
    fn subjects(&self) -> Vec<CountedSubject> {
        let (event, from) = (self.event, network(self.from));
        let quotas = if self.contact_proved { PROVED } else { FACE_ALONE };
        let mut subjects = Vec::new();
        if self.contact_proved {
            subjects.push(CountedSubject {
                subject: format!("faces:contact:{event}:{}", self.contact_hash),
                quota: CONTACT,
                alert: format!("contact:{}", self.contact_hash),
                refuses: true,
            });
        }
        let mut add = |subject: String, quota, alert: &str| {
            let (quota, alert) = (scaled(quota, self.people), alert.to_owned());
            subjects.push(CountedSubject { subject, quota, alert, refuses: false });
        };
        let [at_once, in_a_day] = quotas.event;
        let alert = format!("event:{event}");
        add(format!("faces:event-day:{event}"), in_a_day, &alert);
        add(format!("faces:event:{event}"), at_once, &alert);
        if let Some(id) = self.link {
            let [at_once, in_a_day] = quotas.link;
            let alert = format!("link:{id}");
            add(format!("faces:link-day:{id}"), in_a_day, &alert);
            add(format!("faces:link:{id}"), at_once, &alert);
        }
        let alert = format!("address:{from}");
        add(format!("faces:network:{event}:{from}"), quotas.network, &alert);
        subjects
    }
}

/// Counts a face for each subject that has not counted it within 24 hours.
///
/// # Errors
/// - `Forbidden` if the proved contact has shown another face within a day. Nothing is counted then.
/// - `TooManyRequests` with the time to wait, if another quota is used up. Nothing is counted then.
pub async fn count(app: &App, face: &NewFace<'_>) -> Result<()> {
    let mut tx = app.db.write().await?;
    let mut counted = Vec::new();
    for CountedSubject { subject, quota, alert, refuses } in face.subjects() {
        let key = app.vault.name("guest face", format!("{subject} {}", face.guest).as_bytes())?;
        if is_counted(&mut tx, &key).await? {
            continue;
        }
        let detail = "Many guests have come just now; your photos will open in a moment.";
        let taken = quota.take(&mut tx, &subject, detail).await;
        if taken.is_ok() || is_exhausted(&taken) {
            app.alerts.record(Pattern::ManyFaces, &alert, face.studio);
        }
        if is_exhausted(&taken) && refuses {
            let detail = "Another face has come with this contact within a day; register with a \
                          contact of your own, or ask the studio.";
            return Err(ApiError::new(ErrorKind::Forbidden, detail));
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

    /// Returns how many different faces are admitted in a day by one link, each with a contact of its own, if
    /// `networks` networks try every 30 s.
    fn admitted_in_a_day(quotas: &FaceQuotas, people: usize, networks: usize) -> i64 {
        let scaled = |quota| scaled(quota, people);
        let network = scaled(quotas.network);
        let shared = [quotas.event, quotas.link].concat().into_iter().map(scaled);
        let shared: Vec<Quota> = shared.collect();
        // The theoretical arrival times.
        let (mut whole, mut own) = (vec![0; shared.len()], vec![0; networks]);
        let (start, mut admitted) = (1_800_000_000, 0);
        for second in (0..86_400).step_by(30) {
            for own in &mut own {
                let now = start + second;
                let is_free = |whole: &[i64], own: i64| {
                    shared.iter().zip(whole).all(|(quota, whole)| quota.wait(*whole, now) == 0)
                        && network.wait(own, now) == 0
                };
                while is_free(&whole, *own) {
                    admitted += 1;
                    *own = network.after(*own, now);
                    for (quota, whole) in shared.iter().zip(&mut whole) {
                        *whole = quota.after(*whole, now);
                    }
                }
            }
        }
        admitted
    }

    #[test]
    fn a_link_admits_no_more_faces_in_a_day_from_more_networks() {
        for (name, quotas) in [("proved", PROVED), ("face alone", FACE_ALONE)] {
            for people in [0, 100, 150, 100_000] {
                let in_a_day = scaled(quotas.link[1], people);
                // A day that begins unused, and the units that come back in the day.
                let most = in_a_day.capacity + 86_400 / in_a_day.refill_s;
                for networks in [1, 64, 1000] {
                    let admitted = admitted_in_a_day(&quotas, people, networks);
                    println!("{name}, {people} people, {networks} networks: {admitted} of {most}");
                    assert!((in_a_day.capacity..=most).contains(&admitted), "{admitted}");
                }
            }
        }
    }

    #[test]
    fn larger_events_get_more_and_the_face_alone_gets_less() {
        let of = |people| scaled(PROVED.network, people);
        assert_eq!((of(0).capacity, of(0).refill_s), (30, 20));
        assert_eq!((of(100).capacity, of(101).capacity, of(101).refill_s), (30, 60, 10));
        assert_eq!((of(100_000).capacity, of(100_000).refill_s), (300, 2));
        for (proved, alone) in [
            (PROVED.network, FACE_ALONE.network),
            (PROVED.link[0], FACE_ALONE.link[0]),
            (PROVED.link[1], FACE_ALONE.link[1]),
            (PROVED.event[0], FACE_ALONE.event[0]),
            (PROVED.event[1], FACE_ALONE.event[1]),
        ] {
            assert!(alone.capacity < proved.capacity && alone.refill_s > proved.refill_s);
            // A dozen guests who come at once behind one address are not delayed.
            assert!(alone.capacity >= 12);
        }
    }
}
