//! Requests of people who are in an event's photos and want to be taken out. No camera is needed: the studio looks for
//! the person, and the requester gets its answer by e-mail. Guests who show their face on the guest page need no
//! request.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::notice::{find_public, lines};
use crate::api::guest::contact::{Contact, open, seal};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{count_by, record_by};
use crate::http::client_address::ClientAddress;
use crate::http::extract::{self, Body, Path, Query};
use crate::http::locale::Locale;
use crate::i18n::Language;
use crate::infra::audit_log::{AuditEvent, record};
use crate::infra::clock::now_s;
use crate::infra::db::privacy_requests::{self, RemovalRequest};
use crate::infra::db::{Page, Paging, Tx, events};
use crate::infra::ids::{is_id, new_id};
use crate::infra::mail::{self, OutgoingMail, RemovalAnswer};
use crate::infra::rate_limit::{Quota, network};

/// Maximum number of open requests per contact and event.
const OPEN_MAX: i64 = 3;
/// Maximum number of open requests per event.
const OPEN_TOTAL_MAX: i64 = 1000;
/// Quota of requests per network: 20, then one per minute.
const NETWORK_QUOTA: Quota = Quota { capacity: 20, refill_s: 60 };

#[derive(Deserialize, ToSchema)]
pub struct NewRemovalRequest {
    /// The event, from the address of its privacy page.
    pub event: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// An e-mail address, or a telephone number with its country code, for the studio's answer.
    #[schema(max_length = 254)]
    pub contact: String,
    /// Where the person is in the photos.
    #[schema(max_length = 1000)]
    pub message: String,
}

/// An open request of a person in an event's photos.
#[derive(Serialize, ToSchema)]
pub struct OpenRemovalRequest {
    pub id: String,
    pub name: String,
    pub contact: String,
    pub message: String,
    pub created_unix_s: i64,
}

/// Requests to be taken out of an event's photos. The studio answers. Name, contact and message are deleted with the
/// answer, and with the event.
#[utoipa::path(post, path = "/privacy/requests", operation_id = "removal_request_create", tag = "privacy",
    request_body = NewRemovalRequest, responses((status = 204)))]
pub async fn create(
    State(app): State<App>,
    wanted: Locale,
    ClientAddress(from): ClientAddress,
    Body(given): Body<NewRemovalRequest>,
) -> Result<StatusCode> {
    place(&app, wanted.language, from, &given).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stores a request from the client address `from`.
///
/// # Errors
/// - `NotFound` if there is no such open event.
/// - `Invalid` if a field is malformed.
/// - `TooManyRequests` if the network's quota is used up, or the contact or the event has too many open requests.
pub async fn place(
    app: &App,
    language: Language,
    from: IpAddr,
    given: &NewRemovalRequest,
) -> Result<()> {
    let event = find_public(app, &given.event).await?;
    let name = extract::line("name", &given.name, 1, 100)?;
    let contact = Contact::parse(&given.contact)?;
    let message = lines("message", &given.message, 1000)?;
    let (id, hash) = (new_id()?, contact.hash(app)?);
    let request = RemovalRequest {
        name: seal(app, &id, "name", &name)?,
        contact: seal(app, &id, "contact", contact.as_str())?,
        contact_hash: hash.clone(),
        message: seal(app, &id, "message", &message)?,
        language: language.tag().to_owned(),
        studio: event.studio,
        event: event.id,
        created_unix_s: now_s(),
        id,
    };
    let mut tx = app.db.write().await?;
    let detail = "This network has used its 20 requests and gets one more every minute; try again in a minute.";
    NETWORK_QUOTA.take(&mut tx, &format!("removals:{}", network(from)), detail).await?;
    let waiting = privacy_requests::count_open(&mut tx, &request.event, &hash).await?;
    if waiting.of_contact >= OPEN_MAX || waiting.all >= OPEN_TOTAL_MAX {
        let detail = format!(
            "At most {OPEN_MAX} requests of a contact and {OPEN_TOTAL_MAX} of an event can wait for the studio's \
             answer; try again tomorrow."
        );
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(86_400));
    }
    privacy_requests::insert(&mut tx, &request).await?;
    let (studio, target) = (&request.studio, &request.id);
    let (action, detail) = ("removal_request", request.event.as_str());
    record(&mut tx, AuditEvent { studio, actor: "unknown", action, target, detail }).await?;
    Ok(tx.commit().await?)
}

/// Lists the open requests of people in an event's photos, oldest first.
#[utoipa::path(get, path = "/events/{event}/privacy-requests", operation_id = "removal_request_list", tag = "privacy",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<OpenRemovalRequest>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<OpenRemovalRequest>>> {
    let event = grant.event()?;
    count_by(&app.db, &grant, "guest_contacts_read", event).await?;
    let view = |request: RemovalRequest| {
        Ok(OpenRemovalRequest {
            name: open(&app, &request.id, "name", &request.name)?.to_string(),
            contact: open(&app, &request.id, "contact", &request.contact)?.to_string(),
            message: open(&app, &request.id, "message", &request.message)?.to_string(),
            created_unix_s: request.created_unix_s,
            id: request.id,
        })
    };
    privacy_requests::page(&app.db, event, &paging).await?.try_map(view).map(Json)
}

/// Declines a request and deletes its name, contact and message. The requester is told by e-mail.
#[utoipa::path(delete, path = "/events/{event}/privacy-requests/{privacy_request}",
    operation_id = "removal_request_decline", tag = "privacy",
    params(("event" = String, Path), ("privacy_request" = String, Path)), responses((status = 204)))]
pub async fn decline(
    State(app): State<App>,
    grant: Grant,
    Path((_, request)): Path<(String, String)>,
) -> Result<StatusCode> {
    if !is_id(&request) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    answer(&app, &mut tx, (grant.event()?, &request), RemovalAnswer::Declined, None).await?;
    record_by(&mut tx, &grant, "removal_decline", &request, grant.event()?).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Closes an open request of an event with an answer, enqueues the e-mail, and deletes name, contact and message.
///
/// # Errors
/// - `NotFound` if the event has no such open request.
pub async fn answer(
    app: &App,
    tx: &mut Tx,
    (event, request): (&str, &str),
    answer: RemovalAnswer,
    erasure: Option<&str>,
) -> Result<()> {
    let found = privacy_requests::find_open(tx, event, request).await?;
    let outcome = match answer {
        RemovalAnswer::Erased => "erased",
        RemovalAnswer::Declined => "declined",
    };
    if !privacy_requests::close(tx, request, (outcome, erasure), now_s()).await? {
        return Err(ApiError::not_found());
    }
    let contact = Contact::parse(&open(app, request, "contact", &found.contact)?)?;
    if let Some(to) = contact.email() {
        let event = events::find_in(tx, event).await?;
        let language = Language::of_tag(&found.language);
        let letter = mail::removal_answered(to, language, &event.name, answer);
        mail::enqueue(&app.mailer, tx, &OutgoingMail::Letter(letter)).await?;
    }
    Ok(())
}
