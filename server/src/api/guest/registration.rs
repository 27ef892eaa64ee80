use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::consent::{self, Consent, ConsentAnswer, ConsentKind};
use super::contact::{Contact, seal};
use super::contact_proof::{self, CodeRecipient};
use super::email_tokens::{self, TokenPurpose};
use super::links::{self, OpenGuestLink};
use super::registration_quota;
use super::session;
use crate::api::event::analysis_time::AnalysisTime;
use crate::api::event::guest_proof::GuestProof;
use crate::api::event::terms::Purpose;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::ProvingClient;
use crate::http::extract::{self, Body};
use crate::http::locale::Locale;
use crate::i18n::Language;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::db::consents::{self, GivenConsent};
use crate::infra::db::guests::{self, GuestRecord};
use crate::infra::ids::new_id;

#[derive(Deserialize, ToSchema)]
pub struct LinkToken {
    /// The token of the event's link.
    token: String,
}

/// The event of a guest link, with the event's consent texts.
#[derive(Serialize, ToSchema)]
pub struct EventInvitation {
    pub event: String,
    pub studio: String,
    // How guests prove who they are. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    pub guest_proof: GuestProof,
    // When the faces of the event's photos are embedded. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    pub analysis: AnalysisTime,
    /// The consent text for guests who verify their face by camera.
    pub consent: Consent,
    /// The consent text for guests who request access without a camera.
    pub consent_without_camera: Consent,
}

#[derive(Deserialize, ToSchema)]
pub struct Registration {
    /// The token of the event's link.
    token: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// An e-mail address, or a telephone number with its country code. Ten digits that begin with 6 to 9 are
    /// read as an Indian mobile number. An event whose guests prove themselves by `contact_code` or
    /// `guest_list` needs an e-mail address.
    #[schema(max_length = 254)]
    contact: String,
    /// The version of the consent text that the guest read and agreed to.
    consent: String,
    /// The event's end in the consent text that the guest read, seconds since the Unix epoch. The response is
    /// `conflict` if the end has changed since. Defaults to the current end.
    consent_ends_unix_s: Option<i64>,
    /// The purpose in the consent text that the guest read. The response is `conflict` if the purpose has
    /// changed since. Defaults to the current purpose.
    #[schema(inline)]
    consent_purpose: Option<Purpose>,
    /// Whether the guest has confirmed to be 18 or older; must be true.
    adult: bool,
}

/// A guest to register.
pub struct NewGuest<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub name: &'a str,
    pub contact: &'a Contact,
    /// The guest link by which the guest comes; `None` for an access request.
    pub link: Option<&'a str>,
    pub language: Language,
    /// The version of the consent text that the guest agreed to.
    pub consent: &'a str,
    /// The event's end in the consent text, seconds since the Unix epoch.
    pub consent_ends_unix_s: i64,
    /// The purpose in the consent text, a value of `Purpose::as_str`.
    pub consent_purpose: &'a str,
    /// The time until which the consent covers the event, seconds since the Unix epoch.
    pub consent_until_unix_s: i64,
}

/// Returns the event and studio of a link, and the event's consent texts.
#[utoipa::path(post, path = "/guest/invitation",
    operation_id = "guest_invitation_show", tag = "guest", request_body = LinkToken,
    responses((status = 200, body = EventInvitation)))]
pub async fn invitation(
    State(app): State<App>,
    wanted: Locale,
    Body(given): Body<LinkToken>,
) -> Result<Json<EventInvitation>> {
    let link = links::check_open(&app, &given.token).await?;
    let text = |way| consent::text(way, wanted.language, link.named());
    let (consent, consent_without_camera) = (text(ConsentKind::Camera), text(ConsentKind::Studio));
    let OpenGuestLink { guest_proof, analysis, .. } = link;
    let (event, studio) = (link.event_name, link.studio_name);
    Ok(Json(EventInvitation {
        event,
        studio,
        guest_proof,
        analysis,
        consent,
        consent_without_camera,
    }))
}

/// Registers a guest who has agreed to the consent text. The response sets the session cookie. If the event's
/// guests prove their contact, the server sends a code to it; the response does not depend on the guest list.
/// The server stores no data of a guest who has not agreed.
#[utoipa::path(post, path = "/guest/registrations",
    operation_id = "guest_registration_create", tag = "guest", request_body = Registration,
    responses((status = 204)))]
pub async fn register(
    State(app): State<App>,
    client: ProvingClient,
    wanted: Locale,
    Body(given): Body<Registration>,
) -> Result<Response> {
    let name = extract::line("name", &given.name, 1, 100)?;
    let contact = Contact::parse(&given.contact)?;
    let link = links::check_open(&app, &given.token).await?;
    if link.guest_proof.needs_code() && contact.email().is_none() {
        let detail = "contact: expected an e-mail address, because this event sends a code to it.";
        return Err(ApiError::invalid(detail));
    }
    let answer = ConsentAnswer {
        version: &given.consent,
        ends_unix_s: given.consent_ends_unix_s,
        purpose: given.consent_purpose,
        adult: given.adult,
    };
    consent::check_agreed(ConsentKind::Camera, &answer, link.named())?;
    let newcomer = NewGuest {
        event: &link.event,
        studio: &link.studio,
        name: &name,
        contact: &contact,
        link: Some(&link.id),
        language: wanted.language,
        consent: &given.consent,
        consent_ends_unix_s: link.ends_unix_s,
        consent_purpose: link.purpose.as_str(),
        consent_until_unix_s: link.ends_unix_s,
    };
    let mut tx = app.db.write().await?;
    registration_quota::take(&app, &mut tx, &link.studio, &given.token, client.from).await?;
    let guest = insert_guest(&app, &mut tx, &newcomer).await?;
    let token = session::begin(&mut tx, &client, &guest, false).await?;
    if link.guest_proof.needs_code() {
        send_first_code(&app, &mut tx, &newcomer, &link, &guest, client.from).await?;
    }
    tx.commit().await?;
    app.mailer.wake();
    let cookie = [(header::SET_COOKIE, session::cookie(&token, client.encrypted))];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Sends the code that proves a newcomer's contact. A contact without codes left gets none, and the guest can
/// ask for one later.
async fn send_first_code(
    app: &App,
    tx: &mut Tx,
    newcomer: &NewGuest<'_>,
    link: &OpenGuestLink,
    guest: &str,
    from: IpAddr,
) -> Result<()> {
    let recipient = CodeRecipient {
        guest,
        event: newcomer.event,
        event_name: &link.event_name,
        studio_name: &link.studio_name,
        contact: newcomer.contact,
        language: newcomer.language,
        link: newcomer.link,
        from,
        proof: link.guest_proof,
    };
    match contact_proof::send_code(app, tx, &recipient).await {
        Err(failure) if failure.kind == ErrorKind::TooManyRequests => Ok(()),
        sent => sent,
    }
}

/// Inserts a guest and their consent. Returns the guest's ID.
pub async fn insert_guest(app: &App, tx: &mut Tx, newcomer: &NewGuest<'_>) -> Result<String> {
    let (id, now) = (new_id()?, now_s());
    let guest = GuestRecord {
        id: id.clone(),
        event: newcomer.event.to_owned(),
        name: seal(app, &id, "name", newcomer.name)?,
        contact: seal(app, &id, "contact", newcomer.contact.as_str())?,
        contact_hash: newcomer.contact.hash(app)?,
        language: newcomer.language.tag().to_owned(),
        verified_unix_s: None,
        notify: 0,
        created_unix_s: now,
        contact_proved_unix_s: None,
        link: newcomer.link.map(str::to_owned),
    };
    guests::insert(tx, &guest).await?;
    let consent = GivenConsent {
        id: new_id()?,
        guest: guest.id,
        version: newcomer.consent.to_owned(),
        event_ends_unix_s: newcomer.consent_ends_unix_s,
        purpose: newcomer.consent_purpose.to_owned(),
        valid_until_unix_s: newcomer.consent_until_unix_s,
        language: guest.language,
        given_unix_s: now,
        withdrawn_unix_s: None,
    };
    consents::insert(tx, newcomer.studio, newcomer.event, &consent).await?;
    record_guest(tx, newcomer.studio, &id, "guest_consent", newcomer.consent).await?;
    Ok(id)
}

#[derive(Deserialize, ToSchema)]
pub struct EmailToken {
    /// The token of the link in the e-mail.
    token: String,
}

/// Opens a session without a camera, given the token of an access link that the server sent by e-mail. The
/// response sets the session cookie.
#[utoipa::path(post, path = "/guest/session",
    operation_id = "guest_session_create", tag = "guest", request_body = EmailToken,
    responses((status = 204)))]
pub async fn enter(
    State(app): State<App>,
    client: ProvingClient,
    Body(given): Body<EmailToken>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let guest = email_tokens::consume(&mut tx, &given.token, TokenPurpose::Enter).await?;
    guests::set_contact_proved(&mut tx, &guest, now_s()).await?;
    let token = session::begin(&mut tx, &client, &guest, true).await?;
    let studio = guests::studio_of(&mut tx, &guest).await?;
    record_guest(&mut tx, &studio, &guest, "guest_enter", "mailed link").await?;
    tx.commit().await?;
    let cookie = [(header::SET_COOKIE, session::cookie(&token, client.encrypted))];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Confirms that the guest wants e-mails about new photos, given the token of the link in the confirmation
/// e-mail.
#[utoipa::path(post, path = "/guest/notifications/confirm",
    operation_id = "guest_notification_confirm", tag = "guest", request_body = EmailToken,
    responses((status = 204)))]
pub async fn confirm_letters(
    State(app): State<App>,
    Body(given): Body<EmailToken>,
) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    let guest = email_tokens::consume(&mut tx, &given.token, TokenPurpose::Notify).await?;
    guests::confirm_notify(&mut tx, &guest).await?;
    guests::set_contact_proved(&mut tx, &guest, now_s()).await?;
    let studio = guests::studio_of(&mut tx, &guest).await?;
    record_guest(&mut tx, &studio, &guest, "guest_contact_proved", "mailed link").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
