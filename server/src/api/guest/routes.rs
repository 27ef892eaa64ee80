//! The guest API: status, notifications, ZIP download, sign-out and erasure. Its URLs contain no event ID and
//! no guest ID: the guest session determines both.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admin::Notifications;
use super::contact::{Contact, open};
use super::contact_proof::{self, ContactProof};
use super::email_tokens::{self, TokenPurpose};
use super::photos::{GroupMember, archive_entries, found};
use super::session;
use crate::api::erasure::guest::erase_guest as forget;
use crate::api::erasure::receipts::GuestErasure;
use crate::api::event::routes::EventReceipt;
use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{GUEST_COOKIE, GuestSession, LocalData, end_session_headers};
use crate::http::client_address::Encrypted;
use crate::http::extract::{BinarySchema, Body, Query};
use crate::i18n::Language;
use crate::infra::db::guests;
use crate::infra::mail::{self, OutgoingMail};
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
pub struct ErasureReceipt {
    /// Whether to erase the guest's faces in the event's photos as well. The erasure cannot be undone, and no
    /// search finds these faces afterwards. Ignored if the session is not verified.
    #[serde(default)]
    pub faces: bool,
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
        && !email_tokens::is_fresh(&mut tx, &visit.guest, TokenPurpose::Notify).await?;
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
    let permit = app.archives.permit(&visit.session)?;
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
    let here = tokio::runtime::Handle::current();
    Ok(respond("attachment; filename=\"photos.zip\"", move |archive| {
        let _permit = permit;
        let mut names = HashSet::new();
        for photo in wanted {
            if let Some((name, bytes)) = here.block_on(archive_entries(&app, &visit, &photo))? {
                archive.add(&entry_path(None, &name, &photo, &mut names), &bytes)?;
            }
        }
        Ok(())
    }))
}

/// Withdraws the guest's consent and erases the guest's template, sessions and e-mail tokens at once. Makes
/// the browser delete cached photos and the stored guest link. The response is the signed receipt of the
/// erasure.
#[utoipa::path(delete, path = "/guest", operation_id = "guest_account_delete", tag = "guest", params(ErasureReceipt),
    responses((status = 200, body = EventReceipt)))]
pub async fn leave(
    State(app): State<App>,
    visit: GuestSession,
    Encrypted(encrypted): Encrypted,
    Query(going): Query<ErasureReceipt>,
) -> Result<Response> {
    let leaving = GuestErasure {
        studio: visit.studio.clone(),
        event: visit.event.clone(),
        guest: visit.guest.clone(),
        // An unverified session cannot show that these faces are the guest's.
        faces: going.faces && visit.verified,
    };
    let receipt = forget(&app, leaving).await?;
    let ended = end_session_headers(GUEST_COOKIE, encrypted, LocalData::CacheAndStorage);
    Ok((ended, Json(EventReceipt { receipt })).into_response())
}
