//! Change of an account's e-mail address: requested with the password, confirmed by a link sent to the new
//! address.
//!
//! The link holds a single-use token that is valid for 1 hour. The link does not sign in. Only a client that
//! follows the link learns that another account has the new address. The server notifies the old address of the
//! request and of the change.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sqlx::Row as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::credentials::GivenCredentials;
use super::service::{self, record_own};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::SignedIn;
use crate::http::extract::{self, Body};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::{new_id, new_token, token_hash};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::rate_limit::Quota;

/// Lifetime of a link, seconds (1 hour).
const VALID_S: i64 = 3600;
/// Quota of links per account: 3, then one per 20 minutes, so that a signed-in user cannot flood other people's
/// mailboxes.
const LINK_QUOTA: Quota = Quota { capacity: 3, refill_s: 1200 };

#[derive(Deserialize, ToSchema)]
pub struct NewEmail {
    /// The new address.
    #[schema(format = "email")]
    email: String,
    /// The account's current password.
    #[schema(value_type = String, max_length = 200)]
    password: Zeroizing<String>,
    /// A code of the authenticator app. Required if the account has a second factor.
    code: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct Confirmation {
    /// The token from the link in the e-mail.
    token: String,
}

/// Requests a change of the account's e-mail address. Sends a link to the new address. The change takes effect
/// when `POST /me/email/confirm` receives the link's token. The response is the same for every address.
#[utoipa::path(put, path = "/me/email", operation_id = "email_change", tag = "account", request_body = NewEmail,
    responses((status = 202)))]
pub async fn request_change(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<NewEmail>,
) -> Result<StatusCode> {
    let email = extract::email(&given.email)?;
    let proof = GivenCredentials { password: given.password, code: given.code.as_deref() };
    let old = service::reauthenticate(&app, &person, proof).await?.email;
    let mut tx = app.db.write().await?;
    let token = new_link(&mut tx, &person, &email).await?;
    record_own(&mut tx, &person.user, "email_ask").await?;
    for letter in [mail::new_email(&app.mailer, &email, &token), mail::email_change_requested(&old)]
    {
        mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    }
    tx.commit().await?;
    app.mailer.wake();
    Ok(StatusCode::ACCEPTED)
}

async fn new_link(tx: &mut Tx, person: &SignedIn, email: &str) -> Result<Zeroizing<String>> {
    let now = now_s();
    sqlx::query("DELETE FROM account_links WHERE kind = 'email' AND expires_unix_s <= $1")
        .bind(now)
        .execute(&mut **tx)
        .await?;
    let detail = "The account has requested 3 changes of its address and gets one more every 20 minutes; follow \
                  the link in one of the e-mails, or try again in 20 minutes.";
    LINK_QUOTA.take(tx, &format!("email_change:{}", person.user), detail).await?;
    let token = new_token("ppe_")?;
    sqlx::query(
        "INSERT INTO account_links (id, token_hash, kind, email, user_id, session_id, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, 'email', $3, $4, $5, $6, $7)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(email)
    .bind(&person.user)
    .bind(&person.session)
    .bind(now)
    .bind(now + VALID_S)
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Changes the account's e-mail address, given the token of the link. Ends all sessions except the one that
/// requested the change.
#[utoipa::path(post, path = "/me/email/confirm",
    operation_id = "email_confirm", tag = "account", request_body = Confirmation,
    responses((status = 204)))]
pub async fn confirm(
    State(app): State<App>,
    Body(given): Body<Confirmation>,
) -> Result<StatusCode> {
    let detail = "The link is invalid, expired or already used; request the change again.";
    let gone = || ApiError::new(ErrorKind::Gone, detail);
    let mut tx = app.db.write().await?;
    let link = sqlx::query(
        "DELETE FROM account_links WHERE token_hash = $1 AND kind = 'email' AND expires_unix_s > $2 \
         RETURNING user_id, session_id, email",
    )
    .bind(token_hash(&given.token))
    .bind(now_s())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(gone)?;
    let (user, session): (String, String) = (link.try_get("user_id")?, link.try_get("session_id")?);
    let email: String = link.try_get("email")?;
    let old: String = sqlx::query("UPDATE users SET email = email WHERE id = $1 RETURNING email")
        .bind(&user)
        .fetch_one(&mut *tx)
        .await?
        .try_get("email")?;
    let changed = sqlx::query("UPDATE users SET email = $1 WHERE id = $2")
        .bind(&email)
        .bind(&user)
        .execute(&mut *tx)
        .await;
    changed.map_err(|error| match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => {
            let detail =
                "Another account has this address; request a change to a different address.";
            ApiError::new(ErrorKind::Conflict, detail)
        }
        _ => error.into(),
    })?;
    // A reset link sent to the old address must not set the password of a later account with that address.
    sqlx::query("DELETE FROM account_links WHERE (kind = 'email' AND user_id = $1) OR (kind = 'reset' AND email = $2)")
        .bind(&user)
        .bind(&old)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(&user)
        .bind(&session)
        .execute(&mut *tx)
        .await?;
    record_own(&mut tx, &user, "email_change").await?;
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(mail::email_changed(&old))).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(StatusCode::NO_CONTENT)
}
