//! Recovery codes: single-use codes that replace a code of the authenticator app if the device is lost.
//!
//! A code has 140 random bits, so a plain hash suffices for storage. Codes of 80 bits from earlier versions stay
//! valid until they are used or renewed.

use sqlx::Row as _;

use super::credentials::StoredCredentials;
use crate::app::App;
use crate::error::Result;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::db::Tx;
use crate::infra::ids::{random_code, token_hash};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::rate_limit::CountedAttempt;

/// Number of codes of an account.
const CODES: usize = 10;
/// Length of a code, characters of 5 bits; written in groups of 4.
const LENGTH: usize = 28;

/// Replaces all codes of an account by new ones. Returns the new codes, which are not stored.
///
/// # Errors
/// - `Internal` if the database or the random number generator fails.
pub async fn renew(tx: &mut Tx, user: &str) -> Result<Vec<String>> {
    delete(tx, user).await?;
    let mut codes = Vec::new();
    for _ in 0..CODES {
        let code = new_code()?;
        sqlx::query("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)")
            .bind(user)
            .bind(hash(user, &code))
            .execute(&mut **tx)
            .await?;
        codes.push(code);
    }
    Ok(codes)
}

/// Deletes all codes of an account.
pub async fn delete(tx: &mut Tx, user: &str) -> Result<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Returns the number of unused codes of an account.
pub async fn count(app: &App, user: &str) -> Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1")
        .bind(user)
        .fetch_one(app.db.read())
        .await?;
    Ok(row.try_get("n")?)
}

/// Consumes a code; records its use and notifies the account's owner. Returns whether the code was right and
/// unused.
pub(super) async fn consume(
    app: &App,
    _counted: &CountedAttempt,
    account: &StoredCredentials,
    code: &str,
) -> Result<bool> {
    let mut tx = app.db.write().await?;
    let consumed = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2")
        .bind(&account.user)
        .bind(hash(&account.user, code))
        .execute(&mut *tx)
        .await?;
    if consumed.rows_affected() == 0 {
        return Ok(false);
    }
    let actor = format!("user:{}", account.user);
    let deed = AuditEvent {
        studio: "",
        actor: &actor,
        action: "recovery_code_use",
        target: &account.user,
        detail: "",
    };
    audit_log::record(&mut tx, deed).await?;
    let letter = mail::recovery_code_used(&account.email);
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(true)
}

/// Returns the hash of a code. Spaces, hyphens and case do not matter.
fn hash(user: &str, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
    token_hash(&format!("recovery {user} {}", plain.to_ascii_uppercase()))
}

fn new_code() -> Result<String> {
    let code = random_code::<LENGTH>()?;
    let groups = code.as_bytes().chunks(4).map(String::from_utf8_lossy);
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_may_be_typed_in_any_case() {
        let (a, b) = (new_code().unwrap(), new_code().unwrap());
        assert!(a != b && a.len() == 34, "{a} {b}");
        assert_eq!(hash("u", &a), hash("u", &a.to_lowercase().replace('-', " ")));
        assert_ne!(hash("u", &a), hash("v", &a));
        assert_ne!(hash("u", &a), hash("u", &b));
    }
}
