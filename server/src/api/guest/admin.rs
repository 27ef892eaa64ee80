use axum::Json;
use axum::extract::State;
use picpick_engine::receipts::Requester;
use serde::Serialize;
use utoipa::ToSchema;

use super::contact::open;
use crate::api::erasure::requests::{ErasureRequest, GuestFaces};
use crate::api::event::routes::EventReceipt;
use crate::api::event::terms::Purpose;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{count_by, record_by};
use crate::http::extract::{Path, Query};
use crate::infra::db::consents::{self, GivenConsent};
use crate::infra::db::guests::{self, GuestRecord};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::is_id;

/// A guest with name and contact, as shown to members of the studio who may manage guests.
#[derive(Serialize, ToSchema)]
pub struct GuestRow {
    pub id: String,
    pub name: String,
    /// An e-mail address or a telephone number.
    pub contact: String,
    /// The time at which the guest verified their face or the studio accepted the guest, seconds since the
    /// Unix epoch. Absent before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_unix_s: Option<i64>,
    /// The time at which the guest proved the contact by a code or a link in an e-mail, seconds since the Unix
    /// epoch. Absent before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_proved_unix_s: Option<i64>,
    pub notifications: Notifications,
    pub created_unix_s: i64,
}

/// Whether a guest receives e-mails about new photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notifications {
    Off,
    /// The guest has requested e-mails, and the contact's owner has not confirmed them yet.
    Pending,
    On,
}

/// A guest's consent. The record remains after the guest is erased.
#[derive(Serialize, ToSchema)]
pub struct ConsentRecord {
    pub id: String,
    pub guest: String,
    /// The version of the text that the guest agreed to.
    pub version: String,
    /// The event's end in the text, seconds since the Unix epoch; 0 if the consent was given before texts
    /// contained the end.
    pub event_ends_unix_s: i64,
    // The purpose in the consent text. A doc comment here would become a second schema, of type `object`.
    #[schema(inline)]
    pub purpose: Purpose,
    /// The time until which the consent covers the event, seconds since 1970. If the event ends later,
    /// the guest is erased then, unless the guest has agreed again.
    pub valid_until_unix_s: i64,
    pub language: String,
    pub given_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_unix_s: Option<i64>,
}

impl Notifications {
    /// Converts a value of the column `notify`.
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
    let view = |guest: GuestRecord| {
        Ok(GuestRow {
            name: open(&app, &guest.id, "name", &guest.name)?.to_string(),
            contact: open(&app, &guest.id, "contact", &guest.contact)?.to_string(),
            verified_unix_s: guest.verified_unix_s,
            contact_proved_unix_s: guest.contact_proved_unix_s,
            notifications: Notifications::of(guest.notify),
            created_unix_s: guest.created_unix_s,
            id: guest.id,
        })
    };
    let event = grant.event()?;
    count_by(&app.db, &grant, "guest_contacts_read", event).await?;
    guests::page(&app.db, event, &paging).await?.try_map(view).map(Json)
}

/// Lists the consents of an event's guests, including withdrawn consents, oldest first.
#[utoipa::path(get, path = "/events/{event}/guest-consents",
    operation_id = "guest_consent_list", tag = "guests of an event",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<ConsentRecord>)))]
pub async fn consents(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ConsentRecord>>> {
    let view = |given: GivenConsent| {
        Ok(ConsentRecord {
            id: given.id,
            guest: given.guest,
            version: given.version,
            event_ends_unix_s: given.event_ends_unix_s,
            purpose: Purpose::stored(&given.purpose)?,
            valid_until_unix_s: given.valid_until_unix_s,
            language: given.language,
            given_unix_s: given.given_unix_s,
            withdrawn_unix_s: given.withdrawn_unix_s,
        })
    };
    consents::page(&app.db, grant.event()?, &paging).await?.try_map(view).map(Json)
}

/// Erases the template, sessions and e-mail tokens of a guest who has requested the erasure from the studio.
/// The response is the signed receipt of the erasure.
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
    let mut tx = app.db.write().await?;
    if !guests::is_of_event(&mut tx, &guest, grant.event()?).await? {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "guest_remove", &guest, grant.event()?).await?;
    tx.commit().await?;
    let (event, actor) = (grant.event()?, grant.caller.name());
    let requester = Requester::Studio;
    let request = ErasureRequest { studio: &grant.studio, event, requester, actor: &actor };
    let receipt = request.guest(&app, &guest, GuestFaces::default()).await?.receipt;
    Ok(Json(EventReceipt { receipt }))
}
