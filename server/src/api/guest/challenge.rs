//! Face verification: the client sends camera frames one by one, and each response contains the next
//! instruction.
//!
//! The engine judges the frames, `infra/challenge_registry.rs` holds the running challenges by nonce, and
//! `challenge_throttle.rs` limits failures. This file measures the time by the server's clock and acts on the
//! engine's verdict. Frames are discarded after the analysis. The client receives no score.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::guests::Guest;
use picpick_engine::liveness::{FailureReason, Progress};
use picpick_engine::{GuestId, Template};
use serde::Serialize;
use utoipa::ToSchema;

use super::challenge_throttle;
use super::session;
use crate::api::erasure::orphaned_templates;
use crate::api::erasure::receipts::FormerGuest;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{GuestSession, session_ended};
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::http::extract::{BinarySchema, Path, RawBody};
use crate::infra::admission::Slot;
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::record_guest;
use crate::infra::challenge_registry::TIME_MAX;
use crate::infra::clock::now_s;
use crate::infra::db::{consents, guests};
use crate::infra::telemetry::metrics;

/// Maximum number of different faces per contact and event.
const FACES_MAX: usize = 2;

/// A new challenge.
#[derive(Serialize, ToSchema)]
pub struct NewChallenge {
    /// The nonce of the challenge, valid for one challenge and for 90 seconds.
    pub id: String,
    /// Time limit of the challenge, seconds.
    pub seconds: u64,
    /// Number of head turns that the challenge requests, one after the other.
    pub steps: usize,
    /// The first instruction, one of the values of `guidance` in `ChallengeState`.
    pub guidance: String,
}

/// The state of a challenge after a frame.
#[derive(Serialize, ToSchema)]
pub struct ChallengeState {
    /// `wait`: send the next frame. `passed`: the guest is verified. `failed`: begin another challenge.
    pub state: String,
    /// The instruction while the state is `wait`: `look_straight`, `turn_left`, `turn_right`, `turn_up`,
    /// `turn_down`, `no_face`, `one_face_only`, `closer`, `further`, `brighter`, `hold_still`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<String>,
    /// The reason if the state is `failed`: `too_late`, `too_fast`, `another_person`, `many_faces`,
    /// `no_face`, `wrong_turn`, `flat`, `attack`, `replay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of completed head turns.
    pub done: usize,
}

/// Begins a challenge and ends the session's previous challenge.
#[utoipa::path(post, path = "/guest/challenges", operation_id = "guest_challenge_create", tag = "guest",
    responses((status = 201, body = NewChallenge)))]
pub async fn begin(
    State(app): State<App>,
    visit: GuestSession,
    ClientAddress(from): ClientAddress,
) -> Result<(StatusCode, Json<NewChallenge>)> {
    let who = challenge_throttle::subject_of(&app, &visit, from).await?;
    let left = app.challenges.remove_ended(&who.session);
    left.iter().for_each(|_| metrics::count_challenge("abandoned"));
    challenge_throttle::record_abandoned(&app, &left).await?;
    challenge_throttle::check_lockout(&app, &who).await?;
    let (id, guidance) = app.challenges.begin(who)?;
    let seconds = TIME_MAX.as_secs();
    Ok((StatusCode::CREATED, Json(NewChallenge { id, seconds, steps: 3, guidance })))
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
    Encrypted(encrypted): Encrypted,
    Path(id): Path<String>,
    RawBody(frame): RawBody,
) -> Result<Response> {
    let under_way = app.challenges.find(&id, &visit.session)?;
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
                challenge.advance(&analysis, at_ms)
            }
        };
        let template = match progress {
            Progress::Passed => Some(challenge.template(faces.pipeline()?.pack_id())?),
            _ => None,
        };
        Ok((progress, challenge.done(), template))
    });
    let (progress, done, template) = analysed.await?;
    let state = |state: &str, guidance: Option<&str>, reason: Option<&str>| {
        let (guidance, reason) = (guidance.map(str::to_owned), reason.map(str::to_owned));
        Json(ChallengeState { state: state.to_owned(), guidance, reason, done })
    };
    match progress {
        Progress::Wait(guidance) => Ok(state("wait", Some(guidance.code()), None).into_response()),
        Progress::Failed(refusal) => {
            app.challenges.end(&id)?;
            metrics::count_challenge(refusal.code());
            challenge_throttle::record_failed(&app, &who).await?;
            Ok(state("failed", None, Some(refusal.code())).into_response())
        }
        Progress::Passed => {
            app.challenges.end(&id)?;
            metrics::count_challenge("passed");
            let template = template.ok_or_else(|| ApiError::internal("no template"))?;
            let token = passed(&app, &visit, template).await?;
            let cookie = [(header::SET_COOKIE, session::cookie(&token, encrypted))];
            Ok((cookie, state("passed", None, None)).into_response())
        }
    }
}

/// Finds the guest of a verified face. If a verified guest with the same contact has a matching template,
/// replaces that template. Otherwise stores the template for the session's guest. Returns the guest's ID.
///
/// # Errors
/// - `Forbidden` if no template matches, and the session's guest is verified or the contact has `FACES_MAX`
///   faces.
async fn find_registered(app: &App, visit: &GuestSession, template: Template) -> Result<String> {
    let contact = guests::contact_hash(&app.db, &visit.guest).await?;
    let known = guests::verified_with_contact(&app.db, &visit.event, &contact).await?;
    let known = known.iter().map(|id| Ok(id.parse()?));
    let known: Vec<GuestId> = known.collect::<Result<_>>()?;
    let (event, own): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let accepted = app.face_engine.run(move |faces| {
        let collection = &faces.open_collection(&event)?.collection;
        if let Some(same) = collection.guest_like(&template, &known) {
            collection.replace_template(&same, template)?;
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
    app.alerts.record(Pattern::ManyFaces, &format!("contact:{contact}"), &visit.studio);
    let detail = "Guests with other faces use this contact; register with a contact of your own.";
    Err(ApiError::new(ErrorKind::Forbidden, detail))
}

/// Binds the session to the guest of the verified face. Returns the session's new token.
///
/// # Errors
/// - The errors of [`find_registered`].
/// - `Unauthenticated` if the guest was erased during verification.
async fn passed(
    app: &App,
    visit: &GuestSession,
    template: Template,
) -> Result<zeroize::Zeroizing<String>> {
    let guest = find_registered(app, visit, template).await?;
    let now = now_s();
    let mut tx = app.db.write().await?;
    if !guests::set_verified(&mut tx, &guest, now).await? {
        drop(tx);
        // The guest was erased during verification. The template of a new guest is erased here.
        // `api/erasure` erases the replaced template of a known guest.
        if guest == visit.guest && !visit.verified {
            let (studio, event) = (visit.studio.clone(), visit.event.clone());
            orphaned_templates::erase(app, &FormerGuest { studio, event, guest }).await?;
        }
        return Err(session_ended());
    }
    let token = session::verify(&mut tx, &visit.session, &guest).await?;
    if guest != visit.guest {
        // A returning guest has registered a second time: both registrations become one guest with all
        // consents. They are not merged if the session's guest was verified before, because that guest is
        // another person on the same device.
        consents::move_unverified(&mut tx, &visit.guest, &guest).await?;
        guests::delete_unverified(&mut tx, &visit.guest).await?;
    }
    record_guest(&mut tx, &visit.studio, &guest, "guest_verified", "").await?;
    tx.commit().await?;
    Ok(token)
}
