//! The proof of an account: its password and, if it has one, its second factor. Every route that requires a
//! proof uses [`prove`], which counts the attempt in the lockout.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::{recovery_codes, totp};
use crate::app::App;
use crate::error::Result;
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::db::Tx;
use crate::infra::password_hasher::HashClass;
use crate::infra::rate_limit::{CountedAttempt, Guess, GuessableSecret, attempt};

/// The stored credentials of an account.
pub struct StoredCredentials {
    pub user: String,
    pub email: String,
    pub password_hash: Option<String>,
    /// Sealed; `None` if no second factor was begun.
    pub totp_secret: Option<String>,
    /// Whether the account requires a second factor.
    pub has_second_factor: bool,
}

/// The credentials that a client gives.
pub struct GivenCredentials<'a> {
    pub password: Zeroizing<String>,
    /// A code of the authenticator app, or a recovery code.
    pub code: Option<&'a str>,
}

/// What a complete proof used beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactorUse {
    /// The account requires no code.
    None,
    App,
    RecoveryCode,
}

impl SecondFactorUse {
    /// Returns the factors of a proof with the password, for the detail of an audit entry.
    pub fn with_password(self) -> &'static str {
        match self {
            Self::None => "password",
            Self::App => "password, app",
            Self::RecoveryCode => "password, recovery code",
        }
    }
}

/// The result of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Complete(SecondFactorUse),
    /// The password is right, and the account requires a code, which is missing.
    CodeMissing,
    /// The account is unknown, or the password or the code is wrong.
    Wrong,
}

impl StoredCredentials {
    /// Reads the credentials of the account with this e-mail address; `None` if there is no such account.
    pub async fn of_email(app: &App, email: &str) -> Result<Option<Self>> {
        Self::read(app, "email", email).await
    }

    /// Reads the credentials of a signed-in user.
    pub async fn of_user(app: &App, user: &str) -> Result<Option<Self>> {
        Self::read(app, "id", user).await
    }

    async fn read(app: &App, column: &str, value: &str) -> Result<Option<Self>> {
        let text = format!(
            "SELECT id, email, password_hash, totp_secret, totp_confirmed FROM users WHERE {column} = $1"
        );
        let row = sqlx::query(&text).bind(value).fetch_optional(app.db.read()).await?;
        let read = |row: &AnyRow| -> Result<Self> {
            Ok(Self {
                user: row.try_get("id")?,
                email: row.try_get("email")?,
                password_hash: row.try_get("password_hash")?,
                totp_secret: row.try_get("totp_secret")?,
                has_second_factor: row.try_get::<i64, _>("totp_confirmed")? != 0,
            })
        };
        row.as_ref().map(read).transpose()
    }
}

/// Proves an account by password and second factor. A right code is consumed. An unknown account takes as long
/// as a wrong password.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `Busy` if too many passwords are being hashed.
pub async fn prove(
    app: &App,
    guess: Guess<'_>,
    account: Option<&StoredCredentials>,
    given: GivenCredentials<'_>,
) -> Result<Proof> {
    let outcome = attempt(&app.db, guess, async |counted| {
        let hash = account.and_then(|account| account.password_hash.clone());
        let right = app
            .secret_hasher
            .verify(HashClass::of(guess.secret), &counted, given.password, hash)
            .await?;
        let Some(account) = account.filter(|_| right) else { return Ok(None) };
        match given.code {
            _ if !account.has_second_factor => Ok(Some(Proof::Complete(SecondFactorUse::None))),
            None => Ok(Some(Proof::CodeMissing)),
            Some(code) => {
                let used = consume_code(app, &counted, account, code).await?;
                Ok(used.map(Proof::Complete))
            }
        }
    })
    .await;
    conclude(app, guess.secret, account, outcome).await
}

/// Proves a signed-in user by a code alone.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
pub async fn prove_code(
    app: &App,
    guess: Guess<'_>,
    account: &StoredCredentials,
    code: &str,
) -> Result<Proof> {
    let outcome = attempt(&app.db, guess, async |counted| {
        let used = consume_code(app, &counted, account, code).await?;
        Ok(used.map(Proof::Complete))
    })
    .await;
    conclude(app, guess.secret, Some(account), outcome).await
}

/// Returns the proof of a counted attempt. Reports a wrong or refused attempt to the alerts, and counts a wrong
/// attempt for the audit log.
async fn conclude(
    app: &App,
    secret: GuessableSecret,
    account: Option<&StoredCredentials>,
    outcome: Result<Option<Proof>>,
) -> Result<Proof> {
    let proof = outcome.map(|proof| proof.unwrap_or(Proof::Wrong));
    if !matches!(proof, Ok(Proof::Complete(_) | Proof::CodeMissing)) {
        report_guessing(app, account);
    }
    if matches!(proof, Ok(Proof::Wrong)) {
        record_failure(app, secret, account).await?;
    }
    proof
}

/// Consumes a code of the authenticator app or a recovery code. Returns which of them it was; `None` if the code was
/// wrong or used.
async fn consume_code(
    app: &App,
    counted: &CountedAttempt,
    account: &StoredCredentials,
    code: &str,
) -> Result<Option<SecondFactorUse>> {
    if let Some(step) = totp::check(app, counted, account, code)? {
        let mut tx = app.db.write().await?;
        let consumed = consume_step(&mut tx, &account.user, step).await?;
        tx.commit().await?;
        return Ok(consumed.then_some(SecondFactorUse::App));
    }
    let consumed = recovery_codes::consume(app, counted, account, code).await?;
    Ok(consumed.then_some(SecondFactorUse::RecoveryCode))
}

/// Consumes a TOTP time step. Returns `false` if it is not later than the last consumed step: of two
/// concurrent requests with one code, one succeeds.
async fn consume_step(tx: &mut Tx, user: &str, step: i64) -> Result<bool> {
    let consumed = sqlx::query("UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1")
        .bind(step)
        .bind(user)
        .execute(&mut **tx)
        .await?;
    Ok(consumed.rows_affected() > 0)
}

/// Records an attempt at `account` for the alerts about password guessing. Does nothing if the account is
/// unknown, because such an account has no owner to warn; the lockout counts the client's network.
fn report_guessing(app: &App, account: Option<&StoredCredentials>) {
    if let Some(account) = account {
        app.alerts.record(Pattern::AccountGuessing, &format!("user:{}", account.user), "");
    }
}

/// Counts a failed proof for the audit log. The log names the account and neither the address that was typed nor
/// the client's: all unknown accounts count as one.
async fn record_failure(
    app: &App,
    secret: GuessableSecret,
    account: Option<&StoredCredentials>,
) -> Result<()> {
    let action = match secret {
        GuessableSecret::SignIn => "sign_in_failed",
        _ => "reauthentication_failed",
    };
    let target = account.map_or("", |account| account.user.as_str());
    let mut tx = app.db.write().await?;
    let deed = AuditEvent { studio: "", actor: "unknown", action, target, detail: "" };
    audit_log::count(&mut tx, deed).await?;
    Ok(tx.commit().await?)
}
