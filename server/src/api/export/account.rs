use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::api::account::routes::{Me, Session, read_me, read_sessions};
use crate::app::App;
use crate::error::Result;
use crate::http::auth::SignedIn;
use crate::infra::audit_log::AuditEntry;
use crate::infra::db::memberships::{self, NamedMembership};

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
#[derive(Serialize, ToSchema)]
pub struct AccountExport {
    pub account: Me,
    pub roles: Vec<ExportedMembership>,
    pub sessions: Vec<Session>,
    pub api_keys: Vec<CreatedKey>,
    /// Audit entries by or about the user, newest first, at most 10,000.
    pub audit: Vec<AuditEntry>,
}

/// Returns all data stored about the signed-in user: account, roles, sessions, created API keys and audit
/// entries. Answers a data subject's access request.
#[utoipa::path(get, path = "/me/export",
    operation_id = "account_export", tag = "account", responses((status = 200, body = AccountExport)))]
pub async fn export(
    State(app): State<App>,
    person: SignedIn,
) -> Result<([(HeaderName, HeaderValue); 1], Json<AccountExport>)> {
    let roles = memberships::of_user(&app.db, &person.user).await?;
    let held = |NamedMembership { membership, studio_name }| ExportedMembership {
        studio: membership.studio,
        studio_name,
        event: membership.event,
        role: membership.role,
        created_unix_s: membership.created_unix_s,
    };
    let audit = sqlx::query(
        "SELECT * FROM audit WHERE actor = $1 OR target = $2 ORDER BY number DESC LIMIT 10000",
    )
    .bind(format!("user:{}", person.user))
    .bind(&person.user)
    .fetch_all(app.db.read())
    .await?;
    let exported = AccountExport {
        account: read_me(&app, &person.user).await?,
        roles: roles.into_iter().map(held).collect(),
        sessions: read_sessions(&app, &person).await?,
        api_keys: created_keys(&app, &person.user).await?,
        audit: audit.iter().map(AuditEntry::read).collect::<sqlx::Result<_>>()?,
    };
    let name = HeaderValue::from_static("attachment; filename=\"about-me.json\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(exported)))
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
