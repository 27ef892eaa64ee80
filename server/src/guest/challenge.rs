//! The challenge that a guest's face has to pass: frames come in one by one, and each is answered with what to do
//! next.
//!
//! The engine judges, and `strikes.rs` counts what comes to nothing; here are the nonce, the clock, and what follows from passing. Frames
//! are forgotten as soon as they are judged. The client is believed in nothing, and is shown no score.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::{Challenge, Guest, GuestId, Progress, Refusal, Template};
use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use super::leave::Leaving;
use super::register::note;
use super::session;
use super::strays;
use super::strikes::{self, Who};
use crate::access::GuestVisit;
use crate::alert::Pattern;
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::ids::new_id;
use crate::input::{Bytes, Path, Raw};
use crate::middleware::{ClientAddress, Encrypted, Place};
use crate::ops::metrics;
use crate::state::App;

/// A challenge is over after so long.
const TIME_MAX: Duration = Duration::from_secs(90);
/// Challenges under way at once; each holds a few embeddings.
const UNDER_WAY_MAX: usize = 4096;
/// Different faces that may come with one contact.
const FACES_MAX: usize = 2;

/// The challenges under way, by their nonces.
#[derive(Default)]
pub struct Challenges(Mutex<HashMap<String, Arc<UnderWay>>>);

struct UnderWay {
    who: Who,
    begun: Instant,
    /// Whether a frame was shown.
    shown: AtomicBool,
    /// Locked while a frame is looked at.
    challenge: Mutex<Challenge>,
}

impl UnderWay {
    /// The challenge, for one frame. Errors: `TooMany` while another frame is looked at: whoever waited would hold a
    /// place that somebody else could use.
    fn seize(&self) -> Result<MutexGuard<'_, Challenge>> {
        match self.challenge.try_lock() {
            Ok(challenge) => Ok(challenge),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let detail = "One frame at a time: send the next one when this one is answered.";
                Err(Failure::new(Kind::TooMany, detail).retry_after(1))
            }
        }
    }
}

/// A challenge that has begun.
#[derive(Serialize, ToSchema)]
pub struct NewChallenge {
    /// Good once, for 90 seconds.
    pub id: String,
    pub seconds: u64,
    /// Turns that will be asked for, one after the other.
    pub steps: usize,
    /// What to do first.
    pub guidance: String,
}

/// How a challenge stands after a frame.
#[derive(Serialize, ToSchema)]
pub struct ChallengeState {
    /// `wait`: send the next frame; `passed`; `failed`: begin another challenge.
    pub state: String,
    /// What to do, while it waits: `look_straight`, `turn_left`, `turn_right`, `turn_up`, `turn_down`,
    /// `no_face`, `one_face_only`, `closer`, `further`, `brighter`, `hold_still`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<String>,
    /// Why it failed: `too_late`, `too_fast`, `another_person`, `many_faces`, `no_face`, `wrong_turn`, `flat`,
    /// `attack`, `replay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Turns done so far.
    pub done: usize,
}

impl Challenges {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<UnderWay>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session's earlier challenges, and those whose time is over; who has left one after a frame or more.
    fn clear(&self, session: &str) -> Vec<Who> {
        let mut left = Vec::new();
        self.map().retain(|_, other| {
            let over = other.who.session == session || other.begun.elapsed() >= TIME_MAX;
            // One that is being looked at is not over.
            let Some(challenge) = other.seize().ok().filter(|_| over) else { return true };
            // Whoever hung up before they were told has left it, too.
            let passed = challenge.verdict() == Some(Progress::Passed);
            if other.shown.load(Ordering::SeqCst) && !passed {
                left.push(other.who.clone());
            }
            false
        });
        left
    }

    /// Begins one. Errors: `Busy`.
    fn begin(&self, who: Who) -> Result<(String, String)> {
        let challenge = Challenge::random()?;
        let first = challenge.awaited().code().to_owned();
        let id = new_id()?;
        let mut map = self.map();
        if map.len() >= UNDER_WAY_MAX {
            return Err(Failure::new(Kind::Busy, "Too many people show their face.").retry_after(5));
        }
        let (begun, shown, challenge) =
            (Instant::now(), AtomicBool::new(false), Mutex::new(challenge));
        map.insert(id.clone(), Arc::new(UnderWay { who, begun, shown, challenge }));
        Ok((id, first))
    }

    /// The session's own challenge. Errors: `NotFound`.
    fn find(&self, id: &str, session: &str) -> Result<Arc<UnderWay>> {
        let found = self.map().get(id).filter(|found| found.who.session == session).cloned();
        found.ok_or_else(Failure::not_found)
    }

    /// Ends one; of several answers that end it, one follows. Errors: `NotFound` for the others.
    fn end(&self, id: &str) -> Result<()> {
        self.map().remove(id).map(drop).ok_or_else(Failure::not_found)
    }
}

/// Begins a challenge. An earlier one of the session ends.
#[utoipa::path(post, path = "/guest/challenges", tag = "guest",
    responses((status = 201, body = NewChallenge)))]
pub async fn begin(
    State(app): State<App>,
    visit: GuestVisit,
    ClientAddress(from): ClientAddress,
) -> Result<(StatusCode, Json<NewChallenge>)> {
    let who = Who::of(&app, &visit, from).await?;
    let left = app.challenges().clear(&who.session);
    left.iter().for_each(|_| metrics::count_challenge("left"));
    strikes::left(&app, &left).await?;
    strikes::must_not_wait(&app, &who).await?;
    let (id, guidance) = app.challenges().begin(who)?;
    let seconds = TIME_MAX.as_secs();
    Ok((StatusCode::CREATED, Json(NewChallenge { id, seconds, steps: 3, guidance })))
}

/// Shows the next frame: a JPEG of the camera's picture, some 640 pixels wide (4 megapixels at most), a few each
/// second and one at a time.
#[utoipa::path(post, path = "/guest/challenges/{challenge}/frames", tag = "guest",
    params(("challenge" = String, Path)), request_body(content = Bytes, content_type = "image/jpeg"),
    responses((status = 200, body = ChallengeState)))]
pub async fn show(
    State(app): State<App>,
    visit: GuestVisit,
    place: Place,
    Encrypted(encrypted): Encrypted,
    Path(id): Path<String>,
    Raw(frame): Raw,
) -> Result<Response> {
    let under_way = app.challenges().find(&id, &visit.session)?;
    let who = under_way.who.clone();
    let looked = app.faces().run_in(place, move |faces| {
        let mut challenge = under_way.seize()?;
        under_way.shown.store(true, Ordering::SeqCst);
        // By this clock alone, and before the looking, which takes its time.
        let at = under_way.begun.elapsed();
        let progress = match challenge.verdict() {
            Some(verdict) => verdict,
            None if at > TIME_MAX => Progress::Failed(Refusal::TooLate),
            None => {
                let look = faces.pipeline()?.look(&*faces.liveness()?, &frame)?;
                let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                challenge.see(&look, at_ms)
            }
        };
        let template = match progress {
            Progress::Passed => Some(challenge.template(faces.pipeline()?.pack_id())?),
            _ => None,
        };
        Ok((progress, challenge.done(), template))
    });
    let (progress, done, template) = looked.await?;
    let state = |state: &str, guidance: Option<&str>, reason: Option<&str>| {
        let (guidance, reason) = (guidance.map(str::to_owned), reason.map(str::to_owned));
        Json(ChallengeState { state: state.to_owned(), guidance, reason, done })
    };
    match progress {
        Progress::Wait(guidance) => Ok(state("wait", Some(guidance.code()), None).into_response()),
        Progress::Failed(refusal) => {
            app.challenges().end(&id)?;
            metrics::count_challenge(refusal.code());
            strikes::failed(&app, &who).await?;
            Ok(state("failed", None, Some(refusal.code())).into_response())
        }
        Progress::Passed => {
            app.challenges().end(&id)?;
            metrics::count_challenge("passed");
            let template = template.ok_or_else(|| Failure::internal("no template"))?;
            let token = passed(&app, &visit, template).await?;
            let cookie = [(header::SET_COOKIE, session::cookie(Some(&token), encrypted))];
            Ok((cookie, state("passed", None, None)).into_response())
        }
    }
}

/// Whose face was shown: somebody's who is known by the same contact, or the visit's own guest's, who has a template
/// now. Errors: `Forbidden` where too many faces come with one contact.
async fn recognised(app: &App, visit: &GuestVisit, template: Template) -> Result<String> {
    let row = sqlx::query("SELECT contact_hash FROM guests WHERE id = $1")
        .bind(&visit.guest)
        .fetch_one(app.db().read())
        .await?;
    let contact: String = row.try_get("contact_hash")?;
    let known = sqlx::query(
        "SELECT id FROM guests WHERE event_id = $1 AND contact_hash = $2 AND verified_unix_s IS NOT NULL \
         AND leaving_unix_s IS NULL ORDER BY created_unix_s, id",
    )
    .bind(&visit.event)
    .bind(&contact)
    .fetch_all(app.db().read())
    .await?;
    let known = known.iter().map(|row| Ok(row.try_get::<String, _>("id")?.parse()?));
    let known: Vec<GuestId> = known.collect::<Result<_>>()?;
    let (event, own): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let accepted = app.faces().run(move |faces| {
        let collection = &faces.event(&event)?.collection;
        if let Some(same) = collection.guest_like(&template, &known) {
            collection.renew_guest(&same, template)?;
            return Ok(Some(same));
        }
        if known.contains(&own) || known.len() >= FACES_MAX {
            return Ok(None);
        }
        collection.put_guest(&Guest::new(own, template))?;
        Ok(Some(own))
    });
    if let Some(guest) = accepted.await? {
        return Ok(guest.to_string());
    }
    app.alerts().saw(Pattern::ManyFaces, &format!("contact:{contact}"), &visit.studio);
    let detail = "Other faces have come with this contact; use a contact of your own.";
    Err(Failure::new(Kind::Forbidden, detail))
}

/// Makes the session one of the guest whose face was shown; its new token. Errors: `Forbidden` where too many faces
/// come with one contact, `SignedOut` where the guest has gone meanwhile.
async fn passed(
    app: &App,
    visit: &GuestVisit,
    template: Template,
) -> Result<zeroize::Zeroizing<String>> {
    let guest = recognised(app, visit, template).await?;
    let now = now_s();
    let mut tx = app.db().write().await?;
    let there = sqlx::query(
        "UPDATE guests SET verified_unix_s = $1 WHERE id = $2 AND leaving_unix_s IS NULL",
    )
    .bind(now)
    .bind(&guest)
    .execute(&mut *tx)
    .await?;
    if there.rows_affected() == 0 {
        drop(tx);
        // They went while their face was taken in. Of somebody known, `leave.rs` erases what was renewed.
        if guest == visit.guest && !visit.verified {
            let (studio, event) = (visit.studio.clone(), visit.event.clone());
            strays::erase(app, &Leaving { studio, event, guest, faces: false }).await?;
        }
        return Err(Failure::new(Kind::SignedOut, "The visit has ended; open the link again."));
    }
    let token = session::verify(&mut tx, &visit.session, &guest).await?;
    if guest != visit.guest {
        // Who came back is one guest, with all their consents; somebody else on the same device is not.
        sqlx::query(
            "UPDATE guest_consents SET guest_id = $1 WHERE guest_id = $2 AND EXISTS \
             (SELECT 1 FROM guests g WHERE g.id = $2 AND g.verified_unix_s IS NULL)",
        )
        .bind(&guest)
        .bind(&visit.guest)
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM guests WHERE id = $1 AND verified_unix_s IS NULL")
            .bind(&visit.guest)
            .execute(&mut *tx)
            .await?;
    }
    note(&mut tx, &visit.studio, &guest, "guest_verified", "").await?;
    tx.commit().await?;
    Ok(token)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn who(session: &str) -> Who {
        Who::new(session, "event:contact", std::net::Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn a_challenge_takes_one_frame_at_a_time_and_is_its_sessions_own() {
        let challenges = Challenges::default();
        let (id, _) = challenges.begin(who("one")).unwrap();
        assert_eq!(challenges.find(&id, "two").err().unwrap().kind, Kind::NotFound);
        let under_way = challenges.find(&id, "one").unwrap();
        let looking = under_way.seize().unwrap();
        let refused = under_way.seize().err().unwrap();
        assert_eq!((refused.kind, refused.retry_after_s), (Kind::TooMany, Some(1)));
        // While a frame is looked at, nothing takes the challenge away.
        assert!(challenges.clear("one").is_empty() && challenges.find(&id, "one").is_ok());
        drop(looking);
        assert!(challenges.clear("two").is_empty() && challenges.find(&id, "one").is_ok());
        assert!(challenges.end(&id).is_ok() && challenges.end(&id).is_err());
    }

    #[test]
    fn what_was_shown_a_frame_and_left_is_told() {
        let challenges = Challenges::default();
        challenges.begin(who("one")).unwrap();
        assert!(challenges.clear("one").is_empty(), "no frame was shown");
        let (id, _) = challenges.begin(who("one")).unwrap();
        challenges.find(&id, "one").unwrap().shown.store(true, Ordering::SeqCst);
        assert_eq!(challenges.clear("one"), [who("one")]);
        assert!(challenges.find(&id, "one").is_err());
    }
}
