//! The challenge that a guest's face has to pass: frames come in one by one, and each is answered with what to do
//! next.
//!
//! The engine judges; here are the nonce, the clock, the count of failures, and what follows from passing. Frames
//! are forgotten as soon as they are judged. The client is believed in nothing, and is shown no score.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::{Challenge, Guest, GuestId, Progress, Refusal, Template};
use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use super::register::note;
use super::session;
use crate::access::GuestVisit;
use crate::alert::Pattern;
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::ids::{is_id, new_id};
use crate::input::{Bytes, Path, Raw};
use crate::middleware::Encrypted;
use crate::ops::metrics;
use crate::state::App;

/// A challenge is over after so long.
const TIME_MAX: Duration = Duration::from_secs(90);
/// Challenges under way at once; each holds a few embeddings.
const UNDER_WAY_MAX: usize = 4096;
/// Failed challenges of a session before it has to wait, and for how long.
const FAILURES_MAX: i64 = 5;
const LOCKED_S: i64 = 180;
/// Different faces that may come with one contact.
const FACES_MAX: usize = 2;

/// The challenges under way, by their nonces.
#[derive(Default)]
pub struct Challenges(Mutex<HashMap<String, Arc<Mutex<UnderWay>>>>);

struct UnderWay {
    challenge: Challenge,
    session: String,
    begun: Instant,
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
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Mutex<UnderWay>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one for a session, whose earlier one ends. Errors: `Busy`.
    fn begin(&self, session: &str) -> Result<(String, String)> {
        let challenge = Challenge::random()?;
        let first = challenge.awaited().code().to_owned();
        let id = new_id()?;
        let mut map = self.map();
        // One that is being looked at is not over.
        map.retain(|_, other| {
            other
                .try_lock()
                .map_or(true, |other| other.session != session && other.begun.elapsed() < TIME_MAX)
        });
        if map.len() >= UNDER_WAY_MAX {
            return Err(Failure::new(Kind::Busy, "Too many people show their face.").retry_after(5));
        }
        let session = session.to_owned();
        let under_way = UnderWay { challenge, session, begun: Instant::now() };
        map.insert(id.clone(), Arc::new(Mutex::new(under_way)));
        Ok((id, first))
    }

    fn find(&self, id: &str) -> Option<Arc<Mutex<UnderWay>>> {
        self.map().get(id).cloned()
    }

    fn end(&self, id: &str) {
        self.map().remove(id);
    }
}

/// Begins a challenge. An earlier one of the session ends.
#[utoipa::path(post, path = "/guest/challenges", tag = "guest",
    responses((status = 201, body = NewChallenge)))]
pub async fn begin(
    State(app): State<App>,
    visit: GuestVisit,
) -> Result<(StatusCode, Json<NewChallenge>)> {
    let row = sqlx::query("SELECT failures, failed_unix_s FROM guest_sessions WHERE id = $1")
        .bind(&visit.session)
        .fetch_one(app.db().read())
        .await?;
    let (failures, last): (i64, i64) = (row.try_get("failures")?, row.try_get("failed_unix_s")?);
    let wait = last + LOCKED_S - now_s();
    if failures >= FAILURES_MAX && wait > 0 {
        let failure = Failure::new(Kind::TooMany, "Too many tries failed; wait before the next.");
        return Err(failure.retry_after(u64::try_from(wait).unwrap_or(1)));
    }
    let (id, guidance) = app.challenges().begin(&visit.session)?;
    let seconds = TIME_MAX.as_secs();
    Ok((StatusCode::CREATED, Json(NewChallenge { id, seconds, steps: 3, guidance })))
}

/// Shows the next frame: a JPEG of the camera's picture, some 640 pixels wide, a few each second.
#[utoipa::path(post, path = "/guest/challenges/{challenge}/frames", tag = "guest",
    params(("challenge" = String, Path)), request_body(content = Bytes, content_type = "image/jpeg"),
    responses((status = 200, body = ChallengeState)))]
pub async fn show(
    State(app): State<App>,
    visit: GuestVisit,
    Encrypted(encrypted): Encrypted,
    Path(id): Path<String>,
    Raw(frame): Raw,
) -> Result<Response> {
    let found = app.challenges().find(&id).filter(|_| is_id(&id));
    let under_way = found.ok_or_else(Failure::not_found)?;
    let session = visit.session.clone();
    let looked = app.faces().run(move |faces| {
        let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.session != session {
            return Err(Failure::not_found());
        }
        // By this clock alone, and before the looking, which takes its time.
        let at = under_way.begun.elapsed();
        let progress = match at > TIME_MAX {
            true => Progress::Failed(Refusal::TooLate),
            false => {
                let look = faces.pipeline()?.look(&*faces.liveness()?, &frame)?;
                let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                under_way.challenge.see(&look, at_ms)
            }
        };
        let template = match progress {
            Progress::Passed => Some(under_way.challenge.template(faces.pipeline()?.pack_id())?),
            _ => None,
        };
        Ok((progress, under_way.challenge.done(), template))
    });
    let (progress, done, template) = looked.await?;
    let state = |state: &str, guidance: Option<&str>, reason: Option<&str>| {
        let (guidance, reason) = (guidance.map(str::to_owned), reason.map(str::to_owned));
        Json(ChallengeState { state: state.to_owned(), guidance, reason, done })
    };
    match progress {
        Progress::Wait(guidance) => Ok(state("wait", Some(guidance.code()), None).into_response()),
        Progress::Failed(refusal) => {
            app.challenges().end(&id);
            metrics::count_challenge(refusal.code());
            failed(&app, &visit).await?;
            Ok(state("failed", None, Some(refusal.code())).into_response())
        }
        Progress::Passed => {
            app.challenges().end(&id);
            metrics::count_challenge("passed");
            let template = template.ok_or_else(|| Failure::internal("no template"))?;
            let token = passed(&app, &visit, template).await?;
            let cookie = [(header::SET_COOKIE, session::cookie(Some(&token), encrypted))];
            Ok((cookie, state("passed", None, None)).into_response())
        }
    }
}

/// Counts a failure; after some of them the session has to wait.
async fn failed(app: &App, visit: &GuestVisit) -> Result<()> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    sqlx::query(
        "UPDATE guest_sessions SET failures = CASE WHEN failed_unix_s < $1 THEN 1 ELSE failures + 1 END, \
         failed_unix_s = $2 WHERE id = $3",
    )
    .bind(now - LOCKED_S)
    .bind(now)
    .bind(&visit.session)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Makes the session one of the guest whose face was shown: one who is known by the same contact, or a new one.
/// The session's new token. Errors: `Forbidden` where too many faces come with one contact.
async fn passed(
    app: &App,
    visit: &GuestVisit,
    template: Template,
) -> Result<zeroize::Zeroizing<String>> {
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
    let Some(guest) = accepted.await? else {
        app.alerts().saw(Pattern::ManyFaces, &format!("contact:{contact}"), &visit.studio);
        let detail = "Other faces have come with this contact; use a contact of your own.";
        return Err(Failure::new(Kind::Forbidden, detail));
    };
    let guest = guest.to_string();
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
        return Err(Failure::new(Kind::SignedOut, "The visit has ended; open the link again."));
    }
    let token = session::verify(&mut tx, &visit.session, &guest).await?;
    if guest != visit.guest {
        // Who came back is one guest, with all their consents.
        sqlx::query("UPDATE guest_consents SET guest_id = $1 WHERE guest_id = $2")
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
