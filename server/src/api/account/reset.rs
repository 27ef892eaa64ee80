//! Password reset: requested for an e-mail address, completed with the single-use token of a link sent to that
//! address.
//!
//! Neither the response nor its time discloses whether the address has an account, because the outbox looks the
//! account up when it sends the e-mail. A link is valid for 1 hour. A link does not sign in, and sign-in still
//! requires the second factor.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use sqlx::Row as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::service::{record_own, replace_password};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::ProvingClient;
use crate::http::extract::{self, Body};
use crate::infra::clock::now_s;
use crate::infra::db::{Tx, users};
use crate::infra::ids::{new_id, new_token, sha256, token_hash};
use crate::infra::mail::{self, EmailMessage, Mailer, OutgoingMail, ResetFuture};
use crate::infra::password_hasher::HashClass;
use crate::infra::rate_limit::Quota;

/// Lifetime of a link, seconds (1 hour).
const VALID_S: i64 = 3600;
/// Quota of links per account: 3, then one per 20 minutes, so that an attacker cannot flood its mailbox.
const LINK_QUOTA: Quota = Quota { capacity: 3, refill_s: 1200 };

#[derive(Deserialize, ToSchema)]
pub struct PasswordResetRequest {
    #[schema(format = "email")]
    email: String,
}

#[derive(Deserialize, ToSchema)]
pub struct NewPasswordByLink {
    /// The token from the link in the e-mail.
    token: String,
    /// The new password.
    #[schema(value_type = String, min_length = 10, max_length = 200)]
    password: Zeroizing<String>,
}

/// Requests a password reset. The server sends an e-mail with a link if the address has an account. The
/// response is the same for every address.
#[utoipa::path(post, path = "/password-resets",
    operation_id = "password_reset_request", tag = "account", request_body = PasswordResetRequest,
    responses((status = 202)))]
pub async fn request_reset(
    State(app): State<App>,
    Body(wish): Body<PasswordResetRequest>,
) -> Result<StatusCode> {
    let email = extract::email(&wish.email)?;
    let mut tx = app.db.write().await?;
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::PasswordResetRequested { email }).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(StatusCode::ACCEPTED)
}

/// Creates a reset link. Returns the e-mail message with the link, and the link's expiry in seconds since the
/// Unix epoch. Returns `None` if the address has no account, or if the account's quota of links is used up.
pub fn resolve_reset<'a>(mailer: &'a Mailer, tx: &'a mut Tx, email: &'a str) -> ResetFuture<'a> {
    Box::pin(reset_letter(mailer, tx, email))
}

async fn reset_letter(
    mailer: &Mailer,
    tx: &mut Tx,
    email: &str,
) -> Result<Option<(EmailMessage, i64)>> {
    sqlx::query("DELETE FROM account_links WHERE kind = 'reset' AND expires_unix_s <= $1")
        .bind(now_s())
        .execute(&mut **tx)
        .await?;
    let account = users::id_of_email(tx, email).await?;
    if account.is_none() || !LINK_QUOTA.try_take(tx, &subject(email)).await? {
        return Ok(None);
    }
    let (token, ends) = new_link(tx, email).await?;
    Ok(Some((mail::reset(mailer, email, &token), ends)))
}

/// Returns the quota subject of an account's links. The address is hashed, because the table discloses its
/// subjects.
fn subject(email: &str) -> String {
    format!("reset:{}", sha256(email.as_bytes()))
}

/// Creates a link for a new password of the account with the address `email`. Returns the link's token and its
/// expiry, seconds since the Unix epoch.
pub(super) async fn new_link(tx: &mut Tx, email: &str) -> Result<(Zeroizing<String>, i64)> {
    let (token, now) = (new_token("ppr_")?, now_s());
    sqlx::query(
        "INSERT INTO account_links (id, token_hash, kind, email, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, 'reset', $3, $4, $5)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(email)
    .bind(now)
    .bind(now + VALID_S)
    .execute(&mut **tx)
    .await?;
    Ok((token, now + VALID_S))
}

/// Sets a new password, given the token of the link. Ends all sessions of the account. The client signs in with
/// the new password.
#[utoipa::path(put, path = "/password-resets",
    operation_id = "password_reset_complete", tag = "account", request_body = NewPasswordByLink,
    responses((status = 204)))]
pub async fn set(
    State(app): State<App>,
    client: ProvingClient,
    Body(given): Body<NewPasswordByLink>,
) -> Result<Response> {
    let detail = "The link is invalid, expired or already used; request a new one.";
    let gone = || ApiError::new(ErrorKind::Gone, detail);
    let row = sqlx::query(
        "SELECT l.id AS link, u.id AS user_id, u.email FROM account_links l JOIN users u ON u.email = l.email \
         WHERE l.token_hash = $1 AND l.kind = 'reset' AND l.expires_unix_s > $2",
    )
    .bind(token_hash(&given.token))
    .bind(now_s())
    .fetch_optional(app.db.read())
    .await?;
    let row = row.ok_or_else(gone)?;
    let (link, user, email): (String, String, String) =
        (row.try_get("link")?, row.try_get("user_id")?, row.try_get("email")?);
    // The password is hashed before the token is consumed, so that a rejected password leaves the link valid.
    let hash = app.secret_hasher.hash(HashClass::Reset, given.password, &[&email]).await?;
    let mut tx = app.db.write().await?;
    let used = sqlx::query("DELETE FROM account_links WHERE id = $1")
        .bind(&link)
        .execute(&mut *tx)
        .await?;
    if used.rows_affected() == 0 {
        return Err(gone());
    }
    // Pending address changes are cancelled too, because an attacker may have requested a change with the old
    // password.
    sqlx::query("DELETE FROM account_links WHERE (kind = 'reset' AND email = $1) OR (kind = 'email' AND user_id = $2)")
        .bind(&email)
        .bind(&user)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(&user).execute(&mut *tx).await?;
    record_own(&mut tx, &user, "password_reset").await?;
    let cookie = replace_password(&app, &mut tx, &client, (&user, &email), &hash).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
