//! The guest API: status, notifications, ZIP download, sign-out and erasure. Its URLs contain no event ID and
//! no guest ID: the guest session determines both.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use picpick_engine::receipts::Requester;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admin::Notifications;
use super::contact::{Contact, open};
use super::contact_proof::{self, ContactProof};
use super::email_tokens::{self, TokenPurpose};
use super::photos::{GroupMember, find_still_shown, found};
use super::session;
use crate::api::erasure::letters::KeptContact;
use crate::api::erasure::requests::{ErasureRequest, GuestFaces};
use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{GUEST_COOKIE, GuestSession, LocalData, end_session_headers};
use crate::http::client_address::Encrypted;
use crate::http::extract::{BinarySchema, Body, Query};
use crate::i18n::Language;
use crate::infra::db::{analysis, guests};
use crate::infra::file_name::FileName;
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::places::PlaceKind;
use crate::infra::zip_stream::{entry_path, respond};

/// A guest's status.
#[derive(Serialize, ToSchema)]
pub struct GuestView {
    pub event: String,
    pub studio: String,
    pub name: String,
    /// Whether the guest has verified their face in this session, or has entered by an access link of the
    /// studio. `photos` and `candidates` are 0 until then.
    pub verified: bool,
    // Whether the guest must prove the contact before the session is verified. A doc comment would become a
    // second schema, of type `object`.
    #[schema(inline)]
    pub contact_proof: ContactProof,
    /// Whether the guest has passed the challenge, and the verification waits for `POST /guest/verification`.
    pub face_shown: bool,
    pub photos: usize,
    /// Whether photos of the event are still being searched for faces; false until the session is verified.
    pub searching: bool,
    /// Number of candidate faces, which the guest can confirm or reject.
    pub candidates: usize,
    pub notifications: Notifications,
    /// Whether the guest's contact is an e-mail address.
    pub can_notify: bool,
    /// Whether the guest is in a group.
    pub group: bool,
    /// The event's end, seconds since the Unix epoch. The event's data is purged then.
    pub ends_unix_s: i64,
    /// When the guest's consent ends and the guest's data is erased, seconds since 1970; at most
    /// `ends_unix_s`. If it is earlier, the guest can agree again by the event's link.
    pub kept_until_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct NotificationWish {
    on: bool,
}

#[derive(Serialize, ToSchema)]
pub struct NotificationState {
    pub notifications: Notifications,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LeavingGuest {
    /// Whether the guest's faces in the event's photos are hidden at once and erased after 72 hours. Until then the
    /// studio, and the guest by the link in a letter, can undo it. Ignored if the session is not verified.
    #[serde(default)]
    pub faces: bool,
    /// Whether faces in photos that the studio adds later are kept out as well. For this purpose only, the guest's
    /// template stays in the event, sealed, until the event ends. Ignored without `faces`.
    #[serde(default)]
    pub opt_out: bool,
}

/// What is erased of a guest, and what is hidden.
#[derive(Serialize, ToSchema)]
pub struct GuestErased {
    /// The signed receipt of the erasure of the guest's template; empty if the guest had none.
    pub receipt: String,
    /// Faces in the event's photos that are hidden now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faces_hidden: Option<i64>,
    /// The time after which the hidden faces are erased, seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faces_erased_unix_s: Option<i64>,
}

/// Returns the guest's status.
#[utoipa::path(get, path = "/guest",
    operation_id = "guest_account_show", tag = "guest", responses((status = 200, body = GuestView)))]
pub async fn show(State(app): State<App>, visit: GuestSession) -> Result<Json<GuestView>> {
    let own = guests::overview(&app.db, &visit.guest).await?;
    let found = match visit.verified {
        true => found(&app, &visit.event, &visit.guest, &[]).await?,
        false => super::photos::GuestPhotoList::default(),
    };
    let searching = visit.verified && analysis::is_in_progress(&app.db, &visit.event).await?;
    let face_shown = app.passed_faces.holds(&visit.session, &visit.guest);
    let contact = Contact::parse(&open(&app, &visit.guest, "contact", &own.guest.contact)?)?;
    let contact_proof = contact_proof::state(&own, face_shown)?;
    Ok(Json(GuestView {
        event: own.event_name,
        studio: own.studio_name,
        name: open(&app, &visit.guest, "name", &own.guest.name)?.to_string(),
        verified: visit.verified,
        contact_proof,
        face_shown,
        photos: found.photos.len(),
        searching,
        candidates: found.asked.len(),
        notifications: Notifications::of(own.guest.notify),
        can_notify: contact.email().is_some(),
        group: own.grouped,
        ends_unix_s: own.event_ends_unix_s,
        kept_until_unix_s: own.covered_until_unix_s.min(own.event_ends_unix_s),
    }))
}

/// Ends the guest's session, removes its cookie, and makes the browser delete cached photos. The server keeps
/// the guest's data.
#[utoipa::path(delete, path = "/guest/session",
    operation_id = "guest_session_delete", tag = "guest", responses((status = 204)))]
pub async fn sign_out(
    State(app): State<App>,
    visit: GuestSession,
    Encrypted(encrypted): Encrypted,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    session::end(&mut tx, &visit.session).await?;
    tx.commit().await?;
    // The announcement makes this session's update streams check the session and end.
    app.guest_updates.publish(&visit.event, Some(&visit.guest));
    let ended = end_session_headers(GUEST_COOKIE, encrypted, LocalData::Cache);
    Ok((StatusCode::NO_CONTENT, ended).into_response())
}

/// Turns e-mails about new photos on or off.
/// The e-mails begin after the contact's owner has followed the link in a confirmation e-mail. The server
/// sends no second confirmation e-mail within an hour while the link in the first one is unused.
#[utoipa::path(put, path = "/guest/notifications",
    operation_id = "guest_notification_update", tag = "guest", request_body = NotificationWish,
    responses((status = 200, body = NotificationState)))]
pub async fn notify(
    State(app): State<App>,
    visit: GuestSession,
    Body(given): Body<NotificationWish>,
) -> Result<Json<NotificationState>> {
    let mut tx = app.db.write().await?;
    let (guest, event) = guests::lock_with_event(&mut tx, &visit.guest).await?;
    let before = guest.notify;
    let after = match (given.on, before) {
        (false, _) => 0,
        (true, 0) => 1,
        (true, before) => before,
    };
    let asks = (before, after) == (0, 1)
        && email_tokens::try_count_unanswered(&mut tx, &visit.guest, TokenPurpose::Notify).await?;
    if asks {
        let contact = Contact::parse(&open(&app, &visit.guest, "contact", &guest.contact)?)?;
        let to = contact.email().ok_or_else(|| {
            ApiError::new(
                ErrorKind::Conflict,
                "Your contact is a phone number; register with an e-mail address to receive e-mails.",
            )
        })?;
        let language = Language::of_tag(&guest.language);
        email_tokens::count_message(&mut tx, &guest.contact_hash).await?;
        let ticket = email_tokens::issue(&mut tx, &visit.guest, TokenPurpose::Notify).await?;
        let letter = mail::letters_wanted(&app.mailer, to, language, &event, &ticket);
        mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    }
    guests::set_notify(&mut tx, &visit.guest, after).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(Json(NotificationState { notifications: Notifications::of(after) }))
}

/// Downloads all of the guest's photos that may be downloaded, as a ZIP archive.
#[utoipa::path(get, path = "/guest/photos.zip",
    operation_id = "guest_archive_download", tag = "guest", params(GroupMember),
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn archive(
    State(app): State<App>,
    visit: GuestSession,
    Query(wish): Query<GroupMember>,
) -> Result<Response> {
    let place = app.places.take_for(PlaceKind::Archive, &visit.studio, &visit.session)?;
    let others = match wish.together {
        true => super::group::others(&app, &visit.guest).await?,
        false => Vec::new(),
    };
    let photos = found(&app, &visit.event, &visit.guest, &others).await?.photos;
    let wanted = photos.into_iter().filter(|photo| photo.download != Download::Off);
    let wanted: Vec<String> = wanted.map(|photo| photo.id).collect();
    if wanted.is_empty() {
        let detail = "There is nothing to download: no photo shows you yet, or the studio has turned downloads \
                      off. Try again later, or ask the studio.";
        return Err(ApiError::new(ErrorKind::Forbidden, detail));
    }
    Ok(respond("attachment; filename=\"photos.zip\"", place, move |mut archive| async move {
        let mut names = HashSet::new();
        for photo in wanted {
            if let Some(shown) = find_still_shown(&app, &visit, &photo).await? {
                let path = |name: &FileName| entry_path(None, name, &photo, &mut names);
                shown.add_to(&app, &mut archive, path).await?;
            }
        }
        Ok(archive)
    }))
}

/// Withdraws the guest's consent and erases the guest's template, contact, sessions and e-mail tokens at once. With
/// `faces`, hides the guest's faces in the event's photos, tells the studio, and keeps a proved contact until the
/// faces are erased, for the letter with the link that undoes it. Makes the browser delete cached photos and the
/// stored guest link.
#[utoipa::path(delete, path = "/guest", operation_id = "guest_account_delete", tag = "guest", params(LeavingGuest),
    responses((status = 200, body = GuestErased)))]
pub async fn leave(
    State(app): State<App>,
    visit: GuestSession,
    Encrypted(encrypted): Encrypted,
    Query(going): Query<LeavingGuest>,
) -> Result<Response> {
    // An unverified session cannot show that these faces are the guest's.
    let hide = going.faces && visit.verified;
    let (actor, requester) = (format!("guest:{}", visit.guest), Requester::Guest);
    let GuestSession { studio, event, .. } = &visit;
    let request = ErasureRequest { studio, event, requester, actor: &actor };
    let contact = match hide {
        true => proved_contact(&app, &visit.guest).await?,
        false => None,
    };
    let faces = GuestFaces { hide, opt_out: hide && going.opt_out, contact };
    let left = request.guest(&app, &visit.guest, faces).await?;
    let ended = end_session_headers(GUEST_COOKIE, encrypted, LocalData::CacheAndStorage);
    let erased = GuestErased {
        receipt: left.receipt,
        faces_hidden: hide.then_some(left.erasure.faces),
        faces_erased_unix_s: left.erasure.due_unix_s.filter(|_| hide),
    };
    Ok((ended, Json(erased)).into_response())
}

/// Returns the guest's contact, if the guest has proved it.
async fn proved_contact(app: &App, guest: &str) -> Result<Option<KeptContact>> {
    let Some(proved) = guests::proved_contact(&app.db, guest).await? else { return Ok(None) };
    let contact = open(app, guest, "contact", &proved.contact)?;
    Ok(Some(KeptContact { contact, language: proved.language }))
}
