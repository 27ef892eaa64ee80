//! Face verification: the client sends camera frames one by one, and each response contains the next
//! instruction.
//!
//! The engine judges the frames, `infra/challenge_registry.rs` holds the running challenges by nonce, and
//! `challenge_throttle.rs` limits failures. This file measures the time by the server's clock and acts on the
//! engine's verdict. Frames are discarded after the analysis; the event remembers prints of them, so that no
//! frame counts twice in an event. The client receives no score.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::Template;
use picpick_engine::liveness::{FailureReason, LightEvidence, Progress, ScreenTint};
use serde::Serialize;
use utoipa::ToSchema;

use super::challenge_throttle;
use super::contact::{Contact, open};
use super::contact_proof;
use super::session;
use super::verification::{self, Outcome};
use crate::api::event::guest_proof::GuestProof;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::GuestSession;
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::http::extract::{BinarySchema, Path, RawBody};
use crate::infra::admission::Slot;
use crate::infra::challenge_registry::{AbandonedChallenge, TIME_MAX};
use crate::infra::db::guests;
use crate::infra::telemetry::metrics;

/// A new challenge.
#[derive(Serialize, ToSchema)]
pub struct NewChallenge {
    /// The nonce of the challenge, valid for one challenge and for 90 seconds.
    pub id: String,
    /// Time limit of the challenge, seconds.
    pub seconds: u64,
    /// Number of head turns that the challenge requests, one after the other: 3 or 4.
    pub steps: usize,
    /// The first instruction, one of the values of `guidance` in `ChallengeState`.
    pub guidance: String,
    /// The colour of the screen for the first frame; see `light` in `ChallengeState`.
    #[schema(example = "#ffcdd7")]
    pub light: String,
}

/// The state of a challenge after a frame.
#[derive(Serialize, ToSchema)]
pub struct ChallengeState {
    /// `wait`: send the next frame. `passed`: the head turns are done. `failed`: begin another challenge.
    pub state: String,
    /// The instruction while the state is `wait`: `look_straight`, `turn_left`, `turn_right`, `turn_up`,
    /// `turn_down`, `no_face`, `one_face_only`, `closer`, `further`, `brighter`, `hold_still`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<String>,
    /// The colour of the screen for the next frame while the state is `wait`, `#rrggbb`. The client fills the
    /// screen around the camera's picture with it, and takes the next frame 200 ms after a change or later. A
    /// client that cannot, or whose user prefers reduced motion, ignores it: no challenge fails for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "#a5e1ff")]
    pub light: Option<String>,
    /// The reason if the state is `failed`: `too_late`, `too_fast`, `another_person`, `many_faces`,
    /// `no_face`, `wrong_turn`, `flat`, `attack`, `replay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of completed head turns.
    pub done: usize,
    /// What is missing if the state is `passed`; absent if the guest is verified. `code`: send the code from
    /// the e-mail to `PUT /guest/contact-code`, then call `POST /guest/verification`. `wait`: many guests have
    /// come just now; call `POST /guest/verification` after `retry_after_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Seconds to wait if `next` is `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// Begins a challenge and ends the session's previous challenge.
#[utoipa::path(post, path = "/guest/challenges", operation_id = "guest_challenge_create", tag = "guest",
    responses((status = 201, body = NewChallenge)))]
pub async fn begin(
    State(app): State<App>,
    visit: GuestSession,
    ClientAddress(from): ClientAddress,
) -> Result<(StatusCode, Json<NewChallenge>)> {
    check_provable(&app, &visit).await?;
    let who = challenge_throttle::subject_of(&app, &visit, from).await?;
    let left = app.challenges.remove_ended(&who.session);
    left.iter().for_each(|_| metrics::count_challenge("abandoned"));
    challenge_throttle::record_abandoned(&app, &left).await?;
    remember_abandoned(&app, left).await?;
    challenge_throttle::check_lockout(&app, &who).await?;
    let begun = app.challenges.begin(who)?;
    let challenge = NewChallenge {
        id: begun.id,
        seconds: TIME_MAX.as_secs(),
        steps: begun.turns,
        guidance: begun.guidance.to_owned(),
        light: colour(begun.tint),
    };
    Ok((StatusCode::CREATED, Json(challenge)))
}

/// Returns a tint as `#rrggbb`.
fn colour(tint: ScreenTint) -> String {
    let [red, green, blue] = tint.rgb();
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Makes events remember the frames of abandoned challenges.
async fn remember_abandoned(app: &App, left: Vec<AbandonedChallenge>) -> Result<()> {
    if left.iter().all(|left| left.prints.is_empty()) {
        return Ok(());
    }
    let remembered = app.face_engine.run(move |faces| {
        for AbandonedChallenge { who, prints } in left {
            // An event that is being purged, or does not open, must not stop the guests of others.
            let event = who.event.as_str();
            let stored = faces
                .open_collection(event)
                .and_then(|open| Ok(open.collection.remember_frames(&prints)?));
            if let Err(failure) = stored {
                tracing::warn!(event, reason = failure.reason(), "remembering frames failed");
            }
        }
        Ok(())
    });
    remembered.await
}

/// Checks that the guest can prove the contact if the event needs it, so that no guest turns the head in vain.
///
/// # Errors
/// - `Conflict` if the event needs a code and the contact is a telephone number.
async fn check_provable(app: &App, visit: &GuestSession) -> Result<()> {
    let own = guests::overview(&app.db, &visit.guest).await?;
    let proved = own.guest.contact_proved_unix_s.is_some();
    if proved || !GuestProof::stored(&own.guest_proof)?.needs_code() {
        return Ok(());
    }
    let contact = open(app, &visit.guest, "contact", &own.guest.contact)?;
    contact_proof::check_email(&Contact::parse(&contact)?)
}

/// Submits the next frame: a JPEG from the camera, about 640 pixels wide, at most 4 megapixels.
/// Clients send three to four frames a second, one at a time.
#[utoipa::path(post, path = "/guest/challenges/{challenge}/frames", operation_id = "guest_frame_submit", tag = "guest",
    params(("challenge" = String, Path)), request_body(content = BinarySchema, content_type = "image/jpeg"),
    responses((status = 200, body = ChallengeState)))]
pub async fn show(
    State(app): State<App>,
    visit: GuestSession,
    place: Slot,
    ClientAddress(from): ClientAddress,
    Encrypted(encrypted): Encrypted,
    Path(id): Path<String>,
    RawBody(frame): RawBody,
) -> Result<Response> {
    let under_way = app.challenges.find(&id, &visit.session)?;
    let event = visit.event.clone();
    let who = under_way.who.clone();
    let analysed = app.face_engine.run_with_permit(place, move |faces| {
        let mut challenge = under_way.try_lock()?;
        under_way.shown.store(true, Ordering::SeqCst);
        // The time is that of the server's clock, since a client could claim any time. The clock is read
        // before the analysis, so that a slow analysis does not count against the guest.
        let at = under_way.begun.elapsed();
        let progress = match challenge.verdict() {
            Some(verdict) => verdict,
            None if at > TIME_MAX => Progress::Failed(FailureReason::TooLate),
            None => {
                let analysis = faces.pipeline()?.analyse_frame(&*faces.liveness()?, &frame)?;
                let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                let collection = &faces.open_collection(&event)?.collection;
                collection.advance_challenge(&mut challenge, &analysis, at_ms)?
            }
        };
        let template = match progress {
            Progress::Passed => Some(challenge.template(faces.pipeline()?.pack_id())?),
            _ => None,
        };
        // Only the end of a challenge needs the evidence, which is compared with hundreds of orders.
        let light = match progress {
            Progress::Wait(_) => None,
            _ => Some(challenge.light_evidence()),
        };
        let (done, tint) = (challenge.done(), challenge.tint());
        Ok(FrameOutcome { progress, done, tint, template, light })
    });
    let FrameOutcome { progress, done, tint, template, light } = analysed.await?;
    let state = |state: &str, guidance: Option<&str>, reason: Option<&str>| {
        let (guidance, reason) = (guidance.map(str::to_owned), reason.map(str::to_owned));
        let light = guidance.is_some().then(|| colour(tint));
        let (state, next) = (state.to_owned(), None);
        Json(ChallengeState { state, guidance, light, reason, done, next, retry_after_s: None })
    };
    let code = match progress {
        Progress::Wait(guidance) => {
            return Ok(state("wait", Some(guidance.code()), None).into_response());
        }
        Progress::Failed(refusal) => refusal.code(),
        Progress::Passed => "passed",
    };
    app.challenges.end(&id)?;
    metrics::count_challenge(code);
    let light = light.ok_or_else(|| ApiError::internal("no evidence of the light"))?;
    metrics::record_challenge_light(code, light.agreement.code(), light.score);
    if progress != Progress::Passed {
        challenge_throttle::record_failed(&app, &who).await?;
        return Ok(state("failed", None, Some(code)).into_response());
    }
    let template = template.ok_or_else(|| ApiError::internal("no template"))?;
    let outcome = verification::passed(&app, &visit, template, light.agreement, from).await?;
    Ok(passed_response(outcome, state("passed", None, None), encrypted))
}

/// What a frame has led to.
struct FrameOutcome {
    progress: Progress,
    done: usize,
    /// The tint of the screen for the next frame.
    tint: ScreenTint,
    /// The person's template, if the challenge has passed.
    template: Option<Template>,
    /// `None` while the challenge is in progress.
    light: Option<LightEvidence>,
}

/// Returns the response to the last frame of a passed challenge; `answer` lacks what is still missing.
fn passed_response(
    outcome: Outcome,
    mut answer: Json<ChallengeState>,
    encrypted: bool,
) -> Response {
    match outcome {
        Outcome::Verified(token) => {
            let cookie = [(header::SET_COOKIE, session::cookie(&token, encrypted))];
            return (cookie, answer).into_response();
        }
        Outcome::CodeNeeded => answer.next = Some("code".to_owned()),
        Outcome::Wait(wait_s) => {
            (answer.next, answer.retry_after_s) = (Some("wait".to_owned()), Some(wait_s));
        }
    }
    answer.into_response()
}
