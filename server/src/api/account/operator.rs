//! What the operator does to accounts on the command line, without a session of the account.
//!
//! The functions need the database and the keyring only, so that they work beside a running service, which
//! delivers the mails.

use picpick_engine::Vault;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::{reset, second_factor};
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::db::{Db, Tx, users};
use crate::infra::mail::{self, OutgoingMail};

/// An account as the operator sees it.
pub struct AccountSummary {
    pub email: String,
    pub name: String,
    pub has_second_factor: bool,
    /// Number of studios and single events that the user is a member of.
    pub memberships: i64,
    pub created_unix_s: i64,
}

/// Returns all accounts, oldest first.
pub async fn accounts(db: &Db) -> Result<Vec<AccountSummary>> {
    let rows = sqlx::query(
        "SELECT email, name, totp_confirmed, created_unix_s, \
         (SELECT COUNT(*) FROM memberships m WHERE m.user_id = users.id) AS memberships \
         FROM users ORDER BY created_unix_s, id",
    )
    .fetch_all(db.read())
    .await?;
    let read = |row: &AnyRow| {
        Ok(AccountSummary {
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            has_second_factor: row.try_get::<i64, _>("totp_confirmed")? != 0,
            memberships: row.try_get("memberships")?,
            created_unix_s: row.try_get("created_unix_s")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Removes the second factor and the recovery codes of an account, ends its sessions and revokes pending changes
/// of its address. Notifies the account's owner.
///
/// # Errors
/// - `NotFound` if no account has the address.
/// - `Conflict` if the account has no second factor.
pub async fn reset_second_factor(db: &Db, vault: &Vault, email: &str) -> Result<()> {
    let mut tx = db.write().await?;
    let user = find(&mut tx, email).await?;
    if !second_factor::clear(&mut tx, &user).await? {
        let detail = format!("The account {email} has no second factor.");
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    for statement in [
        "DELETE FROM sessions WHERE user_id = $1",
        "DELETE FROM account_links WHERE kind = 'email' AND user_id = $1",
    ] {
        sqlx::query(statement).bind(&user).execute(&mut *tx).await?;
    }
    record(&mut tx, &user, "second_factor_reset").await?;
    let letter = OutgoingMail::Letter(mail::second_factor_reset(email));
    mail::enqueue_sealed(vault, &mut tx, &letter).await?;
    Ok(tx.commit().await?)
}

/// Creates a single-use link for a new password. Returns the link's token, which is valid for 1 hour.
///
/// # Errors
/// - `NotFound` if no account has the address.
pub async fn reset_link(db: &Db, email: &str) -> Result<Zeroizing<String>> {
    let mut tx = db.write().await?;
    let user = find(&mut tx, email).await?;
    let (token, _) = reset::new_link(&mut tx, email).await?;
    record(&mut tx, &user, "password_reset_link").await?;
    tx.commit().await?;
    Ok(token)
}

/// Requests a link for a new password by e-mail, as the owner of the account can. The running service sends it.
///
/// # Errors
/// - `NotFound` if no account has the address.
pub async fn mail_reset_link(db: &Db, vault: &Vault, email: &str) -> Result<()> {
    let mut tx = db.write().await?;
    let user = find(&mut tx, email).await?;
    record(&mut tx, &user, "password_reset_link").await?;
    let request = OutgoingMail::PasswordResetRequested { email: email.to_owned() };
    mail::enqueue_sealed(vault, &mut tx, &request).await?;
    Ok(tx.commit().await?)
}

/// Sets whether a user may create studios who is a member of single events only.
///
/// # Errors
/// - `NotFound` if no account has the address.
pub async fn permit_studios(db: &Db, email: &str, permitted: bool) -> Result<()> {
    let mut tx = db.write().await?;
    let user = find(&mut tx, email).await?;
    sqlx::query("UPDATE users SET may_create_studios = $1 WHERE id = $2")
        .bind(i64::from(permitted))
        .bind(&user)
        .execute(&mut *tx)
        .await?;
    record(&mut tx, &user, if permitted { "studios_permit" } else { "studios_forbid" }).await?;
    Ok(tx.commit().await?)
}

/// Ends all sessions of the account with the address `email`, or of all accounts. API keys stay valid. Returns the
/// number of ended sessions.
///
/// # Errors
/// - `NotFound` if no account has the address.
pub async fn end_sessions(db: &Db, email: Option<&str>) -> Result<usize> {
    let mut tx = db.write().await?;
    let user = match email {
        Some(email) => find(&mut tx, email).await?,
        None => String::new(),
    };
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 OR $1 = ''")
        .bind(&user)
        .execute(&mut *tx)
        .await?;
    record(&mut tx, &user, "sessions_end").await?;
    tx.commit().await?;
    Ok(usize::try_from(ended.rows_affected()).unwrap_or(usize::MAX))
}

async fn find(tx: &mut Tx, email: &str) -> Result<String> {
    users::id_of_email(tx, email).await?.ok_or_else(|| {
        let detail = format!(
            "No account has the address {email}; 'picpick account list' lists the accounts."
        );
        ApiError::new(ErrorKind::NotFound, detail)
    })
}

async fn record(tx: &mut Tx, user: &str, action: &'static str) -> Result<()> {
    let deed = AuditEvent { studio: "", actor: "system", action, target: user, detail: "operator" };
    audit_log::record(tx, deed).await
}
