use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{Role, SignedIn};
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::memberships::{self, MembershipRecord};
use crate::infra::db::studios::{self, StudioRecord};
use crate::infra::db::{Tx, users};
use crate::infra::ids::{new_id, new_token, sha256, token_hash};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::password_hasher::check_length;

/// Lifetime of the setup link of the first account, seconds (7 days).
const SETUP_S: i64 = 7 * 86_400;
/// Maximum lifetime of a session, seconds (90 days), even if the session is in use.
const SESSION_S: i64 = 90 * 86_400;
/// Limits the failed attempts of one account or client address to 5: the fifth failure starts a lockout of
/// `DELAY_S`, and each further failure doubles the lockout, up to `DELAY_S_MAX`.
const FREE_ATTEMPTS: i64 = 5;
/// Length of the first lockout, seconds.
const DELAY_S: i64 = 30;
/// Maximum length of a lockout, seconds (1 hour).
const DELAY_S_MAX: i64 = 3600;
/// Time without a failure after which the count of failures restarts, seconds (1 day).
const DECAY_S: i64 = 86_400;

/// The data of the first account and its studio.
pub struct SetupRequest {
    pub email: String,
    pub name: String,
    pub password_hash: String,
    pub studio: String,
}

/// A new session of an authenticated user.
pub struct NewSession {
    pub user: String,
    /// The session token for the cookie. The database stores only its hash.
    pub token: Zeroizing<String>,
}

/// Creates the token of the setup link and revokes the previous token. Returns `None` if there is an account
/// already.
pub async fn begin_setup(app: &App) -> Result<Option<Zeroizing<String>>> {
    let mut tx = app.db.write().await?;
    let users: i64 =
        sqlx::query("SELECT COUNT(*) AS n FROM users").fetch_one(&mut *tx).await?.try_get("n")?;
    if users > 0 {
        return Ok(None);
    }
    sqlx::query("DELETE FROM account_links WHERE kind = 'setup'").execute(&mut *tx).await?;
    let (token, now) = (new_token("pps_")?, now_s());
    sqlx::query(
        "INSERT INTO account_links (id, token_hash, kind, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, 'setup', $3, $4)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(now)
    .bind(now + SETUP_S)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// Creates the first account and its studio, and signs the account in.
///
/// # Errors
/// - `Gone` if the token is invalid, expired or already used.
pub async fn finish_setup(app: &App, token: &str, setup: SetupRequest) -> Result<NewSession> {
    let mut tx = app.db.write().await?;
    let used = sqlx::query(
        "DELETE FROM account_links WHERE kind = 'setup' AND token_hash = $1 AND expires_unix_s > $2",
    )
    .bind(token_hash(token))
    .bind(now_s())
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() == 0 {
        return Err(ApiError::new(
            ErrorKind::Gone,
            "The setup link is invalid, expired or already used. Sign in, or restart the server: it prints a \
             new link if there is no account.",
        ));
    }
    let hash = Some(setup.password_hash.as_str());
    let user = users::insert(&mut tx, &setup.email, &setup.name, hash).await?;
    let studio = new_studio(&mut tx, &user, &setup.studio).await?;
    let actor = format!("user:{user}");
    audit_log::record(
        &mut tx,
        AuditEvent { studio: &studio, actor: &actor, action: "setup", target: &user, detail: "" },
    )
    .await?;
    let signed_in = begin_session(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Creates a studio owned by `user` and returns its id.
pub async fn new_studio(tx: &mut Tx, user: &str, name: &str) -> Result<String> {
    let created_unix_s = now_s();
    let studio = StudioRecord { id: new_id()?, name: name.to_owned(), created_unix_s };
    studios::insert(tx, &studio).await?;
    let membership = MembershipRecord {
        id: new_id()?,
        studio: studio.id,
        user: user.to_owned(),
        event: None,
        role: Role::Owner.as_str().to_owned(),
        created_unix_s,
    };
    memberships::insert(tx, &membership).await?;
    Ok(membership.studio)
}

/// Creates a session of `user` with a new token. A sign-in never reuses an earlier session, which prevents
/// session fixation.
pub async fn begin_session(tx: &mut Tx, user: &str) -> Result<NewSession> {
    let (token, now) = (new_token("ppc_")?, now_s());
    sqlx::query(
        "INSERT INTO sessions (id, token_hash, user_id, created_unix_s, seen_unix_s, expires_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(user)
    .bind(now)
    .bind(now)
    .bind(now + SESSION_S)
    .execute(&mut **tx)
    .await?;
    Ok(NewSession { user: user.to_owned(), token })
}

/// Signs a user in with e-mail address, password and, if the account has a second factor, a code.
///
/// Failures are counted per account and per client address (`from`) in the database, so that a restart does
/// not reset the counts. An unknown account and a wrong password give the same error. Addresses, passwords and
/// tokens are not logged.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `WrongCredentials` if the address, the password or the code is wrong, or a required code is missing.
/// - `Busy` if too many passwords are being hashed.
pub async fn sign_in(
    app: &App,
    from: &str,
    email: &str,
    password: Zeroizing<String>,
    code: Option<&str>,
) -> Result<NewSession> {
    // The address is hashed, so that the table of failed attempts discloses no e-mail addresses.
    let subjects = [format!("account:{}", sha256(email.as_bytes())), format!("address:{from}")];
    let row = sqlx::query("SELECT id, password_hash, totp_secret, totp_confirmed, totp_step FROM users WHERE email = $1")
        .bind(email)
        .fetch_optional(app.db.read())
        .await?;
    let known = row.as_ref().map(|row| row.try_get::<String, _>("id")).transpose()?;
    if let Err(refused) = refuse_guessing(app, &subjects).await {
        report_guessing(app, known.as_deref());
        return Err(refused);
    }
    let hash =
        row.as_ref().map(|row| row.try_get::<Option<String>, _>("password_hash")).transpose()?;
    let right = app.secret_hasher.verify(password, hash.flatten()).await?;
    let Some(row) = row.filter(|_| right) else {
        return failed(app, &subjects, known).await;
    };
    let user: String = row.try_get("id")?;
    let step = match row.try_get::<i64, _>("totp_confirmed")? {
        0 => None,
        _ => match super::totp::check(app, &user, row.try_get("totp_secret")?, code)? {
            Some(step) if step > row.try_get::<i64, _>("totp_step")? => Some(step),
            _ => return failed(app, &subjects, known).await,
        },
    };
    let mut tx = app.db.write().await?;
    if let Some(step) = step {
        // The step is checked again inside the transaction: of two concurrent sign-ins with one code, one
        // succeeds.
        let taken = sqlx::query("UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1")
            .bind(step)
            .bind(&user)
            .execute(&mut *tx)
            .await?;
        if taken.rows_affected() == 0 {
            drop(tx);
            return failed(app, &subjects, known).await;
        }
    }
    sqlx::query("DELETE FROM login_failures WHERE subject = $1")
        .bind(&subjects[0])
        .execute(&mut *tx)
        .await?;
    let signed_in = begin_session(&mut tx, &user).await?;
    let actor = format!("user:{user}");
    audit_log::record(
        &mut tx,
        AuditEvent { studio: "", actor: &actor, action: "sign_in", target: &user, detail: "" },
    )
    .await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Checks the lockout of each subject.
///
/// # Errors
/// - `TooManyRequests` if a subject is locked out.
async fn refuse_guessing(app: &App, subjects: &[String]) -> Result<()> {
    let now = now_s();
    for subject in subjects {
        let row = sqlx::query(
            "SELECT failures, last_failure_unix_s FROM login_failures WHERE subject = $1",
        )
        .bind(subject)
        .fetch_optional(app.db.read())
        .await?;
        let Some(row) = row else { continue };
        let (failures, last): (i64, i64) =
            (row.try_get("failures")?, row.try_get("last_failure_unix_s")?);
        let over = (failures - FREE_ATTEMPTS).clamp(-1, 10);
        let wait = if over < 0 { 0 } else { (DELAY_S << over).min(DELAY_S_MAX) };
        if last + wait > now {
            let seconds = u64::try_from(last + wait - now).unwrap_or(1);
            return Err(ApiError::new(
                ErrorKind::TooManyRequests,
                format!("Too many attempts failed; try again in {seconds} s."),
            )
            .retry_after(seconds));
        }
    }
    Ok(())
}

/// Records an attempt at `account` for the alerts about password guessing. Does nothing if the account is
/// unknown, because such an account has no owner to warn; the lockout counts the client address.
fn report_guessing(app: &App, account: Option<&str>) {
    if let Some(user) = account {
        app.alerts.record(Pattern::AccountGuessing, &format!("user:{user}"), "");
    }
}

/// Counts a failure for the account and the client address. Always returns `WrongCredentials`, which does not
/// disclose whether the address, the password or the code was wrong.
async fn failed<T>(app: &App, subjects: &[String; 2], known: Option<String>) -> Result<T> {
    report_guessing(app, known.as_deref());
    count_failure(app, subjects, "sign_in_failed", known.as_deref()).await?;
    let detail = "The e-mail address, the password or the code is wrong; check them and try again.";
    Err(ApiError::new(ErrorKind::WrongCredentials, detail))
}

/// Counts a failure for `subjects`, and for the audit log. The log names the account and neither the address that
/// was typed nor the client's: all unknown accounts count as one.
async fn count_failure(
    app: &App,
    subjects: &[String],
    action: &str,
    known: Option<&str>,
) -> Result<()> {
    let now = now_s();
    let mut tx = app.db.write().await?;
    for subject in subjects {
        sqlx::query(
            "INSERT INTO login_failures (subject, failures, last_failure_unix_s) VALUES ($1, 1, $2) \
             ON CONFLICT (subject) DO UPDATE SET last_failure_unix_s = $2, \
             failures = CASE WHEN login_failures.last_failure_unix_s < $3 THEN 1 ELSE login_failures.failures + 1 END",
        )
        .bind(subject)
        .bind(now)
        .bind(now - DECAY_S)
        .execute(&mut *tx)
        .await?;
    }
    let target = known.unwrap_or_default();
    let deed = AuditEvent { studio: "", actor: "unknown", action, target, detail: "" };
    audit_log::count(&mut tx, deed).await?;
    Ok(tx.commit().await?)
}

/// Reauthenticates a signed-in user with the password and, if the account has a second factor, a code.
/// Returns the account's e-mail address.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `Forbidden` if the password or the code is wrong, or a required code is missing.
/// - `Busy` if too many passwords are being hashed.
pub async fn reauthenticate(
    app: &App,
    user: &str,
    password: Zeroizing<String>,
    code: Option<&str>,
) -> Result<String> {
    let row = right_password(app, user, password).await?;
    if row.try_get::<i64, _>("totp_confirmed")? != 0 {
        let wrong = |detail: &str| ApiError::new(ErrorKind::Forbidden, detail);
        if code.is_none() {
            return Err(wrong(
                "This account has a second factor; enter the current code of the authenticator app.",
            ));
        }
        let step = super::totp::check(app, user, row.try_get("totp_secret")?, code)?;
        if !consume_totp_step(app, user, step).await? {
            count_guess_of(app, user).await?;
            return Err(wrong(
                "The code is wrong, expired or already used; enter the app's next code.",
            ));
        }
    }
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM login_failures WHERE subject = $1")
        .bind(proof_of(user))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(row.try_get("email")?)
}

/// Returns the lockout subject of reauthentication. It differs from the lockout subject of sign-in, so that an
/// attacker who guesses at sign-in cannot stop the owner from changing the account.
fn proof_of(user: &str) -> String {
    format!("proof:{user}")
}

/// Checks the reauthentication lockout of a signed-in user.
///
/// # Errors
/// - `TooManyRequests` during the lockout.
pub async fn refuse_guesses_of(app: &App, user: &str) -> Result<()> {
    let refused = refuse_guessing(app, &[proof_of(user)]).await;
    if refused.is_err() {
        report_guessing(app, Some(user));
    }
    refused
}

/// Counts a failed reauthentication of a signed-in user.
pub async fn count_guess_of(app: &App, user: &str) -> Result<()> {
    report_guessing(app, Some(user));
    count_failure(app, &[proof_of(user)], "reauthentication_failed", Some(user)).await
}

/// Returns the account's row if `password` is correct. Otherwise counts a failure.
///
/// # Errors
/// - `TooManyRequests` during the lockout.
/// - `Forbidden` if the password is wrong.
/// - `Busy` if too many passwords are being hashed.
async fn right_password(app: &App, user: &str, password: Zeroizing<String>) -> Result<AnyRow> {
    refuse_guesses_of(app, user).await?;
    let row = sqlx::query(
        "SELECT email, password_hash, totp_secret, totp_confirmed FROM users WHERE id = $1",
    )
    .bind(user)
    .fetch_one(app.db.read())
    .await?;
    if app.secret_hasher.verify(password, row.try_get("password_hash")?).await? {
        return Ok(row);
    }
    count_guess_of(app, user).await?;
    Err(ApiError::new(ErrorKind::Forbidden, "The current password is wrong; enter it again."))
}

/// Consumes a TOTP time step. Returns `false` if `step` is `None` or is not later than the last consumed step.
async fn consume_totp_step(app: &App, user: &str, step: Option<i64>) -> Result<bool> {
    let Some(step) = step else { return Ok(false) };
    let mut tx = app.db.write().await?;
    let taken = sqlx::query("UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1")
        .bind(step)
        .bind(user)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(taken.rows_affected() > 0)
}

/// Replaces a password. Ends all other sessions of the user and revokes pending links for a new e-mail
/// address.
///
/// # Errors
/// - `Invalid` if the new password is too short or too long.
/// - The errors of [`reauthenticate`].
pub async fn set_password(
    app: &App,
    person: &SignedIn,
    current: Zeroizing<String>,
    code: Option<&str>,
    new: Zeroizing<String>,
) -> Result<()> {
    let (user, keep_session) = (person.user.as_str(), person.session.as_str());
    // The length is checked before `reauthenticate`, which consumes a code.
    check_length(&new)?;
    let email = reauthenticate(app, user, current, code).await?;
    let hash = app.secret_hasher.hash(new).await?;
    let mut tx = app.db.write().await?;
    sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(user)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(user)
        .bind(keep_session)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM account_links WHERE kind = 'email' AND user_id = $1")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    let actor = format!("user:{user}");
    audit_log::record(
        &mut tx,
        AuditEvent {
            studio: "",
            actor: &actor,
            action: "password_change",
            target: user,
            detail: "",
        },
    )
    .await?;
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(mail::password_changed(&email)))
        .await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(())
}
