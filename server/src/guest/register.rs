//! Taking somebody in: by an event's link, with a name, a contact and a recorded consent.
//!
//! Nothing is kept of whoever does not agree. Knows nothing of faces.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::consent::{self, Consent};
use super::links::{self, Open};
use super::person::{Contact, seal};
use super::session;
use super::tickets::{self, Purpose};
use crate::audit::{self, Deed};
use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};
use crate::ids::new_id;
use crate::input::{self, Body};
use crate::middleware::Encrypted;
use crate::state::App;
use crate::words::{Language, Wanted};

#[derive(Deserialize, ToSchema)]
pub struct LinkToken {
    /// From the link.
    token: String,
}

/// What stands behind a link.
#[derive(Serialize, ToSchema)]
pub struct EventInvitation {
    pub event: String,
    pub studio: String,
    pub consent: Consent,
}

#[derive(Deserialize, ToSchema)]
pub struct Registration {
    /// From the link.
    token: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// An e-mail address or a telephone number.
    #[schema(max_length = 254)]
    contact: String,
    /// The version of the consent that was read and agreed to.
    consent: String,
    /// Whether the guest has said to be 18 or older.
    adult: bool,
}

/// A guest about to be.
pub struct Newcomer<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub name: &'a str,
    pub contact: &'a Contact,
    pub language: Language,
}

/// What stands behind a link: whose event it is, and what there is to agree to.
#[utoipa::path(post, path = "/guest/invitation", tag = "guest", request_body = LinkToken,
    responses((status = 200, body = EventInvitation)))]
pub async fn invitation(
    State(app): State<App>,
    wanted: Wanted,
    Body(given): Body<LinkToken>,
) -> Result<Json<EventInvitation>> {
    let Open { event_name, studio_name, .. } = links::must_be_open(&app, &given.token).await?;
    let consent = consent::text(wanted.language, &event_name, &studio_name);
    Ok(Json(EventInvitation { event: event_name, studio: studio_name, consent }))
}

/// Registers a guest, who agrees to the consent's text; the session's cookie comes with the answer.
#[utoipa::path(post, path = "/guest/registrations", tag = "guest", request_body = Registration,
    responses((status = 204)))]
pub async fn register(
    State(app): State<App>,
    Encrypted(encrypted): Encrypted,
    wanted: Wanted,
    Body(given): Body<Registration>,
) -> Result<Response> {
    let name = input::line("name", &given.name, 1, 100)?;
    let contact = Contact::parse(&given.contact)?;
    agreed(&given.consent, given.adult)?;
    let link = links::must_be_open(&app, &given.token).await?;
    let newcomer = Newcomer {
        event: &link.event,
        studio: &link.studio,
        name: &name,
        contact: &contact,
        language: wanted.language,
    };
    let mut tx = app.db().write().await?;
    let guest = take_in(&app, &mut tx, &newcomer, &given.consent).await?;
    let token = session::begin(&mut tx, &guest, false).await?;
    tx.commit().await?;
    let cookie = [(header::SET_COOKIE, session::cookie(Some(&token), encrypted))];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Refuses whoever has not agreed to the text as it is now. Errors: `Conflict` for an older text, `Invalid`.
pub fn agreed(version: &str, adult: bool) -> Result<()> {
    if version != consent::VERSION {
        let detail = "The consent's text has changed; read it again.";
        return Err(Failure::new(Kind::Conflict, detail));
    }
    if !adult {
        return Err(Failure::invalid("adult: expected true; this is for people of 18 and older."));
    }
    Ok(())
}

/// Enters a guest and their consent; the guest's id.
pub async fn take_in(
    app: &App,
    tx: &mut Tx,
    newcomer: &Newcomer<'_>,
    consent: &str,
) -> Result<String> {
    let (id, now) = (new_id()?, now_s());
    sqlx::query(
        "INSERT INTO guests (id, event_id, name, contact, contact_hash, language, created_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&id)
    .bind(newcomer.event)
    .bind(seal(app, &id, "name", newcomer.name)?)
    .bind(seal(app, &id, "contact", newcomer.contact.as_str())?)
    .bind(newcomer.contact.hash(app)?)
    .bind(newcomer.language.tag())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO guest_consents (id, studio_id, event_id, guest_id, version, language, given_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new_id()?)
    .bind(newcomer.studio)
    .bind(newcomer.event)
    .bind(&id)
    .bind(consent)
    .bind(newcomer.language.tag())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    note(tx, newcomer.studio, &id, "guest_consent", consent).await?;
    Ok(id)
}

/// Notes what a guest has done, by their pseudonym.
pub async fn note(
    tx: &mut Tx,
    studio: &str,
    guest: &str,
    action: &'static str,
    detail: &str,
) -> Result<()> {
    let actor = format!("guest:{guest}");
    audit::note(tx, Deed { studio, actor: &actor, action, target: guest, detail }).await
}

#[derive(Deserialize, ToSchema)]
pub struct Ticket {
    /// From the letter's link.
    token: String,
}

/// Comes in by the link of a letter, without a camera; the session's cookie comes with the answer.
#[utoipa::path(post, path = "/guest/session", tag = "guest", request_body = Ticket,
    responses((status = 204)))]
pub async fn enter(
    State(app): State<App>,
    Encrypted(encrypted): Encrypted,
    Body(given): Body<Ticket>,
) -> Result<Response> {
    let mut tx = app.db().write().await?;
    let guest = tickets::take(&mut tx, &given.token, Purpose::Enter).await?;
    let token = session::begin(&mut tx, &guest, true).await?;
    tx.commit().await?;
    let cookie = [(header::SET_COOKIE, session::cookie(Some(&token), encrypted))];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Confirms that letters about new photos are wanted.
#[utoipa::path(post, path = "/guest/notifications/confirm", tag = "guest", request_body = Ticket,
    responses((status = 204)))]
pub async fn confirm_letters(
    State(app): State<App>,
    Body(given): Body<Ticket>,
) -> Result<StatusCode> {
    let mut tx = app.db().write().await?;
    let guest = tickets::take(&mut tx, &given.token, Purpose::Notify).await?;
    sqlx::query("UPDATE guests SET notify = 2, news = 1 WHERE id = $1 AND notify > 0")
        .bind(&guest)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
