//! The guest list of an event: the e-mail addresses that get a code if the event's guests prove themselves by
//! `guest_list`.
//!
//! Only members of the studio learn which contacts are on the list. A registration with any other contact is
//! answered alike, and no code arrives.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::contact::{Contact, open, seal};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{count_by, record_by};
use crate::http::extract::{Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, Page, PageQuery, Paging, Tx};
use crate::infra::ids::{is_id, new_id};

/// Maximum number of contacts in one request.
const BATCH_MAX: usize = 1000;
/// Maximum number of contacts on an event's list.
const LIST_MAX: i64 = 20_000;

/// A contact on the guest list.
#[derive(Serialize, ToSchema)]
pub struct ListedContact {
    pub id: String,
    pub contact: String,
    pub created_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct NewListedContacts {
    /// E-mail addresses, at most 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    contacts: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ListedContactsAdded {
    /// Number of contacts that were added.
    pub added: usize,
    /// Number of contacts that were on the list already.
    pub known: usize,
}

/// Lists the contacts on an event's guest list, oldest first.
#[utoipa::path(get, path = "/events/{event}/guest-list", operation_id = "guest_list_entry_list",
    tag = "guests of an event", params(("event" = String, Path), Paging),
    responses((status = 200, body = Page<ListedContact>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ListedContact>>> {
    count_by(&app.db, &grant, "guest_contacts_read", grant.event()?).await?;
    page_of(&app, grant.event()?, &paging).await.map(Json)
}

/// Returns a page of an event's guest list.
pub async fn page_of(app: &App, event: &str, paging: &Paging) -> Result<Page<ListedContact>> {
    let page = PageQuery {
        select: "SELECT * FROM guest_list_entries WHERE event_id = $1",
        values: &[BoundValue::Text(event)],
        order: BY_CREATION,
    };
    let read = |row: &AnyRow| read(app, row);
    app.db.page(paging, page, read, |it| (it.created_unix_s, &it.id)).await
}

fn read(app: &App, row: &AnyRow) -> Result<ListedContact> {
    let id: String = row.try_get("id")?;
    let contact = open(app, &id, "contact", &row.try_get::<String, _>("contact")?)?.to_string();
    Ok(ListedContact { contact, created_unix_s: row.try_get("created_unix_s")?, id })
}

/// Adds e-mail addresses to an event's guest list. If one of them is malformed, none is added.
#[utoipa::path(post, path = "/events/{event}/guest-list", operation_id = "guest_list_entry_add",
    tag = "guests of an event", params(("event" = String, Path)), request_body = NewListedContacts,
    responses((status = 200, body = ListedContactsAdded)))]
pub async fn add(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewListedContacts>,
) -> Result<Json<ListedContactsAdded>> {
    if given.contacts.is_empty() || given.contacts.len() > BATCH_MAX {
        let (received, most) = (given.contacts.len(), BATCH_MAX);
        let detail =
            format!("contacts: expected 1 to {most} e-mail addresses, received {received}.");
        return Err(ApiError::invalid(detail));
    }
    let mut contacts = Vec::with_capacity(given.contacts.len());
    for (nth, text) in given.contacts.iter().enumerate() {
        let contact = Contact::parse(text).ok().filter(|contact| contact.email().is_some());
        let expected = || {
            ApiError::invalid(format!(
                "contacts: expected an e-mail address at position {}; codes are sent by e-mail.",
                nth + 1
            ))
        };
        contacts.push(contact.ok_or_else(expected)?);
    }
    let (event, now) = (grant.event()?, now_s());
    let mut tx = app.db.write().await?;
    let row = sqlx::query("SELECT COUNT(*) AS n FROM guest_list_entries WHERE event_id = $1")
        .bind(event)
        .fetch_one(&mut *tx)
        .await?;
    if row.try_get::<i64, _>("n")? > LIST_MAX - i64::try_from(contacts.len()).unwrap_or(LIST_MAX) {
        let detail =
            format!("An event's guest list has at most {LIST_MAX} contacts; remove some first.");
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let mut added = 0;
    for contact in &contacts {
        let id = new_id()?;
        let inserted = sqlx::query(
            "INSERT INTO guest_list_entries (id, event_id, contact, contact_hash, created_unix_s) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event_id, contact_hash) DO NOTHING",
        )
        .bind(&id)
        .bind(event)
        .bind(seal(&app, &id, "contact", contact.as_str())?)
        .bind(contact.hash(&app)?)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        added += usize::from(inserted.rows_affected() > 0);
    }
    record_by(&mut tx, &grant, "guest_list_add", event, &format!("contacts: {added}")).await?;
    tx.commit().await?;
    Ok(Json(ListedContactsAdded { added, known: contacts.len() - added }))
}

/// Removes a contact from an event's guest list. A guest who has proved the contact before stays a guest;
/// `DELETE /events/{event}/guests/{guest}` removes the guest.
#[utoipa::path(delete, path = "/events/{event}/guest-list/{entry}", operation_id = "guest_list_entry_remove",
    tag = "guests of an event", params(("event" = String, Path), ("entry" = String, Path)),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, entry)): Path<(String, String)>,
) -> Result<StatusCode> {
    if !is_id(&entry) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    let gone = sqlx::query("DELETE FROM guest_list_entries WHERE id = $1 AND event_id = $2")
        .bind(&entry)
        .bind(grant.event()?)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "guest_list_remove", &entry, grant.event()?).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns whether the contact with this pseudonym is on the event's guest list.
pub async fn contains(tx: &mut Tx, event: &str, contact_hash: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM guest_list_entries WHERE event_id = $1 AND contact_hash = $2",
    )
    .bind(event)
    .bind(contact_hash)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get::<i64, _>("n")? > 0)
}
