//! The public notice of an event: what is collected, why and for how long. `web/privacy` renders it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::api::event::analysis_time::AnalysisTime;
use crate::api::event::terms::{LegalBasis, Purpose};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::extract::Body;
use crate::infra::clock::now_s;
use crate::infra::db::events::{WITH_STUDIO, open_at};
use crate::infra::ids::is_id;
use crate::infra::qr_code;
use crate::infra::visible_text::visible;

/// Maximum length of the studio's own text, characters.
const TEXT_CHARS_MAX: usize = 4000;

/// The studio's own text on an event's public privacy page.
#[derive(Serialize, ToSchema)]
pub struct PrivacyNotice {
    /// For instance about children, about people who are no guests, or whom to ask. Empty: none.
    pub text: String,
    /// The address of the public page.
    pub url: String,
    /// The QR code of the address, as an SVG document.
    pub qr_svg: String,
}

#[derive(Deserialize, ToSchema)]
pub struct PrivacyNoticeText {
    #[schema(max_length = 4000)]
    text: String,
}

/// An open event as its public page shows it.
pub struct PublicEvent {
    pub id: String,
    pub name: String,
    pub studio: String,
    pub studio_name: String,
    pub ends_unix_s: i64,
    pub purpose: Purpose,
    pub legal_basis: LegalBasis,
    pub analysis: AnalysisTime,
    pub notice: Option<String>,
}

/// Returns an open event of this server for its public page. The id is not a secret: it gives access to nothing but
/// this page and the form on it.
///
/// # Errors
/// - `NotFound` if there is no such event, it has ended, or another server holds it.
pub async fn find_public(app: &App, event: &str) -> Result<PublicEvent> {
    if !is_id(event) {
        return Err(ApiError::not_found());
    }
    let text = format!(
        "SELECT e.*, s.name AS studio_name FROM {WITH_STUDIO} WHERE e.id = $1 AND e.node_id = $3 AND {}",
        open_at("$2")
    );
    let row = sqlx::query(&text).bind(event).bind(now_s()).bind(&app.node_id);
    let row: AnyRow = row.fetch_one(app.db.read()).await?;
    Ok(PublicEvent {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        studio: row.try_get("studio_id")?,
        studio_name: row.try_get("studio_name")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        purpose: Purpose::stored(&row.try_get::<String, _>("purpose")?)?,
        legal_basis: LegalBasis::stored(&row.try_get::<String, _>("legal_basis")?)?,
        analysis: AnalysisTime::stored(&row.try_get::<String, _>("analysis")?)?,
        notice: row.try_get("privacy_notice")?,
    })
}

/// Returns the path of an event's public privacy page.
pub fn page_path(event: &str) -> String {
    format!("/privacy/{event}")
}

fn view(app: &App, event: &str, text: Option<String>) -> Result<PrivacyNotice> {
    let url = app.mailer.address(&page_path(event));
    Ok(PrivacyNotice { text: text.unwrap_or_default(), qr_svg: qr_code::svg(&url)?, url })
}

/// Returns the studio's own text on an event's public privacy page, and the page's address.
#[utoipa::path(get, path = "/events/{event}/privacy-notice", operation_id = "privacy_notice_show", tag = "privacy",
    params(("event" = String, Path)), responses((status = 200, body = PrivacyNotice)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<PrivacyNotice>> {
    let event = grant.event()?;
    let row = sqlx::query("SELECT privacy_notice FROM events WHERE id = $1").bind(event);
    let text = row.fetch_one(app.db.read()).await?.try_get("privacy_notice")?;
    view(&app, event, text).map(Json)
}

/// Replaces the studio's own text on an event's public privacy page.
#[utoipa::path(put, path = "/events/{event}/privacy-notice", operation_id = "privacy_notice_update", tag = "privacy",
    params(("event" = String, Path)), request_body = PrivacyNoticeText,
    responses((status = 200, body = PrivacyNotice)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<PrivacyNoticeText>,
) -> Result<Json<PrivacyNotice>> {
    let event = grant.event()?;
    let text = lines("text", &given.text, TEXT_CHARS_MAX)?;
    let text = Some(text).filter(|text| !text.is_empty());
    let mut tx = app.db.write().await?;
    sqlx::query("UPDATE events SET privacy_notice = $1 WHERE id = $2")
        .bind(&text)
        .bind(event)
        .execute(&mut *tx)
        .await?;
    let detail = FieldChanges::default().name_only("privacy_notice", true).detail();
    record_by(&mut tx, &grant, "privacy_notice_change", event, &detail).await?;
    tx.commit().await?;
    view(&app, event, text).map(Json)
}

/// Checks a text of one or more lines. Returns the text without invisible characters.
///
/// # Errors
/// - `Invalid` if the text has more than `most` characters, or control characters other than line breaks.
pub fn lines(what: &str, text: &str, most: usize) -> Result<String> {
    let text = text.replace("\r\n", "\n");
    let text = text.split('\n').map(visible).collect::<Vec<_>>().join("\n");
    let (text, count) = (text.trim(), text.trim().chars().count());
    if count > most || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(ApiError::invalid(format!(
            "{what}: expected at most {most} printable characters, received {count}."
        )));
    }
    Ok(text.to_owned())
}
