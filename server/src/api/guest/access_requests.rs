//! Access without a camera: a guest sends a request, and a member of the studio accepts or declines it.
//!
//! An accepted guest has the same access as other guests. The studio chooses the guest's face in a photo, and
//! the guest enters by a link in an e-mail.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::guests::Guest;
use picpick_engine::receipts::Requester;
use picpick_engine::{GuestId, Template};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::consent::{self, ConsentAnswer, ConsentKind};
use super::contact::{Contact, open, seal};
use super::email_tokens::{self, TokenPurpose};
use super::links;
use super::registration::{NewGuest, insert_guest};
use crate::api::erasure::requests::{ErasureRequest, GuestFaces};
use crate::api::event::terms::Purpose;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{count_by, record_by};
use crate::http::client_address::ClientAddress;
use crate::http::extract::{self, Body, Path, Query};
use crate::http::locale::Locale;
use crate::i18n::Language;
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery, events, guests};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::{is_id, new_id};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::rate_limit::{Quota, network};
use crate::infra::visible_text::visible;

/// Maximum number of pending requests per contact and event.
const PENDING_MAX: i64 = 3;
/// Quota of requests per network: 60, then one per minute. All guests of a venue may share a network.
const NETWORK_QUOTA: Quota = Quota { capacity: 60, refill_s: 60 };
/// Maximum number of pending requests per event.
const PENDING_TOTAL_MAX: i64 = 5000;

#[derive(Deserialize, ToSchema)]
pub struct NewAccessRequest {
    /// The token of the event's link.
    pub token: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The e-mail address to which the access link is sent.
    #[schema(max_length = 254)]
    pub contact: String,
    /// A text by which the studio can recognise the guest in the photos.
    #[schema(max_length = 1000)]
    pub message: String,
    /// The version of the consent text for access without a camera that the guest read and agreed to.
    pub consent: String,
    /// The event's end in the consent text that the guest read, seconds since the Unix epoch. The response is
    /// `conflict` if the end has changed since. Defaults to the current end.
    pub consent_ends_unix_s: Option<i64>,
    /// The purpose in the consent text that the guest read. The response is `conflict` if the purpose has
    /// changed since. Defaults to the current purpose.
    #[schema(inline)]
    pub consent_purpose: Option<Purpose>,
    /// Whether the guest has confirmed to be 18 or older; must be true.
    pub adult: bool,
}

#[derive(Serialize, ToSchema)]
pub struct AccessRequest {
    pub id: String,
    pub name: String,
    pub contact: String,
    pub message: String,
    pub created_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct AccessGranted {
    /// The ID of the guest's face in one of the event's photos, chosen by the studio.
    face: String,
}

/// Requests access without a camera. The studio accepts or declines the request.
#[utoipa::path(post, path = "/guest/requests",
    operation_id = "guest_request_create", tag = "guest", request_body = NewAccessRequest,
    responses((status = 204)))]
pub async fn create(
    State(app): State<App>,
    wanted: Locale,
    ClientAddress(from): ClientAddress,
    Body(given): Body<NewAccessRequest>,
) -> Result<StatusCode> {
    place(&app, wanted.language, from, given).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stores a request from the client address `from`.
///
/// # Errors
/// - `Invalid` if a field is malformed, the contact is not an e-mail address or the guest did not confirm to
///   be 18 or older.
/// - `Gone` if the link is withdrawn, expired or unknown.
/// - `Conflict` if the consent text or the event's end has changed.
/// - `TooManyRequests` if the network's quota is used up, or the contact or the event has too many pending
///   requests.
pub async fn place(
    app: &App,
    language: Language,
    from: IpAddr,
    given: NewAccessRequest,
) -> Result<()> {
    let name = extract::line("name", &given.name, 1, 100)?;
    let contact = Contact::parse(&given.contact)?;
    if contact.email().is_none() {
        return Err(ApiError::invalid(
            "contact: expected an e-mail address for the studio's answer.",
        ));
    }
    let message = text("message", &given.message)?;
    let link = links::check_open(app, &given.token).await?;
    let answer = ConsentAnswer {
        version: &given.consent,
        ends_unix_s: given.consent_ends_unix_s,
        purpose: given.consent_purpose,
        adult: given.adult,
    };
    consent::check_agreed(ConsentKind::Studio, &answer, link.named())?;
    let (id, now, hash) = (new_id()?, now_s(), contact.hash(app)?);
    let mut tx = app.db.write().await?;
    let detail = "This network has used its 60 requests and gets one more every minute; try again in a minute.";
    NETWORK_QUOTA.take(&mut tx, &format!("requests:{}", network(from)), detail).await?;
    let waiting = sqlx::query(
        "SELECT COUNT(*) AS n, COALESCE(SUM(CASE WHEN contact_hash = $2 THEN 1 ELSE 0 END), 0) AS same \
         FROM guest_requests WHERE event_id = $1",
    )
    .bind(&link.event)
    .bind(&hash)
    .fetch_one(&mut *tx)
    .await?;
    let (all, same): (i64, i64) = (waiting.try_get("n")?, waiting.try_get("same")?);
    if same >= PENDING_MAX || all >= PENDING_TOTAL_MAX {
        let detail = format!(
            "At most {PENDING_MAX} requests of a contact and {PENDING_TOTAL_MAX} of an event can wait for the \
             studio's answer; try again tomorrow."
        );
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(86_400));
    }
    sqlx::query(
        "INSERT INTO guest_requests (id, event_id, name, contact, message, version, event_ends_unix_s, language, \
         created_unix_s, contact_hash, purpose, valid_until_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $7)",
    )
    .bind(&id)
    .bind(&link.event)
    .bind(seal(app, &id, "name", &name)?)
    .bind(seal(app, &id, "contact", contact.as_str())?)
    .bind(seal(app, &id, "message", &message)?)
    .bind(&given.consent)
    .bind(link.ends_unix_s)
    .bind(language.tag())
    .bind(now)
    .bind(hash)
    .bind(link.purpose.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Checks a text of one or more lines. Returns the text without invisible characters. Errors: `Invalid` if
/// the text has more than 1,000 characters, or control characters other than line breaks.
fn text(what: &str, text: &str) -> Result<String> {
    let text = text.split('\n').map(visible).collect::<Vec<_>>().join("\n");
    let (text, count) = (text.trim(), text.trim().chars().count());
    let strange = |c: char| c.is_control() && c != '\n' && c != '\r';
    if count > 1000 || text.chars().any(strange) {
        return Err(ApiError::invalid(format!(
            "{what}: expected at most 1,000 printable characters, received {count}."
        )));
    }
    Ok(text.to_owned())
}

/// Lists an event's pending requests, oldest first.
#[utoipa::path(get, path = "/events/{event}/guest-requests",
    operation_id = "guest_request_list", tag = "guests of an event",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<AccessRequest>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AccessRequest>>> {
    let read = |row: &AnyRow| -> Result<AccessRequest> {
        let id: String = row.try_get("id")?;
        let field = |name: &str| -> Result<String> {
            Ok(open(&app, &id, name, &row.try_get::<String, _>(name)?)?.to_string())
        };
        Ok(AccessRequest {
            name: field("name")?,
            contact: field("contact")?,
            message: field("message")?,
            created_unix_s: row.try_get("created_unix_s")?,
            id,
        })
    };
    count_by(&app.db, &grant, "guest_contacts_read", grant.event()?).await?;
    let list = PageQuery {
        select: "SELECT * FROM guest_requests WHERE event_id = $1",
        values: &[BoundValue::Text(grant.event()?)],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Accepts a request: registers the guest with the chosen face and sends the guest an access link by e-mail.
#[utoipa::path(post, path = "/events/{event}/guest-requests/{request}",
    operation_id = "guest_request_approve", tag = "guests of an event",
    params(("event" = String, Path), ("request" = String, Path)), request_body = AccessGranted,
    responses((status = 204)))]
pub async fn approve(
    State(app): State<App>,
    grant: Grant,
    Path((_, request)): Path<(String, String)>,
    Body(given): Body<AccessGranted>,
) -> Result<StatusCode> {
    let event = events::find(&app.db, grant.event()?).await?;
    let row = find(&app, &event.id, &request).await?;
    let field = |name: &str| open(&app, &request, name, &row.try_get::<String, _>(name)?);
    let (name, contact) = (field("name")?, Contact::parse(&field("contact")?)?);
    let language = Language::of_tag(&row.try_get::<String, _>("language")?);
    let face = extract::face("face", &given.face)?;
    let of = event.id.clone();
    let template = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&of)?.collection.template_of(&face)?))
        .await?;
    let (consent, purpose): (String, String) = (row.try_get("version")?, row.try_get("purpose")?);
    let newcomer = NewGuest {
        event: &event.id,
        studio: &event.studio,
        name: &name,
        contact: &contact,
        link: None,
        language,
        consent: &consent,
        consent_ends_unix_s: row.try_get("event_ends_unix_s")?,
        consent_purpose: &purpose,
        consent_until_unix_s: row.try_get("valid_until_unix_s")?,
    };
    // The row is written before the template, because `api/erasure/orphaned_templates.rs` erases templates
    // without a row.
    let mut tx = app.db.write().await?;
    email_tokens::count_message(&mut tx, &contact.hash(&app)?).await?;
    let guest = insert_guest(&app, &mut tx, &newcomer).await?;
    tx.commit().await?;
    let let_in = enter(&app, &grant, &request, &newcomer, &guest, template).await;
    if let Err(failure) = let_in {
        let (studio, actor) = (&event.studio, grant.caller.name());
        let (event, requester) = (&event.id, Requester::Studio);
        let request = ErasureRequest { studio, event, requester, actor: &actor };
        request.guest(&app, &guest, GuestFaces::default()).await?;
        return Err(failure);
    }
    app.mailer.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Stores the newcomer's template, deletes the request and enqueues the e-mail with the access link.
async fn enter(
    app: &App,
    grant: &Grant,
    request: &str,
    newcomer: &NewGuest<'_>,
    guest: &str,
    template: Template,
) -> Result<()> {
    let (of, id): (_, GuestId) = (newcomer.event.to_owned(), guest.parse()?);
    app.face_engine
        .run(move |faces| {
            Ok(faces.open_collection(&of)?.collection.put_guest(&Guest::new(id, template))?)
        })
        .await?;
    let event = events::find(&app.db, newcomer.event).await?;
    let mut tx = app.db.write().await?;
    let answered = sqlx::query("DELETE FROM guest_requests WHERE id = $1")
        .bind(request)
        .execute(&mut *tx)
        .await?;
    let verified = guests::set_verified(&mut tx, guest, now_s()).await?;
    if answered.rows_affected() == 0 || !verified {
        return Err(ApiError::not_found());
    }
    let ticket = email_tokens::issue(&mut tx, guest, TokenPurpose::Enter).await?;
    let to = newcomer.contact.email().unwrap_or_default();
    let letter = mail::access_granted(&app.mailer, to, newcomer.language, &event.name, &ticket);
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    record_by(&mut tx, grant, "guest_let_in", guest, &event.id).await?;
    tx.commit().await?;
    Ok(())
}

/// Declines a request and deletes it.
#[utoipa::path(delete, path = "/events/{event}/guest-requests/{request}",
    operation_id = "guest_request_decline", tag = "guests of an event",
    params(("event" = String, Path), ("request" = String, Path)), responses((status = 204)))]
pub async fn decline(
    State(app): State<App>,
    grant: Grant,
    Path((_, request)): Path<(String, String)>,
) -> Result<StatusCode> {
    find(&app, grant.event()?, &request).await?;
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM guest_requests WHERE id = $1")
        .bind(&request)
        .execute(&mut *tx)
        .await?;
    record_by(&mut tx, &grant, "guest_decline", &request, grant.event()?).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, event: &str, request: &str) -> Result<AnyRow> {
    if !is_id(request) {
        return Err(ApiError::not_found());
    }
    let row = sqlx::query("SELECT * FROM guest_requests WHERE id = $1 AND event_id = $2")
        .bind(request)
        .bind(event)
        .fetch_one(app.db.read())
        .await?;
    Ok(row)
}
