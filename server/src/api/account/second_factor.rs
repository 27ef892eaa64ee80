//! The second factor of an account: set up with the password, confirmed with a code of the authenticator app,
//! removed with password and code. Recovery codes replace a code if the app is lost.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::credentials::{self, GivenCredentials, Proof, StoredCredentials};
use super::{recovery_codes, service, totp};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::SignedIn;
use crate::http::extract::Body;
use crate::infra::db::Tx;
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::qr_code;

#[derive(Deserialize, ToSchema)]
pub struct TotpCode {
    /// A code of the authenticator app, 6 digits.
    #[schema(min_length = 6, max_length = 6, pattern = "^[0-9]{6}$")]
    code: String,
}

/// The credentials that prove the account again.
#[derive(Deserialize, ToSchema)]
pub struct AccountProof {
    /// The account's current password.
    #[schema(value_type = String, max_length = 200)]
    pub password: Zeroizing<String>,
    /// A code of the authenticator app or a recovery code. Required if the account has a second factor.
    #[schema(max_length = 40)]
    pub code: Option<String>,
}

impl AccountProof {
    pub fn given(&self) -> GivenCredentials<'_> {
        GivenCredentials { password: self.password.clone(), code: self.code.as_deref() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct SecondFactor {
    /// The secret as an `otpauth://` URL for the authenticator app. The server returns it once and never logs
    /// it.
    pub otpauth_url: String,
    /// `otpauth_url` as a QR code in SVG.
    pub qr_svg: String,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten single-use codes, each of which replaces a code of the authenticator app. The server returns them
    /// once and stores only their hashes.
    pub recovery_codes: Vec<String>,
}

/// Creates the secret of a second factor (TOTP). Requires the password. The second factor takes effect when
/// `PUT /me/second-factor` confirms it with a code.
#[utoipa::path(post, path = "/me/second-factor", operation_id = "second_factor_begin", tag = "account",
    request_body = AccountProof, responses((status = 201, body = SecondFactor)))]
pub async fn begin(
    State(app): State<App>,
    person: SignedIn,
    Body(proof): Body<AccountProof>,
) -> Result<(StatusCode, Json<SecondFactor>)> {
    let account = service::reauthenticate(&app, &person, proof.given()).await?;
    let (sealed, otpauth_url) = totp::new_secret(&app, &person.user, &account.email)?;
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
        return Err(conflict("The second factor is on already; remove it to set up another one."));
    }
    service::record_own(&mut tx, &person.user, "second_factor_begin").await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(SecondFactor { otpauth_url, qr_svg })))
}

/// Confirms the second factor with a code, and returns the recovery codes. Each later sign-in requires a code.
#[utoipa::path(put, path = "/me/second-factor", operation_id = "second_factor_confirm", tag = "account",
    request_body = TotpCode, responses((status = 200, body = RecoveryCodes)))]
pub async fn confirm(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<TotpCode>,
) -> Result<Json<RecoveryCodes>> {
    let account = StoredCredentials::of_user(&app, &person.user).await?;
    let account = account.ok_or_else(ApiError::not_found)?;
    if account.has_second_factor {
        return Err(conflict("The second factor is on already; remove it to set up another one."));
    }
    if account.totp_secret.is_none() {
        return Err(conflict("The setup of a second factor has not begun; begin it first."));
    }
    let guess = service::guess_of(&person);
    let proof = credentials::prove_code(&app, guess, &account, &given.code).await?;
    if !matches!(proof, Proof::Complete(_)) {
        let detail = "The code is wrong, expired or already used; enter the app's next code.";
        return Err(ApiError::new(ErrorKind::Forbidden, detail));
    }
    let mut tx = app.db.write().await?;
    // The secret may have been replaced since it was read.
    let confirmed = sqlx::query(
        "UPDATE users SET totp_confirmed = 1 WHERE id = $1 AND totp_confirmed = 0 AND totp_secret = $2",
    )
    .bind(&account.user)
    .bind(&account.totp_secret)
    .execute(&mut *tx)
    .await?;
    if confirmed.rows_affected() == 0 {
        return Err(conflict("The setup of the second factor was begun again; enter its code."));
    }
    let recovery_codes = recovery_codes::renew(&mut tx, &account.user).await?;
    report(&app, &mut tx, &account, "second_factor_on").await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Removes the second factor and the recovery codes. Requires the password and a code.
#[utoipa::path(delete, path = "/me/second-factor", operation_id = "second_factor_remove", tag = "account",
    request_body = AccountProof, responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    person: SignedIn,
    Body(proof): Body<AccountProof>,
) -> Result<StatusCode> {
    let account = prove_with_code(&app, &person, &proof).await?;
    let mut tx = app.db.write().await?;
    clear(&mut tx, &account.user).await?;
    report(&app, &mut tx, &account, "second_factor_off").await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the recovery codes. Requires the password and a code.
#[utoipa::path(post, path = "/me/recovery-codes", operation_id = "recovery_code_renew", tag = "account",
    request_body = AccountProof, responses((status = 201, body = RecoveryCodes)))]
pub async fn renew_recovery_codes(
    State(app): State<App>,
    person: SignedIn,
    Body(proof): Body<AccountProof>,
) -> Result<(StatusCode, Json<RecoveryCodes>)> {
    let account = prove_with_code(&app, &person, &proof).await?;
    let mut tx = app.db.write().await?;
    let recovery_codes = recovery_codes::renew(&mut tx, &account.user).await?;
    report(&app, &mut tx, &account, "recovery_codes_renew").await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok((StatusCode::CREATED, Json(RecoveryCodes { recovery_codes })))
}

/// Reauthenticates a user whose account has a second factor.
///
/// # Errors
/// - `Conflict` if the account has no second factor.
/// - The errors of [`service::reauthenticate`].
async fn prove_with_code(
    app: &App,
    person: &SignedIn,
    proof: &AccountProof,
) -> Result<StoredCredentials> {
    let account = service::reauthenticate(app, person, proof.given()).await?;
    if account.has_second_factor {
        Ok(account)
    } else {
        Err(conflict("The account has no second factor; set one up first."))
    }
}

/// Removes the second factor of `user`, confirmed or only begun, and the recovery codes. Returns `false` if there
/// was none.
pub async fn clear(tx: &mut Tx, user: &str) -> Result<bool> {
    let cleared = sqlx::query(
        "UPDATE users SET totp_confirmed = 0, totp_secret = NULL WHERE id = $1 AND totp_secret IS NOT NULL",
    )
    .bind(user)
    .execute(&mut **tx)
    .await?;
    recovery_codes::delete(tx, user).await?;
    Ok(cleared.rows_affected() > 0)
}

/// Records a change of the second factor and notifies the account's owner.
async fn report(
    app: &App,
    tx: &mut Tx,
    account: &StoredCredentials,
    action: &'static str,
) -> Result<()> {
    service::record_own(tx, &account.user, action).await?;
    let letter = mail::second_factor_changed(&account.email);
    mail::enqueue(&app.mailer, tx, &OutgoingMail::Letter(letter)).await
}

fn conflict(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Conflict, detail)
}
