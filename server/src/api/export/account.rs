use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::api::account::routes::{Me, Session, read_me, read_sessions};
use crate::app::App;
use crate::error::Result;
use crate::http::auth::{Principal, SignedIn};
use crate::infra::audit_log::AuditEntry;
use crate::infra::db::memberships::{self, NamedMembership};
use crate::infra::json_writer::JsonWriter;
use crate::infra::piece_stream::{PieceSender, respond};
use crate::infra::places::PlaceKind;

/// A role of the user.
#[derive(Serialize, ToSchema)]
pub struct ExportedMembership {
    pub studio: String,
    pub studio_name: String,
    /// The only event that the role is valid for; absent: the whole studio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    pub role: String,
    pub created_unix_s: i64,
}

/// An API key that the user has created, without the key itself.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    pub id: String,
    pub studio: String,
    pub name: String,
    pub created_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_unix_s: Option<i64>,
}

/// All data stored about one user. Holds no password, no secret of a second factor, no token, and no data
/// about other people.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses this type")]
pub struct AccountExport {
    account: Me,
    roles: Vec<ExportedMembership>,
    sessions: Vec<Session>,
    api_keys: Vec<CreatedKey>,
    /// Audit entries by or about the user, newest first, at most 10,000.
    audit: Vec<AuditEntry>,
}

/// Maximum number of audit entries of an export.
const AUDIT_MAX: usize = 10_000;
/// Number of audit entries that are read at once.
const AUDIT_PAGE: usize = 500;

/// Returns all data stored about the signed-in user: account, roles, sessions, created API keys and audit
/// entries. Answers a data subject's access request. A user has one export at a time.
#[utoipa::path(get, path = "/me/export",
    operation_id = "account_export", tag = "account", responses((status = 200, body = AccountExport)))]
pub async fn export(State(app): State<App>, person: SignedIn) -> Result<Response> {
    let holder = format!("account:{}", person.user);
    let place = app.places.take_for(PlaceKind::AccountExport, &person.user, &holder)?;
    let me = read_me(&app, &person.user).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"about-me.json\""),
        ),
    ];
    Ok(respond(headers.into_response(), place, move |mut pieces| async move {
        let mut json = JsonWriter::new(&mut pieces);
        json.open_object().await?;
        json.field("account", &me).await?;
        json.field("roles", &roles(&app, &person.user).await?).await?;
        json.field("sessions", &read_sessions(&app, &person).await?).await?;
        json.field("api_keys", &created_keys(&app, &person.user).await?).await?;
        json.open_list("audit").await?;
        write_audit(&app, &person, &mut json).await?;
        json.close().await?;
        json.close().await?;
        Ok(pieces)
    }))
}

async fn roles(app: &App, user: &str) -> Result<Vec<ExportedMembership>> {
    let held = |NamedMembership { membership, studio_name }| ExportedMembership {
        studio: membership.studio,
        studio_name,
        event: membership.event,
        role: membership.role,
        created_unix_s: membership.created_unix_s,
    };
    Ok(memberships::of_user(&app.db, user).await?.into_iter().map(held).collect())
}

/// Writes the audit entries by or about the user, newest first, as values of the open list.
async fn write_audit(
    app: &App,
    person: &SignedIn,
    json: &mut JsonWriter<'_, PieceSender>,
) -> Result<()> {
    let (user, session) = (person.user.clone(), person.session.clone());
    let caller = Principal::Person { user, session };
    let mut before = i64::MAX;
    for _ in 0..AUDIT_MAX / AUDIT_PAGE {
        // The session may end while the export is sent.
        caller.reload(&app.db).await?;
        let rows = sqlx::query(
            "SELECT * FROM audit WHERE (actor = $1 OR target = $2) AND number < $3 \
             ORDER BY number DESC LIMIT $4",
        )
        .bind(format!("user:{}", person.user))
        .bind(&person.user)
        .bind(before)
        .bind(i64::try_from(AUDIT_PAGE).unwrap_or(i64::MAX))
        .fetch_all(app.db.read())
        .await?;
        let entries = rows.iter().map(AuditEntry::read).collect::<sqlx::Result<Vec<_>>>()?;
        json.items(&entries).await?;
        match entries.last() {
            Some(last) if entries.len() == AUDIT_PAGE => before = last.number,
            _ => break,
        }
    }
    Ok(())
}

async fn created_keys(app: &App, user: &str) -> Result<Vec<CreatedKey>> {
    let read = |row: &AnyRow| {
        Ok(CreatedKey {
            id: row.try_get("id")?,
            studio: row.try_get("studio_id")?,
            name: row.try_get("name")?,
            created_unix_s: row.try_get("created_unix_s")?,
            last_used_unix_s: row.try_get("last_used_unix_s")?,
        })
    };
    let rows =
        sqlx::query("SELECT * FROM api_keys WHERE created_by = $1 ORDER BY created_unix_s, id")
            .bind(user)
            .fetch_all(app.db.read())
            .await?;
    rows.iter().map(read).collect()
}
