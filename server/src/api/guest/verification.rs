//! The verification of a guest, after the challenge has passed: proof of the contact, quotas of different
//! faces, template, session.
//!
//! Until all of them hold, the template of the passed face is in memory alone (`infra/passed_faces.rs`), and the
//! session sees no photos and no counts. Nothing that the guest is told before then depends on the event's
//! photos.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::guests::Guest;
use picpick_engine::liveness::LightAgreement;
use picpick_engine::{GuestId, Template};
use zeroize::Zeroizing;

use super::contact::{Contact, open};
use super::contact_proof;
use super::face_quotas::{self, NewFace};
use super::session;
use crate::api::erasure::orphaned_templates;
use crate::api::erasure::receipts::FormerGuest;
use crate::api::event::analysis_time;
use crate::api::event::guest_proof::GuestProof;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{GuestSession, session_ended};
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::guests::{self, ContactSharer, GuestOverview};
use crate::infra::db::{consents, events};
use crate::infra::passed_faces::PassedFace;

/// Maximum number of different faces with one proved contact in an event: a code shows that the guest reads the
/// mailbox, so a second face would be a second person whom one mailbox looks up.
const PROVED_FACES_MAX: usize = 1;
/// Maximum number of different faces with one contact that no guest has proved, for two who share a device.
const UNPROVED_FACES_MAX: usize = 2;

/// The outcome of a verification.
pub enum Outcome {
    /// The session is verified; the session's new token.
    Verified(Zeroizing<String>),
    /// The guest must prove the contact first.
    CodeNeeded,
    /// A quota of different faces is used up; seconds to wait.
    Wait(u64),
}

/// The guest to whom a passed face belongs.
enum FaceOwner {
    /// A guest with the same contact and a matching template.
    Known(GuestId),
    /// The session's guest, who is new.
    New(GuestId),
    /// The contact has other faces already.
    Refused,
}

/// Verifies the session of a passed face. The face stays held unless the session is verified or refused.
///
/// # Errors
/// - `Conflict` if no face of the session is held.
/// - `Forbidden` if no template matches, and the session's guest is verified or the contact has its
///   maximum of faces.
/// - `Unauthenticated` if the guest was erased during verification.
pub async fn complete(app: &App, visit: &GuestSession, from: IpAddr) -> Result<Outcome> {
    let face = app.passed_faces.take(&visit.session, &visit.guest).ok_or_else(|| {
        let detail = "Show your face to the camera first: begin a challenge.";
        ApiError::new(ErrorKind::Conflict, detail)
    })?;
    let outcome = decide(app, visit, &face, from).await;
    let ended = match &outcome {
        Ok(Outcome::Verified(_)) => true,
        Ok(Outcome::CodeNeeded | Outcome::Wait(_)) => false,
        Err(failure) => [ErrorKind::Forbidden, ErrorKind::Unauthenticated].contains(&failure.kind),
    };
    if !ended {
        app.passed_faces.put(&visit.session, face)?;
        // An erasure that began in the meantime found no face to drop.
        if guests::find(&app.db, &visit.event, &visit.guest).await.is_err() {
            app.passed_faces.forget_guest(&visit.guest);
        }
    }
    outcome
}

/// Holds the face of a passed challenge, and verifies the session if nothing else is needed.
///
/// # Errors
/// - The errors of [`complete`].
pub async fn passed(
    app: &App,
    visit: &GuestSession,
    template: Template,
    light: LightAgreement,
    from: IpAddr,
) -> Result<Outcome> {
    let face = PassedFace::new(&visit.guest, &visit.event, template, light);
    app.passed_faces.put(&visit.session, face)?;
    let outcome = complete(app, visit, from).await?;
    if matches!(outcome, Outcome::CodeNeeded)
        && !contact_proof::has_code(&app.db, &visit.guest).await?
    {
        let own = guests::overview(&app.db, &visit.guest).await?;
        let sent = contact_proof::send_to_visit(app, visit, &own, from).await;
        // The guest can ask for another code as soon as the contact has one left.
        sent.or_else(|failure| match failure.kind {
            ErrorKind::TooManyRequests => Ok(()),
            _ => Err(failure),
        })?;
    }
    Ok(outcome)
}

/// Completes the verification of a guest who has passed the challenge, after the contact's proof or after a
/// wait. The response sets the session cookie. `conflict`: a challenge or the code is missing.
/// `too_many_requests`: many faces have come, and the guest waits.
#[utoipa::path(post, path = "/guest/verification", operation_id = "guest_verification_create", tag = "guest",
    responses((status = 204)))]
pub async fn verify(
    State(app): State<App>,
    visit: GuestSession,
    ClientAddress(from): ClientAddress,
    Encrypted(encrypted): Encrypted,
) -> Result<Response> {
    match complete(&app, &visit, from).await? {
        Outcome::Verified(token) => {
            let cookie = [(header::SET_COOKIE, session::cookie(&token, encrypted))];
            Ok((StatusCode::NO_CONTENT, cookie).into_response())
        }
        Outcome::CodeNeeded => {
            let detail = "Enter the code from the e-mail first: PUT /guest/contact-code.";
            Err(ApiError::new(ErrorKind::Conflict, detail))
        }
        Outcome::Wait(wait_s) => {
            let detail = format!("Many guests have come just now; try again in {wait_s} s.");
            Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(wait_s))
        }
    }
}

async fn decide(
    app: &App,
    visit: &GuestSession,
    passed: &PassedFace,
    from: IpAddr,
) -> Result<Outcome> {
    let template = &passed.template;
    let own = guests::overview(&app.db, &visit.guest).await?;
    let proved = own.guest.contact_proved_unix_s.is_some();
    if GuestProof::stored(&own.guest_proof)?.needs_code() && !proved {
        return Ok(Outcome::CodeNeeded);
    }
    let hash = &own.guest.contact_hash;
    let sharers = guests::verified_with_contact(&app.db, &visit.event, hash).await?;
    let (owner, people) = find_owner(app, visit, template, proved, &sharers).await?;
    let (guest, is_new) = match owner {
        FaceOwner::Known(guest) => (guest, false),
        FaceOwner::New(guest) => (guest, true),
        FaceOwner::Refused => return refuse(app, visit, &own, &sharers),
    };
    let id = guest.to_string();
    let face = NewFace {
        event: &visit.event,
        studio: &visit.studio,
        guest: &id,
        contact_hash: hash,
        contact_proved: proved,
        link: own.guest.link.as_deref(),
        from,
        people,
    };
    match face_quotas::count(app, &face).await {
        Err(failure) if failure.kind == ErrorKind::TooManyRequests => {
            return Ok(Outcome::Wait(failure.retry_after_s.unwrap_or(60)));
        }
        counted => counted?,
    }
    let (event, template) = (visit.event.clone(), template.clone());
    let stored = app.face_engine.run(move |faces| {
        let collection = &faces.open_collection(&event)?.collection;
        match is_new {
            true => collection.put_guest(&Guest::new(guest, template))?,
            false => collection.replace_template(&guest, template)?,
        }
        Ok(())
    });
    stored.await?;
    bind(app, visit, &own, id, passed.light).await.map(Outcome::Verified)
}

/// Finds the guest to whom a face belongs, and counts the people in the event's photos.
///
/// Only proved faces count against a proved contact, so that strangers who came with the contact of another
/// person do not take it away from its owner.
async fn find_owner(
    app: &App,
    visit: &GuestSession,
    template: &Template,
    proved: bool,
    sharers: &[ContactSharer],
) -> Result<(FaceOwner, usize)> {
    let known = sharers.iter().map(|sharer| Ok(sharer.id.parse()?));
    let known: Vec<GuestId> = known.collect::<Result<_>>()?;
    let counted = sharers.iter().filter(|sharer| sharer.contact_proved || !proved).count();
    let faces_max = if proved { PROVED_FACES_MAX } else { UNPROVED_FACES_MAX };
    let (event, own): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let template = template.clone();
    app.face_engine
        .run(move |faces| {
            let collection = &faces.open_collection(&event)?.collection;
            let people = collection.read_gallery(|gallery| gallery.people().len());
            let owner = match collection.guest_like(&template, &known) {
                Some(same) => FaceOwner::Known(same),
                None if known.contains(&own) || counted >= faces_max => FaceOwner::Refused,
                None => FaceOwner::New(own),
            };
            Ok((owner, people))
        })
        .await
}

/// Refuses a further face of a contact. A guest who has not proved an e-mail address gets the chance to prove
/// that it is theirs: unproved faces do not count then.
///
/// # Errors
/// - `Forbidden` if the contact cannot be proved, is proved already, or the session has a guest of its own.
fn refuse(
    app: &App,
    visit: &GuestSession,
    own: &GuestOverview,
    sharers: &[ContactSharer],
) -> Result<Outcome> {
    let contact = &own.guest.contact_hash;
    app.alerts.record(Pattern::ManyFaces, &format!("contact:{contact}"), &visit.studio);
    let address = Contact::parse(&open(app, &visit.guest, "contact", &own.guest.contact)?)?;
    let unproved = own.guest.contact_proved_unix_s.is_none();
    let is_verified = sharers.iter().any(|sharer| sharer.id == visit.guest);
    if unproved && address.email().is_some() && !is_verified {
        return Ok(Outcome::CodeNeeded);
    }
    let detail = "Guests with other faces use this contact; register with a contact of your own.";
    Err(ApiError::new(ErrorKind::Forbidden, detail))
}

/// Binds the session to `guest`. Returns the session's new token. The audit row names how the guest was verified
/// and what the light of the screen said, which decides nothing.
///
/// # Errors
/// - `Unauthenticated` if the guest was erased during verification.
async fn bind(
    app: &App,
    visit: &GuestSession,
    own: &GuestOverview,
    guest: String,
    light: LightAgreement,
) -> Result<Zeroizing<String>> {
    let (now, proved) = (now_s(), own.guest.contact_proved_unix_s.is_some());
    let mut tx = app.db.write().await?;
    // Locked first, as in changes of the event: a change to `at_first_search` and a first search exclude each other.
    events::lock(&mut tx, &visit.event).await?;
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
    if proved {
        // The guest whom the face belongs to has the same contact.
        guests::set_contact_proved(&mut tx, &guest, now).await?;
    }
    let detail = format!("{}, light: {}", own.guest_proof, light.code());
    record_guest(&mut tx, &visit.studio, &guest, "guest_verified", &detail).await?;
    let started = analysis_time::start(&mut tx, &visit.studio, &visit.event, &guest, now).await?;
    tx.commit().await?;
    if started {
        app.jobs.wake();
        app.jobs.publish(&visit.event);
    }
    Ok(token)
}
