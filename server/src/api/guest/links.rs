use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::consent::ConsentNames;
use crate::api::event::analysis_time::AnalysisTime;
use crate::api::event::guest_proof::GuestProof;
use crate::api::event::terms::Purpose;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery, events};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::{is_id, new_id, new_token, token_hash};
use crate::infra::qr_code;

/// A link for an event's guests, usually printed as a QR code.
#[derive(Serialize, ToSchema)]
pub struct GuestLink {
    pub id: String,
    /// The studio's label, for example the place where the QR code hangs.
    pub name: String,
    pub created_unix_s: i64,
    /// The time at which the link stops accepting new guests, seconds since the Unix epoch.
    pub expires_unix_s: i64,
    /// The URL for guests. Present only in the response that creates the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The URL as a QR code in SVG. Present only in the response that creates the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qr_svg: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewGuestLink {
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The time at which the link stops accepting new guests, seconds since the Unix epoch. At most the
    /// event's end, which is the default.
    expires_unix_s: Option<i64>,
}

/// An open guest link, with the data that a visitor with the link may see.
pub struct OpenGuestLink {
    pub id: String,
    pub event: String,
    pub event_name: String,
    pub studio: String,
    pub studio_name: String,
    pub ends_unix_s: i64,
    pub purpose: Purpose,
    /// How the event's guests prove who they are.
    pub guest_proof: GuestProof,
    /// When the faces of the event's photos are embedded.
    pub analysis: AnalysisTime,
}

/// Returns the open link that has this token. Withdrawn, expired and unknown links all give `None`.
pub async fn open(app: &App, token: &str) -> Result<Option<OpenGuestLink>> {
    let text = format!(
        "SELECT l.id, l.event_id, e.name, e.studio_id, e.ends_unix_s, e.purpose, e.guest_proof, e.analysis, \
         s.name AS studio_name FROM {} JOIN guest_links l ON l.event_id = e.id \
         WHERE l.token_hash = $1 AND l.expires_unix_s > $2 AND {} AND e.node_id = $3",
        events::WITH_STUDIO,
        events::open_at("$2")
    );
    let query = sqlx::query(&text).bind(token_hash(token)).bind(now_s()).bind(&app.node_id);
    let row = query.fetch_optional(app.db.read()).await?;
    let read = |row: AnyRow| {
        Ok::<_, ApiError>(OpenGuestLink {
            id: row.try_get("id")?,
            event: row.try_get("event_id")?,
            event_name: row.try_get("name")?,
            studio: row.try_get("studio_id")?,
            studio_name: row.try_get("studio_name")?,
            ends_unix_s: row.try_get("ends_unix_s")?,
            purpose: Purpose::stored(&row.try_get::<String, _>("purpose")?)?,
            guest_proof: GuestProof::stored(&row.try_get::<String, _>("guest_proof")?)?,
            analysis: AnalysisTime::stored(&row.try_get::<String, _>("analysis")?)?,
        })
    };
    row.map(read).transpose()
}

impl OpenGuestLink {
    /// Returns the values of the event that a consent text contains.
    pub fn named(&self) -> ConsentNames<'_> {
        let Self { event_name, studio_name, ends_unix_s, purpose, .. } = self;
        ConsentNames {
            event: event_name,
            studio: studio_name,
            ends_unix_s: *ends_unix_s,
            purpose: *purpose,
        }
    }
}

/// Returns the open link that has this token.
///
/// # Errors
/// - `Gone` if the link is withdrawn, expired or unknown.
pub async fn check_open(app: &App, token: &str) -> Result<OpenGuestLink> {
    let detail = "The link is invalid, expired or withdrawn; ask the studio for a new one.";
    let gone = || ApiError::new(ErrorKind::Gone, detail);
    open(app, token).await?.ok_or_else(gone)
}

fn read(row: &AnyRow) -> sqlx::Result<GuestLink> {
    Ok(GuestLink {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_unix_s: row.try_get("created_unix_s")?,
        expires_unix_s: row.try_get("expires_unix_s")?,
        url: None,
        qr_svg: None,
    })
}

/// Lists an event's guest links, oldest first.
#[utoipa::path(get, path = "/events/{event}/guest-links", operation_id = "guest_link_list", tag = "guests of an event",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<GuestLink>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<GuestLink>>> {
    let list = PageQuery {
        select: "SELECT * FROM guest_links WHERE event_id = $1",
        values: &[BoundValue::Text(grant.event()?)],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Creates a guest link. Only this response contains the link's URL and QR code.
#[utoipa::path(post, path = "/events/{event}/guest-links",
    operation_id = "guest_link_create", tag = "guests of an event",
    params(("event" = String, Path)), request_body = NewGuestLink,
    responses((status = 201, body = GuestLink)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewGuestLink>,
) -> Result<(StatusCode, Json<GuestLink>)> {
    let (event, now) = (events::find(&app.db, grant.event()?).await?, now_s());
    let expires = given.expires_unix_s.unwrap_or(event.ends_unix_s);
    if expires <= now || expires > event.ends_unix_s {
        return Err(ApiError::invalid(
            "expires_unix_s: expected a time after now and not after the event's end.",
        ));
    }
    let token = new_token("ppq_")?;
    let url = app.mailer.address(&format!("/g/{}", token.as_str()));
    let link = GuestLink {
        id: new_id()?,
        name: extract::optional_line("name", given.name)?,
        created_unix_s: now,
        expires_unix_s: expires,
        qr_svg: Some(qr_code::svg(&url)?),
        url: Some(url),
    };
    let mut tx = app.db.write().await?;
    sqlx::query(
        "INSERT INTO guest_links (id, event_id, token_hash, name, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&link.id)
    .bind(&event.id)
    .bind(token_hash(&token))
    .bind(&link.name)
    .bind(now)
    .bind(expires)
    .execute(&mut *tx)
    .await?;
    record_by(&mut tx, &grant, "guest_link_create", &link.id, &event.id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// Withdraws a guest link. The link accepts no new guests. Guests who have registered with the link keep
/// their access.
#[utoipa::path(delete, path = "/events/{event}/guest-links/{guest_link}",
    operation_id = "guest_link_withdraw", tag = "guests of an event",
    params(("event" = String, Path), ("guest_link" = String, Path)), responses((status = 204)))]
pub async fn withdraw(
    State(app): State<App>,
    grant: Grant,
    Path((_, link)): Path<(String, String)>,
) -> Result<StatusCode> {
    if !is_id(&link) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    let gone = sqlx::query("DELETE FROM guest_links WHERE id = $1 AND event_id = $2")
        .bind(&link)
        .bind(grant.event()?)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "guest_link_withdraw", &link, grant.event()?).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
