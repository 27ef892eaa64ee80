use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::routes::{read_me, record};
use super::{service, totp};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::SignedIn;
use crate::http::extract::Body;
use crate::infra::qr_code;

#[derive(Deserialize, ToSchema)]
pub struct TotpCode {
    /// A code of the authenticator app, 6 digits.
    #[schema(min_length = 6, max_length = 6, pattern = "^[0-9]{6}$")]
    code: String,
}

#[derive(Serialize, ToSchema)]
pub struct SecondFactor {
    /// The secret as an `otpauth://` URL for the authenticator app. The server returns it once and never logs
    /// it.
    pub otpauth_url: String,
    /// `otpauth_url` as a QR code in SVG.
    pub qr_svg: String,
}

/// Creates the secret of a second factor (TOTP). The second factor takes effect when `PUT /me/second-factor`
/// confirms it with a code.
#[utoipa::path(post, path = "/me/second-factor",
    operation_id = "second_factor_begin", tag = "account", responses((status = 201, body = SecondFactor)))]
pub async fn begin(
    State(app): State<App>,
    person: SignedIn,
) -> Result<(StatusCode, Json<SecondFactor>)> {
    let me = read_me(&app, &person.user).await?;
    let (sealed, otpauth_url) = totp::new_secret(&app, &person.user, &me.email)?;
    let qr_svg = qr_code::svg(&otpauth_url)?;
    let mut tx = app.db.write().await?;
    let begun = sqlx::query(
        "UPDATE users SET totp_secret = $1, totp_step = 0 WHERE id = $2 AND totp_confirmed = 0",
    )
    .bind(sealed)
    .bind(&person.user)
    .execute(&mut *tx)
    .await?;
    if begun.rows_affected() == 0 {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "The account already has a second factor; remove it before you set up another one.",
        ));
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(SecondFactor { otpauth_url, qr_svg })))
}

/// Confirms the second factor with a code. Each later sign-in requires a code.
#[utoipa::path(put, path = "/me/second-factor",
    operation_id = "second_factor_confirm", tag = "account", request_body = TotpCode, responses((status = 204)))]
pub async fn confirm(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<TotpCode>,
) -> Result<StatusCode> {
    set(&app, &person, &given.code, true).await
}

/// Removes the second factor. Requires a valid code.
#[utoipa::path(delete, path = "/me/second-factor",
    operation_id = "second_factor_remove", tag = "account", request_body = TotpCode, responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<TotpCode>,
) -> Result<StatusCode> {
    set(&app, &person, &given.code, false).await
}

/// Turns the second factor on or off, given a valid code. Wrong codes count towards the lockout of
/// [`service::reauthenticate`].
///
/// # Errors
/// - `TooManyRequests` during the lockout.
/// - `Conflict` if the second factor has that state already, or its setup has not begun.
/// - `Forbidden` if the code is wrong, expired or already used.
async fn set(app: &App, person: &SignedIn, code: &str, on: bool) -> Result<StatusCode> {
    service::refuse_guesses_of(app, &person.user).await?;
    let row = sqlx::query("SELECT totp_secret, totp_confirmed FROM users WHERE id = $1")
        .bind(&person.user)
        .fetch_one(app.db.read())
        .await?;
    let secret: Option<String> = row.try_get("totp_secret")?;
    let confirmed = row.try_get::<i64, _>("totp_confirmed")? != 0;
    if secret.is_none() || confirmed == on {
        let detail = match (on, confirmed) {
            (true, true) => "The second factor is on already; remove it to set up another one.",
            (true, false) => "The setup of a second factor has not begun; begin it first.",
            (false, _) => "The account has no second factor; there is nothing to remove.",
        };
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let detail = "The code is wrong, expired or already used; enter the app's next code.";
    let wrong = || ApiError::new(ErrorKind::Forbidden, detail);
    let Some(step) = totp::check(app, &person.user, secret, Some(code))? else {
        service::count_guess_of(app, &person.user).await?;
        return Err(wrong());
    };
    let mut tx = app.db.write().await?;
    let statement = if on {
        "UPDATE users SET totp_confirmed = 1, totp_step = $1 WHERE id = $2 AND totp_step < $1"
    } else {
        "UPDATE users SET totp_confirmed = 0, totp_secret = NULL WHERE id = $2 AND totp_step < $1"
    };
    let changed = sqlx::query(statement).bind(step).bind(&person.user).execute(&mut *tx).await?;
    if changed.rows_affected() == 0 {
        return Err(wrong());
    }
    let action = if on { "second_factor_on" } else { "second_factor_off" };
    record(&mut tx, person, action).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
