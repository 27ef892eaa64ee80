use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::members::may_grant;
use crate::api::account::credentials::GivenCredentials;
use crate::api::account::service::reauthenticate;
use crate::api::event::check_in_studio;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::record_by;
use crate::http::auth::{Grant, Principal, Role, SignedIn};
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BoundValue, Page, PageQuery, Paging, Tx, users};
use crate::infra::ids::{new_id, new_token, token_hash};

/// An API key: a role for programs, in a studio or in one event. The database stores only the
/// key's hash.
#[derive(Serialize, ToSchema)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// The only event that the key is valid for; absent: the whole studio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The id of the user who created the key. The key has at most this user's current rights, and is
    /// refused while the user is not a member of the studio.
    pub created_by: String,
    /// The name of that user.
    pub created_by_name: String,
    pub created_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_unix_s: Option<i64>,
    /// The time of the key's last use, accurate to 5 minutes; absent if the key was not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_unix_s: Option<i64>,
    /// The key; present only in the response that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewApiKey {
    /// A name that describes the use of the key.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    role: Role,
    /// The only event that the key is valid for; absent: the whole studio.
    event: Option<String>,
    /// Expiry, seconds since the Unix epoch; absent: the key does not expire.
    #[schema(minimum = 1)]
    expires_unix_s: Option<i64>,
    /// The current password of the caller's account, because a key outlives the session.
    #[schema(value_type = String, max_length = 200)]
    password: Zeroizing<String>,
    /// A code of the authenticator app or a recovery code. Required if the account has a second factor.
    #[schema(max_length = 40)]
    code: Option<String>,
}

fn read(row: &AnyRow) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        role: Role::of_row(row)?,
        event: row.try_get("event_id")?,
        created_by: row.try_get("created_by")?,
        created_by_name: row.try_get("created_by_name")?,
        created_unix_s: row.try_get("created_unix_s")?,
        expires_unix_s: row.try_get("expires_unix_s")?,
        last_used_unix_s: row.try_get("last_used_unix_s")?,
        key: None,
    })
}

/// Lists the API keys of a studio with their creators and last uses, oldest first.
#[utoipa::path(get, path = "/studios/{studio}/keys", operation_id = "api_key_list", tag = "keys",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<ApiKey>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ApiKey>>> {
    let list = PageQuery {
        select: "SELECT k.*, u.name AS created_by_name FROM api_keys k JOIN users u ON u.id = k.created_by \
                 WHERE k.studio_id = $1",
        values: &[BoundValue::Text(&grant.studio)],
        order: ["k.created_unix_s", "k.id"],
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Creates an API key. Only this response holds the key. The caller must be a user, not an API key, proves the
/// account again, and cannot give a key a higher role than the caller's own.
#[utoipa::path(post, path = "/studios/{studio}/keys", operation_id = "api_key_create", tag = "keys",
    params(("studio" = String, Path)), request_body = NewApiKey,
    responses((status = 201, body = ApiKey)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewApiKey>,
) -> Result<(StatusCode, Json<ApiKey>)> {
    let Principal::Person { user, session } = &grant.caller else {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "An API key cannot create API keys; sign in as a user.",
        ));
    };
    may_grant(&grant, given.role)?;
    let name = extract::name("name", &given.name)?;
    if given.expires_unix_s.is_some_and(|expires| expires <= now_s()) {
        return Err(ApiError::invalid(
            "expires_unix_s: expected a time in the future, in seconds since the Unix epoch.",
        ));
    }
    let person = SignedIn { user: user.clone(), session: session.clone() };
    let proof = GivenCredentials { password: given.password, code: given.code.as_deref() };
    reauthenticate(&app, &person, proof).await?;
    let mut tx = app.db.write().await?;
    if let Some(event) = &given.event {
        check_in_studio(&mut tx, event, &grant.studio).await?;
    }
    let (id, key, now) = (new_id()?, new_token("ppk_")?, now_s());
    sqlx::query(
        "INSERT INTO api_keys (id, token_hash, studio_id, event_id, role, name, created_by, \
         created_unix_s, expires_unix_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&id)
    .bind(token_hash(&key))
    .bind(&grant.studio)
    .bind(&given.event)
    .bind(given.role.as_str())
    .bind(&name)
    .bind(user)
    .bind(now)
    .bind(given.expires_unix_s)
    .execute(&mut *tx)
    .await?;
    record_by(&mut tx, &grant, "key_create", &id, given.role.as_str()).await?;
    let created_by_name = users::name(&mut tx, user).await?;
    tx.commit().await?;
    let made = ApiKey {
        id,
        name,
        role: given.role,
        event: given.event,
        created_by: user.clone(),
        created_by_name,
        created_unix_s: now,
        expires_unix_s: given.expires_unix_s,
        last_used_unix_s: None,
        key: Some(key.to_string()),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revokes an API key, with immediate effect.
#[utoipa::path(delete, path = "/studios/{studio}/keys/{key}", operation_id = "api_key_revoke", tag = "keys",
    params(("studio" = String, Path), ("key" = String, Path)), responses((status = 204)))]
pub async fn revoke(
    State(app): State<App>,
    grant: Grant,
    Path((_, key)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    let row = sqlx::query("SELECT role FROM api_keys WHERE id = $1 AND studio_id = $2")
        .bind(&key)
        .bind(&grant.studio)
        .fetch_one(&mut *tx)
        .await?;
    may_grant(&grant, Role::of_row(&row)?)?;
    delete(&mut tx, &grant, &key, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an API key and records this in the audit log.
pub async fn delete(tx: &mut Tx, grant: &Grant, key: &str, detail: &str) -> Result<()> {
    sqlx::query("DELETE FROM api_keys WHERE id = $1").bind(key).execute(&mut **tx).await?;
    record_by(tx, grant, "key_revoke", key, detail).await
}
