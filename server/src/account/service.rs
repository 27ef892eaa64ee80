//! The rules of accounts: who becomes the first owner, who may sign in, and how long.
//!
//! Failed sign-ins are counted per account and per address in the database, so that a restart forgives
//! nobody. An unknown account and a wrong password look the same. Never logs an address, a password or a token.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::password;
use crate::access::{Role, SignedIn};
use crate::alert::Pattern;
use crate::audit::{self, Deed};
use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};
use crate::ids::{new_id, new_token, sha256, token_hash};
use crate::mail::{self, Mail};
use crate::state::App;

/// The first account's link is good for so long.
const SETUP_S: i64 = 7 * 86_400;
/// A session ends after so long, however much it is used.
const SESSION_S: i64 = 90 * 86_400;
/// Failures of one account or address before it must wait, and for how long: each further failure doubles it.
const FREE_TRIES: i64 = 5;
const WAIT_S: i64 = 30;
const WAIT_S_MAX: i64 = 3600;
/// Failures are forgotten after so long without one.
const FORGET_S: i64 = 86_400;

/// What becomes the first account, and its studio.
pub struct Setup {
    pub email: String,
    pub name: String,
    pub password_hash: String,
    pub studio: String,
}

/// Somebody who has just proved who they are.
pub struct SignIn {
    pub user: String,
    /// For the cookie; stored only as a hash.
    pub token: Zeroizing<String>,
}

/// A link for the first account where there is none yet; an earlier one ends with it.
pub async fn begin_setup(app: &App) -> Result<Option<Zeroizing<String>>> {
    let mut tx = app.db().write().await?;
    let users: i64 =
        sqlx::query("SELECT COUNT(*) AS n FROM users").fetch_one(&mut *tx).await?.try_get("n")?;
    if users > 0 {
        return Ok(None);
    }
    sqlx::query("DELETE FROM links WHERE kind = 'setup'").execute(&mut *tx).await?;
    let (token, now) = (new_token("pps_")?, now_s());
    sqlx::query(
        "INSERT INTO links (id, token_hash, kind, created_unix_s, expires_unix_s) \
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

/// Turns the first link into the first account.
pub async fn finish_setup(app: &App, token: &str, setup: Setup) -> Result<SignIn> {
    let mut tx = app.db().write().await?;
    let used = sqlx::query(
        "DELETE FROM links WHERE kind = 'setup' AND token_hash = $1 AND expires_unix_s > $2",
    )
    .bind(token_hash(token))
    .bind(now_s())
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() == 0 {
        return Err(Failure::new(
            Kind::Gone,
            "The link was used before, has expired or is not one.",
        ));
    }
    let user = new_id()?;
    sqlx::query("INSERT INTO users (id, email, name, password_hash, created_unix_s) VALUES ($1, $2, $3, $4, $5)")
        .bind(&user)
        .bind(&setup.email)
        .bind(&setup.name)
        .bind(&setup.password_hash)
        .bind(now_s())
        .execute(&mut *tx)
        .await?;
    let studio = new_studio(&mut tx, &user, &setup.studio).await?;
    let actor = format!("user:{user}");
    audit::note(
        &mut tx,
        Deed { studio: &studio, actor: &actor, action: "setup", target: &user, detail: "" },
    )
    .await?;
    let signed_in = begin_session(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// A studio that `user` owns; its id.
pub async fn new_studio(tx: &mut Tx, user: &str, name: &str) -> Result<String> {
    let (studio, now) = (new_id()?, now_s());
    sqlx::query("INSERT INTO studios (id, name, created_unix_s) VALUES ($1, $2, $3)")
        .bind(&studio)
        .bind(name)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query("INSERT INTO memberships (id, studio_id, user_id, role, created_unix_s) VALUES ($1, $2, $3, $4, $5)")
        .bind(new_id()?)
        .bind(&studio)
        .bind(user)
        .bind(Role::Owner.as_str())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(studio)
}

/// A session of `user`, with a token of its own: none is taken over from before the sign-in.
pub async fn begin_session(tx: &mut Tx, user: &str) -> Result<SignIn> {
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
    Ok(SignIn { user: user.to_owned(), token })
}

/// Signs in with address and password, and with a code where the account asks for one.
pub async fn sign_in(
    app: &App,
    from: &str,
    email: &str,
    password: Zeroizing<String>,
    code: Option<&str>,
) -> Result<SignIn> {
    // Hashed: the table of tries is no list of contacts.
    let subjects = [format!("account:{}", sha256(email.as_bytes())), format!("address:{from}")];
    let row = sqlx::query("SELECT id, password_hash, totp_secret, totp_confirmed, totp_step FROM users WHERE email = $1")
        .bind(email)
        .fetch_optional(app.db().read())
        .await?;
    let known = row.as_ref().map(|row| row.try_get::<String, _>("id")).transpose()?;
    if let Err(refused) = refuse_guessing(app, &subjects).await {
        notice_guessing(app, known.as_deref());
        return Err(refused);
    }
    let hash =
        row.as_ref().map(|row| row.try_get::<Option<String>, _>("password_hash")).transpose()?;
    let right = password::verify(password, hash.flatten()).await?;
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
    let mut tx = app.db().write().await?;
    if let Some(step) = step {
        // The condition once more, inside the transaction: a code opens one session, not two at once.
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
    sqlx::query("DELETE FROM tries WHERE subject = $1")
        .bind(&subjects[0])
        .execute(&mut *tx)
        .await?;
    let signed_in = begin_session(&mut tx, &user).await?;
    let actor = format!("user:{user}");
    audit::note(
        &mut tx,
        Deed { studio: "", actor: &actor, action: "sign_in", target: &user, detail: "" },
    )
    .await?;
    tx.commit().await?;
    Ok(signed_in)
}

async fn refuse_guessing(app: &App, subjects: &[String]) -> Result<()> {
    let now = now_s();
    for subject in subjects {
        let row = sqlx::query("SELECT failures, last_unix_s FROM tries WHERE subject = $1")
            .bind(subject)
            .fetch_optional(app.db().read())
            .await?;
        let Some(row) = row else { continue };
        let (failures, last): (i64, i64) = (row.try_get("failures")?, row.try_get("last_unix_s")?);
        let over = (failures - FREE_TRIES).clamp(-1, 10);
        let wait = if over < 0 { 0 } else { (WAIT_S << over).min(WAIT_S_MAX) };
        if last + wait > now {
            let seconds = u64::try_from(last + wait - now).unwrap_or(1);
            return Err(Failure::new(
                Kind::TooMany,
                "Too many failed tries; wait before the next.",
            )
            .retry_after(seconds));
        }
    }
    Ok(())
}

/// An account that there is not is nobody's to be warned about; its guesser's address is counted elsewhere.
fn notice_guessing(app: &App, account: Option<&str>) {
    if let Some(user) = account {
        app.alerts().saw(Pattern::AccountGuessing, &format!("user:{user}"), "");
    }
}

/// Counts a failure against account and address, and says no more than that something was wrong.
async fn failed<T>(app: &App, subjects: &[String; 2], known: Option<String>) -> Result<T> {
    notice_guessing(app, known.as_deref());
    count_failure(app, subjects).await?;
    Err(Failure::new(Kind::WrongCredentials, "Check them and try again."))
}

async fn count_failure(app: &App, subjects: &[String]) -> Result<()> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    for subject in subjects {
        sqlx::query(
            "INSERT INTO tries (subject, failures, last_unix_s) VALUES ($1, 1, $2) \
             ON CONFLICT (subject) DO UPDATE SET last_unix_s = $2, \
             failures = CASE WHEN tries.last_unix_s < $3 THEN 1 ELSE tries.failures + 1 END",
        )
        .bind(subject)
        .bind(now)
        .bind(now - FORGET_S)
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

/// Somebody who is signed in proves once more who they are: by the password, and by a code where the account
/// asks for one. Returns the account's address.
pub async fn prove(
    app: &App,
    user: &str,
    password: Zeroizing<String>,
    code: Option<&str>,
) -> Result<String> {
    let row = right_password(app, user, password).await?;
    if row.try_get::<i64, _>("totp_confirmed")? != 0 {
        let wrong = |detail: &str| Failure::new(Kind::Forbidden, detail);
        if code.is_none() {
            return Err(wrong("This account asks for a code of its authenticator app."));
        }
        let step = super::totp::check(app, user, row.try_get("totp_secret")?, code)?;
        if !take_step(app, user, step).await? {
            count_guess_of(app, user).await?;
            return Err(wrong("The code is not the app's of now, or was used before."));
        }
    }
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM tries WHERE subject = $1")
        .bind(proof_of(user))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(row.try_get("email")?)
}

/// Counted apart from signing in: whoever guesses there keeps nobody from changing their own account.
fn proof_of(user: &str) -> String {
    format!("proof:{user}")
}

/// Refuses somebody who is signed in and has guessed too often at their own account. Errors: `TooMany`.
pub async fn refuse_guesses_of(app: &App, user: &str) -> Result<()> {
    let refused = refuse_guessing(app, &[proof_of(user)]).await;
    if refused.is_err() {
        notice_guessing(app, Some(user));
    }
    refused
}

/// Counts a wrong guess of somebody who is signed in.
pub async fn count_guess_of(app: &App, user: &str) -> Result<()> {
    notice_guessing(app, Some(user));
    count_failure(app, &[proof_of(user)]).await
}

/// The account's row, where `password` is its own.
async fn right_password(app: &App, user: &str, password: Zeroizing<String>) -> Result<AnyRow> {
    refuse_guesses_of(app, user).await?;
    let row = sqlx::query(
        "SELECT email, password_hash, totp_secret, totp_confirmed FROM users WHERE id = $1",
    )
    .bind(user)
    .fetch_one(app.db().read())
    .await?;
    if password::verify(password, row.try_get("password_hash")?).await? {
        return Ok(row);
    }
    count_guess_of(app, user).await?;
    Err(Failure::new(Kind::Forbidden, "The current password is wrong."))
}

/// Whether a code of this step was not used before; from now on it was.
async fn take_step(app: &App, user: &str, step: Option<i64>) -> Result<bool> {
    let Some(step) = step else { return Ok(false) };
    let mut tx = app.db().write().await?;
    let taken = sqlx::query("UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $1")
        .bind(step)
        .bind(user)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(taken.rows_affected() > 0)
}

/// Replaces a password; all other sessions of its owner end, and so do links to another address.
pub async fn set_password(
    app: &App,
    person: &SignedIn,
    current: Zeroizing<String>,
    code: Option<&str>,
    new: Zeroizing<String>,
) -> Result<()> {
    let (user, keep_session) = (person.user.as_str(), person.session.as_str());
    // Before a code is used up.
    password::check_length(&new)?;
    let email = prove(app, user, current, code).await?;
    let hash = password::hash(new).await?;
    let mut tx = app.db().write().await?;
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
    sqlx::query("DELETE FROM links WHERE kind = 'email' AND user_id = $1")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    let actor = format!("user:{user}");
    audit::note(
        &mut tx,
        Deed { studio: "", actor: &actor, action: "password_change", target: user, detail: "" },
    )
    .await?;
    mail::put(app, &mut tx, &Mail::Letter(mail::password_changed(&email))).await?;
    tx.commit().await?;
    app.post().wake();
    Ok(())
}
