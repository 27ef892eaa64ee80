use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::contact::open;
use crate::api::erasure::guest::erase_guest;
use crate::api::erasure::receipts::GuestErasure;
use crate::api::event::routes::EventReceipt;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{Path, Query};
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::is_id;

/// A guest with name and contact, as shown to members of the studio who may manage guests.
#[derive(Serialize, ToSchema)]
pub struct GuestRow {
    pub id: String,
    pub name: String,
    /// An e-mail address or a telephone number.
    pub contact: String,
    /// When the guest verified their face or was accepted by the studio; absent: not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_unix_s: Option<i64>,
    pub notifications: Notifications,
    pub created_unix_s: i64,
}

/// Whether a guest receives e-mails about new photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notifications {
    Off,
    /// Requested, not yet confirmed.
    Pending,
    On,
}

/// A consent record. It is kept when the guest is erased.
#[derive(Serialize, ToSchema)]
pub struct ConsentRecord {
    pub id: String,
    pub guest: String,
    /// The version of the text that the guest agreed to.
    pub version: String,
    /// The event's end that the text named, seconds since 1970; 0 for a consent given before texts named it.
    pub event_ends_unix_s: i64,
    pub language: String,
    pub given_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_unix_s: Option<i64>,
}

impl Notifications {
    /// Reads the column `notify`.
    pub fn of(notify: i64) -> Self {
        match notify {
            2 => Self::On,
            1 => Self::Pending,
            _ => Self::Off,
        }
    }
}

/// Lists an event's guests, oldest first.
#[utoipa::path(get, path = "/events/{event}/guests", operation_id = "guest_list", tag = "guests of an event",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<GuestRow>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<GuestRow>>> {
    let read = |row: &AnyRow| -> Result<GuestRow> {
        let id: String = row.try_get("id")?;
        let field = |name: &str| open(&app, &id, name, &row.try_get::<String, _>(name)?);
        Ok(GuestRow {
            name: field("name")?.to_string(),
            contact: field("contact")?.to_string(),
            verified_unix_s: row.try_get("verified_unix_s")?,
            notifications: Notifications::of(row.try_get("notify")?),
            created_unix_s: row.try_get("created_unix_s")?,
            id,
        })
    };
    let list = PageQuery {
        select: "SELECT * FROM guests WHERE event_id = $1 AND erasing_unix_s IS NULL",
        values: &[BoundValue::Text(grant.event()?)],
        order: BY_CREATION,
    };
    app.db().page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Lists the consents given at an event, including withdrawn ones, oldest first.
#[utoipa::path(get, path = "/events/{event}/guest-consents",
    operation_id = "guest_consent_list", tag = "guests of an event",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<ConsentRecord>)))]
pub async fn consents(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ConsentRecord>>> {
    let read = |row: &AnyRow| -> sqlx::Result<ConsentRecord> {
        Ok(ConsentRecord {
            id: row.try_get("id")?,
            guest: row.try_get("guest_id")?,
            version: row.try_get("version")?,
            event_ends_unix_s: row.try_get("event_ends_unix_s")?,
            language: row.try_get("language")?,
            given_unix_s: row.try_get("given_unix_s")?,
            withdrawn_unix_s: row.try_get("withdrawn_unix_s")?,
        })
    };
    let list = PageQuery {
        select: "SELECT * FROM guest_consents WHERE event_id = $1",
        values: &[BoundValue::Text(grant.event()?)],
        order: ["given_unix_s", "id"],
    };
    app.db().page(&paging, list, read, |it| (it.given_unix_s, &it.id)).await.map(Json)
}

/// Erases a guest who asked the studio for it: template, sessions and e-mail tokens.
/// The response is the signed receipt.
#[utoipa::path(delete, path = "/events/{event}/guests/{guest}",
    operation_id = "guest_delete", tag = "guests of an event",
    params(("event" = String, Path), ("guest" = String, Path)),
    responses((status = 200, body = EventReceipt)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, guest)): Path<(String, String)>,
) -> Result<Json<EventReceipt>> {
    if !is_id(&guest) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db().write().await?;
    sqlx::query("SELECT id FROM guests WHERE id = $1 AND event_id = $2 AND erasing_unix_s IS NULL")
        .bind(&guest)
        .bind(grant.event()?)
        .fetch_one(&mut *tx)
        .await?;
    record_by(&mut tx, &grant, "guest_remove", &guest, grant.event()?).await?;
    tx.commit().await?;
    let (studio, event) = (grant.studio.clone(), grant.event()?.to_owned());
    let receipt = erase_guest(&app, GuestErasure { studio, event, guest, faces: false }).await?;
    Ok(Json(EventReceipt { receipt }))
}
