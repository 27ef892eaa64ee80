use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::retention;
use crate::api::erasure::event;
use crate::api::photo_policy::{Download, watermark};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Query};
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, EventRecord};
use crate::infra::db::{Page, Paging};
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
    /// The purpose of processing faces.
    pub purpose: String,
    /// The legal basis of processing faces.
    pub legal_basis: String,
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
}

#[derive(Deserialize, ToSchema)]
pub struct NewEvent {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The purpose of processing faces; default: "finding guests' photos".
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
    /// The legal basis of processing faces; default: "consent".
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<String>,
    /// The time at which the server purges faces and photos, seconds since the Unix epoch; default: 180 days
    /// from now; at most 1,098 days (3 years) from now.
    ends_unix_s: Option<i64>,
}

/// Changes to an event. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
pub struct EventChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<String>,
    /// The new time of the purge, seconds since the Unix epoch; at most 1,098 days (3 years) from now.
    ends_unix_s: Option<i64>,
    downloads: Option<Download>,
    /// The text of the watermark: Latin letters, digits and signs. An empty string removes the watermark.
    #[schema(max_length = 60)]
    watermark: Option<String>,
}

/// The result of an event's deletion.
#[derive(Serialize, ToSchema)]
pub struct EventReceipt {
    /// The signed erasure receipt; `picpick receipt verify` checks it.
    pub receipt: String,
}

fn view(event: EventRecord) -> Result<Event> {
    Ok(Event {
        id: event.id,
        studio: event.studio,
        name: event.name,
        purpose: event.purpose,
        legal_basis: event.legal_basis,
        ends_unix_s: event.ends_unix_s,
        created_unix_s: event.created_unix_s,
        downloads: Download::parse(&event.downloads)?,
        watermark: event.watermark,
    })
}

/// Checks an end date: in the future, at most `RETENTION_S_MAX` from now.
fn ends(unix_s: i64) -> Result<i64> {
    let now = now_s();
    if unix_s > now && unix_s <= now + RETENTION_S_MAX {
        return Ok(unix_s);
    }
    Err(ApiError::invalid(
        "ends_unix_s: expected a time in the future, at most 1,098 days (3 years) from now.",
    ))
}

fn reason(what: &str, given: Option<String>, otherwise: &str) -> Result<String> {
    given.map_or(Ok(otherwise.to_owned()), |text| extract::name(what, &text))
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
        purpose: reason("purpose", given.purpose, "finding guests' photos")?,
        legal_basis: reason("legal_basis", given.legal_basis, "consent")?,
        ends_unix_s: given.ends_unix_s.map_or(Ok(now + RETENTION_S), ends)?,
        created_unix_s: now,
        downloads: Download::Off.as_str().to_owned(),
        watermark: None,
    };
    // The collection is created before the event's row, because an event without a collection could accept no
    // photo. A crash in between leaves only an empty collection, which is listed with its end date.
    let policy = retention(&event.purpose, &event.legal_basis, event.ends_unix_s);
    let id = event.id.clone();
    app.face_engine.run(move |faces| faces.create(&id, &policy)).await?;
    let mut tx = app.db.write().await?;
    events::insert(&mut tx, &event, &app.node_id).await?;
    record_by(&mut tx, &grant, "event_create", &event.id, "").await?;
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

/// Changes an event.
#[utoipa::path(patch, path = "/events/{event}",
    operation_id = "event_update", tag = "events", params(("event" = String, Path)),
    request_body = EventChange, responses((status = 200, body = Event)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<EventChange>,
) -> Result<Json<Event>> {
    let before = events::find(&app.db, grant.event()?).await?;
    let downloads = given.downloads.map(|download| download.as_str().to_owned());
    let event = EventRecord {
        name: given.name.map_or(Ok(before.name), |name| extract::name("name", &name))?,
        purpose: reason("purpose", given.purpose, &before.purpose)?,
        legal_basis: reason("legal_basis", given.legal_basis, &before.legal_basis)?,
        ends_unix_s: given.ends_unix_s.map_or(Ok(before.ends_unix_s), ends)?,
        downloads: downloads.unwrap_or(before.downloads),
        watermark: given.watermark.map_or(Ok(before.watermark), |text| watermark(&text))?,
        ..before
    };
    let policy = retention(&event.purpose, &event.legal_basis, event.ends_unix_s);
    let id = event.id.clone();
    app.face_engine.run(move |faces| faces.set_retention(&id, &policy)).await?;
    let mut tx = app.db.write().await?;
    events::update(&mut tx, &event).await?;
    record_by(&mut tx, &grant, "event_change", &event.id, "").await?;
    tx.commit().await?;
    view(event).map(Json)
}

/// Deletes an event permanently, with its faces, photos, albums and guests. Returns the signed erasure
/// receipt. The server completes a started deletion even after a crash. The audit log, the erasure receipts
/// and the consent records are kept.
#[utoipa::path(delete, path = "/events/{event}",
    operation_id = "event_delete", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = EventReceipt)))]
pub async fn delete(State(app): State<App>, grant: Grant) -> Result<Json<EventReceipt>> {
    let event = grant.event()?;
    let mut tx = app.db.write().await?;
    events::mark_deleting(&mut tx, event, now_s()).await?;
    record_by(&mut tx, &grant, "event_delete", event, "").await?;
    tx.commit().await?;
    // Spawned as a task, so that a disconnected client does not cancel the removal.
    let (studio, event) = (grant.studio.clone(), event.to_owned());
    let removal = tokio::spawn(async move { event::erase_event(&app, &studio, &event).await });
    let receipt = removal.await.map_err(ApiError::internal)??;
    Ok(Json(EventReceipt { receipt }))
}
