use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::receipts::Requester;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::analysis_time::AnalysisTime;
use super::guest_proof::GuestProof;
use super::retention;
use super::terms::{LegalBasis, Purpose};
use crate::api::erasure::machine;
use crate::api::erasure::receipts::stored_receipt;
use crate::api::erasure::requests::ErasureRequest;
use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Query};
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, EventRecord};
use crate::infra::db::{Page, Paging, studios};
use crate::infra::ids::new_id;

/// Default retention of an event's faces and photos, seconds (180 days).
const RETENTION_S: i64 = 180 * 86_400;
/// Limits the time until an event's end, seconds (1,098 days). A studio that needs more time moves the end
/// later.
const RETENTION_S_MAX: i64 = 3 * 366 * 86_400;

#[derive(Serialize, ToSchema)]
pub struct Event {
    pub id: String,
    pub studio: String,
    pub name: String,
    #[schema(inline)]
    pub purpose: Purpose,
    #[schema(inline)]
    pub legal_basis: LegalBasis,
    /// The time at which the server purges the event's faces and photos, seconds since the Unix epoch.
    pub ends_unix_s: i64,
    pub created_unix_s: i64,
    /// The downloads that visitors may make of the event's photos, unless a photo's folder has its own
    /// setting.
    pub downloads: Download,
    /// The watermark drawn on photos that visitors see. An event with a watermark gives visitors no original
    /// files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    // How guests prove who they are. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    pub guest_proof: GuestProof,
    // When the faces of the event's photos are embedded. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    pub analysis: AnalysisTime,
    /// Whether the event waits for its first search: no face is detected and no template of a face in its photos
    /// exists.
    pub analysis_deferred: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct NewEvent {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    // The purpose of processing faces. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    #[serde(default)]
    purpose: Purpose,
    /// The legal basis of processing faces; default: that of the studio. Required if the studio has none.
    #[schema(inline)]
    legal_basis: Option<LegalBasis>,
    /// The time at which the server purges faces and photos, seconds since the Unix epoch; default: 180 days
    /// from now; at most 1,098 days (3 years) from now.
    ends_unix_s: Option<i64>,
    /// How guests prove who they are; default: `contact_code` if a mail server is set up, otherwise `selfie`.
    /// Only owners and admins create events, so no further right is needed.
    #[schema(inline)]
    guest_proof: Option<GuestProof>,
    // When the faces of the event's photos are embedded. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    #[serde(default)]
    analysis: AnalysisTime,
}

/// The result of an event's deletion.
#[derive(Serialize, ToSchema)]
pub struct EventReceipt {
    /// The signed erasure receipt; `picpick receipt verify` checks it.
    pub receipt: String,
}

/// Converts a row of `events` to the response.
pub fn view(event: EventRecord) -> Result<Event> {
    Ok(Event {
        analysis_deferred: event.defers_analysis(),
        id: event.id,
        studio: event.studio,
        name: event.name,
        purpose: Purpose::stored(&event.purpose)?,
        legal_basis: LegalBasis::stored(&event.legal_basis)?,
        ends_unix_s: event.ends_unix_s,
        created_unix_s: event.created_unix_s,
        downloads: Download::parse(&event.downloads)?,
        watermark: event.watermark,
        guest_proof: GuestProof::stored(&event.guest_proof)?,
        analysis: AnalysisTime::stored(&event.analysis)?,
    })
}

/// Checks an end date: in the future, at most `RETENTION_S_MAX` from now.
pub fn ends(unix_s: i64) -> Result<i64> {
    let now = now_s();
    if unix_s > now && unix_s <= now + RETENTION_S_MAX {
        return Ok(unix_s);
    }
    Err(ApiError::invalid(
        "ends_unix_s: expected a time in the future, at most 1,098 days (3 years) from now.",
    ))
}

/// Lists the events of a studio that the caller may see, oldest first. A member whose roles are valid for
/// single events sees only these events.
#[utoipa::path(get, path = "/studios/{studio}/events", operation_id = "event_list", tag = "events",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<Event>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Event>>> {
    let only = grant.only_events.as_deref();
    let page = events::page(&app.db, &grant.studio, only, &paging).await?;
    page.try_map(view).map(Json)
}

/// Returns the legal basis of a new event: the given one, otherwise that of the studio.
///
/// # Errors
/// - `Invalid` if neither is set.
async fn basis(app: &App, studio: &str, given: Option<LegalBasis>) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.as_str().to_owned());
    }
    studios::find(&app.db, studio).await?.legal_basis.ok_or_else(|| {
        ApiError::invalid(
            "legal_basis: expected consent, contract, legal_obligation or legitimate_interest; send it with the \
             event, or set it once for the studio with PATCH /studios/{studio}.",
        )
    })
}

/// Creates an event with an empty face collection.
#[utoipa::path(post, path = "/studios/{studio}/events", operation_id = "event_create", tag = "events",
    params(("studio" = String, Path)), request_body = NewEvent,
    responses((status = 201, body = Event)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewEvent>,
) -> Result<(StatusCode, Json<Event>)> {
    let now = now_s();
    let event = EventRecord {
        id: new_id()?,
        studio: grant.studio.clone(),
        name: extract::name("name", &given.name)?,
        purpose: given.purpose.as_str().to_owned(),
        legal_basis: basis(&app, &grant.studio, given.legal_basis).await?,
        ends_unix_s: given.ends_unix_s.map_or(Ok(now + RETENTION_S), ends)?,
        created_unix_s: now,
        downloads: Download::Off.as_str().to_owned(),
        watermark: None,
        guest_proof: given.guest_proof.unwrap_or(GuestProof::default_of(&app)).as_str().to_owned(),
        analysis: given.analysis.as_str().to_owned(),
        analysis_started_unix_s: None,
    };
    // The collection is created before the event's row, because an event without a collection could accept no
    // photo. A crash in between leaves only an empty collection, which is listed with its end date.
    let policy = retention(&event.purpose, &event.legal_basis, event.ends_unix_s);
    let id = event.id.clone();
    app.face_engine.run(move |faces| faces.create(&id, &policy)).await?;
    let mut tx = app.db.write().await?;
    events::insert(&mut tx, &event, &app.node_id).await?;
    let EventRecord { purpose, legal_basis, ends_unix_s, guest_proof, analysis, .. } = &event;
    let detail = format!(
        "purpose: {purpose}; legal_basis: {legal_basis}; ends_unix_s: {ends_unix_s}; guest_proof: {guest_proof}; \
         analysis: {analysis}"
    );
    record_by(&mut tx, &grant, "event_create", &event.id, &detail).await?;
    tx.commit().await?;
    view(event).map(|event| (StatusCode::CREATED, Json(event)))
}

/// Returns an event. The guard has checked that the caller may access the event.
pub async fn one(app: &App, event: &str) -> Result<Event> {
    view(events::find(&app.db, event).await?)
}

/// Returns an event.
#[utoipa::path(get, path = "/events/{event}",
    operation_id = "event_show", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = Event)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<Event>> {
    one(&app, grant.event()?).await.map(Json)
}

/// Deletes an event permanently, with its faces, photos, albums and guests. Returns the signed erasure
/// receipt. The server completes a started deletion even after a crash. The audit log, the erasure receipts
/// and the consent records are kept.
#[utoipa::path(delete, path = "/events/{event}",
    operation_id = "event_delete", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = EventReceipt)))]
pub async fn delete(State(app): State<App>, grant: Grant) -> Result<Json<EventReceipt>> {
    let (event, actor) = (grant.event()?, grant.caller.name());
    let requester = Requester::Studio;
    let request = ErasureRequest { studio: &grant.studio, event, requester, actor: &actor };
    let mut tx = app.db.write().await?;
    let erasure = request.event(&mut tx).await?;
    record_by(&mut tx, &grant, "event_delete", event, "").await?;
    tx.commit().await?;
    let receipt = machine::run(&app, &erasure).await?.receipt;
    // The retention job, or an earlier removal that was interrupted, may have purged the faces.
    let receipt = match receipt.is_empty() {
        true => stored_receipt(&app.db, event).await?.unwrap_or_default(),
        false => receipt,
    };
    Ok(Json(EventReceipt { receipt }))
}
