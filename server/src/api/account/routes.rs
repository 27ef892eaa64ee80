use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::credentials::GivenCredentials;
use super::recovery_codes;
use super::service::{self, NewSession, SetupRequest};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::ProvingClient;
use crate::http::auth::{
    LocalData, SESSION_COOKIE, SESSION_IDLE_S, SignedIn, end_session_headers, set_cookie,
};
use crate::http::extract::{self, Body, Path};
use crate::infra::clock::now_s;
use crate::infra::password_hasher::HashClass;

#[derive(Deserialize, ToSchema)]
pub struct NewSetup {
    /// The token from the link that the server printed at its first start.
    token: String,
    #[schema(format = "email")]
    email: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(value_type = String, min_length = 10, max_length = 200)]
    password: Zeroizing<String>,
    /// The studio's name.
    #[schema(min_length = 1, max_length = 200)]
    studio: String,
}

#[derive(Deserialize, ToSchema)]
pub struct Credentials {
    #[schema(format = "email")]
    email: String,
    #[schema(value_type = String, max_length = 200)]
    password: Zeroizing<String>,
    /// A code of the authenticator app. Required if the account has a second factor.
    code: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    #[schema(value_type = String, max_length = 200)]
    current: Zeroizing<String>,
    #[schema(value_type = String, min_length = 10, max_length = 200)]
    new: Zeroizing<String>,
    /// A code of the authenticator app. Required if the account has a second factor.
    code: Option<String>,
}

/// Changes to an account. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
pub struct MeChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
}

/// The account of the signed-in user.
#[derive(Serialize, ToSchema)]
pub struct Me {
    pub id: String,
    pub email: String,
    pub name: String,
    /// Whether sign-in requires a code of an authenticator app.
    pub second_factor: bool,
    /// Number of unused recovery codes.
    pub recovery_codes: i64,
}

/// The password of a signed-in user, who ends sessions.
#[derive(Deserialize, ToSchema)]
pub struct OwnPassword {
    /// The account's current password. No code of the second factor is needed.
    #[schema(value_type = String, max_length = 200)]
    password: Zeroizing<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Session {
    pub id: String,
    pub created_unix_s: i64,
    pub seen_unix_s: i64,
    /// Whether this session sent the request.
    pub current: bool,
}

/// Creates the first account and its studio, given the token of the setup link that the server printed at its
/// first start.
#[utoipa::path(post, path = "/setup", operation_id = "setup_complete", tag = "account", request_body = NewSetup,
    responses((status = 201, body = Me)))]
pub async fn setup(
    State(app): State<App>,
    client: ProvingClient,
    Body(new): Body<NewSetup>,
) -> Result<Response> {
    let (email, name) = (extract::email(&new.email)?, extract::name("name", &new.name)?);
    let studio = extract::name("studio", &new.studio)?;
    let password_hash = app
        .secret_hasher
        .hash(HashClass::Invitation, new.password, &[&email, &name, &studio])
        .await?;
    let setup = SetupRequest { email, name, studio, password_hash };
    let signed_in = service::finish_setup(&app, &client, &new.token, setup).await?;
    signed_in_response(&app, client.encrypted, signed_in).await
}

/// Signs in. The response sets the session cookie.
#[utoipa::path(post, path = "/session", operation_id = "session_create", tag = "account", request_body = Credentials,
    responses((status = 201, body = Me)))]
pub async fn sign_in(
    State(app): State<App>,
    client: ProvingClient,
    Body(given): Body<Credentials>,
) -> Result<Response> {
    let unknown = |_| {
        let detail =
            "The e-mail address, the password or the code is wrong; check them and try again.";
        ApiError::new(ErrorKind::WrongCredentials, detail)
    };
    let email = extract::email(&given.email).map_err(unknown)?;
    let given = GivenCredentials { password: given.password, code: given.code.as_deref() };
    let signed_in = service::sign_in(&app, &client, &email, given).await?;
    signed_in_response(&app, client.encrypted, signed_in).await
}

async fn signed_in_response(app: &App, encrypted: bool, signed_in: NewSession) -> Result<Response> {
    let session = set_cookie(SESSION_COOKIE, &signed_in.token, encrypted, None);
    let mut headers = HeaderMap::new();
    for cookie in [Some(session), signed_in.device_cookie].into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie.parse().map_err(ApiError::internal)?);
    }
    let me = read_me(app, &signed_in.user).await?;
    Ok((StatusCode::CREATED, headers, Json(me)).into_response())
}

/// Ends the session, removes its cookie, and makes the browser delete cached photos.
#[utoipa::path(delete, path = "/session", operation_id = "session_delete", tag = "account", responses((status = 204)))]
pub async fn sign_out(State(app): State<App>, person: SignedIn) -> Result<Response> {
    end_session(&app, &person.user, &person.session).await?;
    let [plain, _] = end_session_headers(SESSION_COOKIE, false, LocalData::Cache);
    let encrypted = end_session_headers(SESSION_COOKIE, true, LocalData::Cache);
    Ok((StatusCode::NO_CONTENT, encrypted, AppendHeaders([plain]), ()).into_response())
}

async fn end_session(app: &App, user: &str, session: &str) -> Result<()> {
    let mut tx = app.db.write().await?;
    let ended = sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
        .bind(session)
        .bind(user)
        .execute(&mut *tx)
        .await?;
    if ended.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    service::record_own(&mut tx, user, "sign_out").await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the account of the signed-in user.
#[utoipa::path(get, path = "/me", operation_id = "account_show", tag = "account", responses((status = 200, body = Me)))]
pub async fn me(State(app): State<App>, person: SignedIn) -> Result<Json<Me>> {
    read_me(&app, &person.user).await.map(Json)
}

/// Returns the account of `user`.
pub async fn read_me(app: &App, user: &str) -> Result<Me> {
    let row = sqlx::query("SELECT id, email, name, totp_confirmed FROM users WHERE id = $1")
        .bind(user)
        .fetch_one(app.db.read())
        .await?;
    Ok(Me {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        second_factor: row.try_get::<i64, _>("totp_confirmed")? != 0,
        recovery_codes: recovery_codes::count(app, user).await?,
    })
}

/// Changes the user's name. `PUT /me/email` changes the e-mail address.
#[utoipa::path(patch, path = "/me", operation_id = "account_update", tag = "account", request_body = MeChange,
    responses((status = 200, body = Me)))]
pub async fn change(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<MeChange>,
) -> Result<Json<Me>> {
    if let Some(name) = given.name {
        let name = extract::name("name", &name)?;
        let mut tx = app.db.write().await?;
        sqlx::query("UPDATE users SET name = $1 WHERE id = $2")
            .bind(name)
            .bind(&person.user)
            .execute(&mut *tx)
            .await?;
        service::record_own(&mut tx, &person.user, "account_change").await?;
        tx.commit().await?;
    }
    read_me(&app, &person.user).await.map(Json)
}

/// Replaces the password and ends all other sessions of the user. Requires the current password, and a code if
/// the account has a second factor.
#[utoipa::path(put, path = "/me/password",
    operation_id = "password_change", tag = "account", request_body = NewPassword,
    responses((status = 204)))]
pub async fn change_password(
    State(app): State<App>,
    person: SignedIn,
    client: ProvingClient,
    Body(given): Body<NewPassword>,
) -> Result<Response> {
    let NewPassword { current, new, code } = given;
    let current = GivenCredentials { password: current, code: code.as_deref() };
    let cookie = service::set_password(&app, &person, &client, current, new).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Lists the open sessions of the signed-in user, oldest first.
#[utoipa::path(get, path = "/me/sessions",
    operation_id = "session_list", tag = "account", responses((status = 200, body = Vec<Session>)))]
pub async fn sessions(State(app): State<App>, person: SignedIn) -> Result<Json<Vec<Session>>> {
    read_sessions(&app, &person).await.map(Json)
}

/// Returns the open sessions of `person`, oldest first.
pub async fn read_sessions(app: &App, person: &SignedIn) -> Result<Vec<Session>> {
    let rows = sqlx::query(
        "SELECT id, created_unix_s, seen_unix_s FROM sessions WHERE user_id = $1 \
         AND expires_unix_s > $2 AND seen_unix_s > $3 ORDER BY created_unix_s, id",
    )
    .bind(&person.user)
    .bind(now_s())
    .bind(now_s() - SESSION_IDLE_S)
    .fetch_all(app.db.read())
    .await?;
    let read = |row: &sqlx::any::AnyRow| -> Result<Session> {
        let id: String = row.try_get("id")?;
        let current = id == person.session;
        let created_unix_s = row.try_get("created_unix_s")?;
        Ok(Session { id, created_unix_s, seen_unix_s: row.try_get("seen_unix_s")?, current })
    };
    rows.iter().map(read).collect()
}

/// Deletes the sessions that ended more than a day ago, which only occupy space.
pub async fn delete_ended_sessions(app: &App) -> Result<()> {
    let past = now_s() - 86_400;
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM sessions WHERE expires_unix_s < $1 OR seen_unix_s < $2")
        .bind(past)
        .bind(past - SESSION_IDLE_S)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Ends all other sessions of the signed-in user. Requires the password.
#[utoipa::path(delete, path = "/me/sessions", operation_id = "session_revoke_others", tag = "account",
    request_body = OwnPassword, responses((status = 204)))]
pub async fn end_others(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<OwnPassword>,
) -> Result<StatusCode> {
    service::sign_out_elsewhere(&app, &person, given.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session of the signed-in user. Requires the password; `DELETE /session` ends the current session without
/// it.
#[utoipa::path(delete, path = "/me/sessions/{session}", operation_id = "session_revoke", tag = "account",
    params(("session" = String, Path)), request_body = OwnPassword, responses((status = 204)))]
pub async fn end(
    State(app): State<App>,
    person: SignedIn,
    Path(session): Path<String>,
    Body(given): Body<OwnPassword>,
) -> Result<StatusCode> {
    service::check_own_password(&app, &person, given.password).await?;
    end_session(&app, &person.user, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}
