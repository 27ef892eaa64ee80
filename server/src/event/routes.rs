//! Events over HTTP.
//!
//! A member of one event sees that event alone. Makes and removes collections through the engine's door and
//! never touches a face itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::{keep, remove};
use crate::access::Grant;
use crate::audit::note_by;
use crate::clock::now_s;
use crate::db::{BY_CREATION, List, Value};
use crate::error::{Failure, Result};
use crate::ids::new_id;
use crate::input::{self, Body, Page, Paging, Query};
use crate::photo::rules::{Download, watermark};
use crate::state::App;

/// Faces are kept for so long when nothing else is said.
const KEPT_S: i64 = 180 * 86_400;
/// At most so long: who needs longer says so again.
const KEPT_S_MAX: i64 = 3 * 366 * 86_400;

#[derive(Serialize, ToSchema)]
pub struct Event {
    pub id: String,
    pub studio: String,
    pub name: String,
    /// What faces are kept for.
    pub purpose: String,
    /// On which legal basis.
    pub legal_basis: String,
    /// When its faces and photos are purged.
    pub ends_unix_s: i64,
    pub created_unix_s: i64,
    /// What visitors may take of its photos, where a folder says nothing else.
    pub downloads: Download,
    /// Drawn over what visitors are shown; with it they take no originals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewEvent {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What faces are kept for; "finding guests' photos" when nothing is said.
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
    /// On which legal basis; "consent" when nothing is said.
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<String>,
    /// When faces and photos are purged, seconds since 1970; 180 days from now when nothing is said.
    ends_unix_s: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
pub struct EventChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<String>,
    ends_unix_s: Option<i64>,
    downloads: Option<Download>,
    /// Latin letters, digits and signs; an empty text takes it away.
    #[schema(max_length = 60)]
    watermark: Option<String>,
}

/// What is left of a deleted event.
#[derive(Serialize, ToSchema)]
pub struct Removed {
    /// The signed receipt as text; `picpick receipt verify` checks it.
    pub receipt: String,
}

fn read(row: &AnyRow) -> Result<Event> {
    Ok(Event {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        name: row.try_get("name")?,
        purpose: row.try_get("purpose")?,
        legal_basis: row.try_get("legal_basis")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        created_unix_s: row.try_get("created_unix_s")?,
        downloads: Download::parse(&row.try_get::<String, _>("downloads")?)?,
        watermark: row.try_get("watermark")?,
    })
}

fn ends(unix_s: i64) -> Result<i64> {
    let now = now_s();
    if unix_s > now && unix_s <= now + KEPT_S_MAX {
        return Ok(unix_s);
    }
    Err(Failure::invalid("ends_unix_s: expected a time to come, within three years."))
}

fn reason(what: &str, given: Option<String>, otherwise: &str) -> Result<String> {
    given.map_or(Ok(otherwise.to_owned()), |text| input::name(what, &text))
}

/// The events of a studio that the caller may see, oldest first.
#[utoipa::path(get, path = "/studios/{studio}/events", tag = "events",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<Event>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Event>>> {
    // Left out here and not from the page: its cursor would name an event that the caller may not see.
    let only = grant.only_events.as_ref().map_or("*".to_owned(), |events| events.join(","));
    let list = List {
        select: "SELECT * FROM events WHERE studio_id = $1 AND deleting_unix_s IS NULL \
             AND ($2 = '*' OR $2 LIKE '%' || id || '%')",
        values: &[Value::Text(&grant.studio), Value::Text(&only)],
        order: BY_CREATION,
    };
    app.db().page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Makes an event with its empty face collection.
#[utoipa::path(post, path = "/studios/{studio}/events", tag = "events",
    params(("studio" = String, Path)), request_body = NewEvent,
    responses((status = 201, body = Event)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewEvent>,
) -> Result<(StatusCode, Json<Event>)> {
    let now = now_s();
    let event = Event {
        id: new_id()?,
        studio: grant.studio.clone(),
        name: input::name("name", &given.name)?,
        purpose: reason("purpose", given.purpose, "finding guests' photos")?,
        legal_basis: reason("legal_basis", given.legal_basis, "consent")?,
        ends_unix_s: given.ends_unix_s.map_or(Ok(now + KEPT_S), ends)?,
        created_unix_s: now,
        downloads: Download::Off,
        watermark: None,
    };
    // The collection first: an event without one could take no photo, a collection without an event is
    // empty and is found by its end date.
    let kept = keep(&event.purpose, &event.legal_basis, event.ends_unix_s);
    let id = event.id.clone();
    app.faces().run(move |faces| faces.create(&id, &kept)).await?;
    let mut tx = app.db().write().await?;
    sqlx::query(
        "INSERT INTO events (id, studio_id, name, purpose, legal_basis, ends_unix_s, created_unix_s, home) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&event.id)
    .bind(&event.studio)
    .bind(&event.name)
    .bind(&event.purpose)
    .bind(&event.legal_basis)
    .bind(event.ends_unix_s)
    .bind(now)
    .bind(app.home())
    .execute(&mut *tx)
    .await?;
    note_by(&mut tx, &grant, "event_create", &event.id, "").await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(event)))
}

/// The event, which the guard has let the caller into.
pub async fn one(app: &App, event: &str) -> Result<Event> {
    let row = sqlx::query("SELECT * FROM events WHERE id = $1 AND deleting_unix_s IS NULL")
        .bind(event)
        .fetch_one(app.db().read())
        .await?;
    read(&row)
}

/// An event.
#[utoipa::path(get, path = "/events/{event}", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = Event)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<Event>> {
    one(&app, grant.event()?).await.map(Json)
}

/// Changes an event; what is not given stays.
#[utoipa::path(patch, path = "/events/{event}", tag = "events", params(("event" = String, Path)),
    request_body = EventChange, responses((status = 200, body = Event)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<EventChange>,
) -> Result<Json<Event>> {
    let before = one(&app, grant.event()?).await?;
    let event = Event {
        name: given.name.map_or(Ok(before.name), |name| input::name("name", &name))?,
        purpose: reason("purpose", given.purpose, &before.purpose)?,
        legal_basis: reason("legal_basis", given.legal_basis, &before.legal_basis)?,
        ends_unix_s: given.ends_unix_s.map_or(Ok(before.ends_unix_s), ends)?,
        downloads: given.downloads.unwrap_or(before.downloads),
        watermark: given.watermark.map_or(Ok(before.watermark), |text| watermark(&text))?,
        ..before
    };
    let kept = keep(&event.purpose, &event.legal_basis, event.ends_unix_s);
    let id = event.id.clone();
    app.faces().run(move |faces| faces.keep(&id, &kept)).await?;
    let mut tx = app.db().write().await?;
    sqlx::query(
        "UPDATE events SET name = $1, purpose = $2, legal_basis = $3, ends_unix_s = $4, downloads = $5, \
         watermark = $6 WHERE id = $7",
    )
    .bind(&event.name)
    .bind(&event.purpose)
    .bind(&event.legal_basis)
    .bind(event.ends_unix_s)
    .bind(event.downloads.as_str())
    .bind(&event.watermark)
    .bind(&event.id)
    .execute(&mut *tx)
    .await?;
    note_by(&mut tx, &grant, "event_change", &event.id, "").await?;
    tx.commit().await?;
    Ok(Json(event))
}

/// Deletes an event for good: faces, photos, everything. The answer is the signed receipt. Once begun it is
/// carried through, whatever happens to the service meanwhile.
#[utoipa::path(delete, path = "/events/{event}", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = Removed)))]
pub async fn delete(State(app): State<App>, grant: Grant) -> Result<Json<Removed>> {
    let event = grant.event()?;
    let mut tx = app.db().write().await?;
    sqlx::query("UPDATE events SET deleting_unix_s = $1 WHERE id = $2 AND deleting_unix_s IS NULL")
        .bind(now_s())
        .bind(event)
        .execute(&mut *tx)
        .await?;
    note_by(&mut tx, &grant, "event_delete", event, "").await?;
    tx.commit().await?;
    // In a task of its own: a client that hangs up does not stop it.
    let (studio, event) = (grant.studio.clone(), event.to_owned());
    let removal = tokio::spawn(async move { remove::remove(&app, &studio, &event).await });
    let receipt = removal.await.map_err(Failure::internal)??;
    Ok(Json(Removed { receipt }))
}
