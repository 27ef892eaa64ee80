//! Single-use tokens in e-mails to guests: for access without a camera, and to confirm notifications. The
//! erasure of a guest deletes the guest's tokens.

use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::{new_token, sha256, token_hash};
use crate::infra::rate_limit::Quota;

/// Quota of e-mails with a token per contact, over all guests and events: 3, then one per 8 hours. A client
/// can enter another person's contact, and the quota limits the e-mails to that person.
const MESSAGE_QUOTA: Quota = Quota { capacity: 3, refill_s: 8 * 3600 };
/// Quota of e-mails per guest and purpose while no link is followed: one an hour. A followed link gives it back.
const UNANSWERED_QUOTA: Quota = Quota { capacity: 1, refill_s: 3600 };

/// The purpose of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPurpose {
    /// Opens a session of a guest whose request the studio has accepted.
    Enter,
    /// Confirms that the contact's owner wants e-mails about new photos.
    Notify,
}

impl TokenPurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Notify => "notify",
        }
    }

    /// Returns a token's lifetime in seconds.
    fn seconds(self) -> i64 {
        match self {
            Self::Enter => 14 * 86_400,
            Self::Notify => 2 * 86_400,
        }
    }
}

/// Issues a token of `guest` for `purpose`. The guest's earlier tokens for this purpose become invalid.
pub async fn issue(tx: &mut Tx, guest: &str, purpose: TokenPurpose) -> Result<Zeroizing<String>> {
    sqlx::query("DELETE FROM guest_email_tokens WHERE guest_id = $1 AND kind = $2")
        .bind(guest)
        .bind(purpose.as_str())
        .execute(&mut **tx)
        .await?;
    let token = new_token("ppt_")?;
    sqlx::query(
        "INSERT INTO guest_email_tokens (token_hash, guest_id, kind, expires_unix_s) VALUES ($1, $2, $3, $4)",
    )
    .bind(token_hash(&token))
    .bind(guest)
    .bind(purpose.as_str())
    .bind(now_s() + purpose.seconds())
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Takes one e-mail from the quota of the contact with the pseudonym `contact_hash`.
///
/// # Errors
/// - `TooManyRequests` if the quota is used up.
pub async fn count_message(tx: &mut Tx, contact_hash: &str) -> Result<()> {
    let detail = "This contact has used its 3 e-mails and gets one more every 8 hours; try again in 8 hours.";
    MESSAGE_QUOTA.take(tx, &format!("letters:{contact_hash}"), detail).await
}

/// Takes one e-mail from the quota of `guest` for `purpose`. Returns `false` if the guest has not followed the link
/// of an e-mail that was sent less than an hour ago.
pub async fn try_count_unanswered(tx: &mut Tx, guest: &str, purpose: TokenPurpose) -> Result<bool> {
    UNANSWERED_QUOTA.try_take(tx, &unanswered(guest, purpose)).await
}

/// Returns the subject of the quota. The guest's ID is hashed, because the row can outlive the guest by an hour.
fn unanswered(guest: &str, purpose: TokenPurpose) -> String {
    format!("unanswered:{}", sha256(format!("{} {guest}", purpose.as_str()).as_bytes()))
}

/// Consumes a token, and gives back the guest's quota of e-mails for `purpose`. Returns the ID of the token's guest.
///
/// # Errors
/// - `Gone` if the token is invalid, expired or already used.
pub async fn consume(tx: &mut Tx, token: &str, purpose: TokenPurpose) -> Result<String> {
    let row = sqlx::query(
        "DELETE FROM guest_email_tokens WHERE token_hash = $1 AND kind = $2 AND expires_unix_s > $3 \
         RETURNING guest_id",
    )
    .bind(token_hash(token))
    .bind(purpose.as_str())
    .bind(now_s())
    .fetch_optional(&mut **tx)
    .await?;
    let detail = match purpose {
        TokenPurpose::Enter => {
            "The link is invalid, expired or already used; request access again."
        }
        TokenPurpose::Notify => {
            "The link is invalid, expired or already used; turn the e-mails on again."
        }
    };
    let gone = || ApiError::new(ErrorKind::Gone, detail);
    let guest: String = row.ok_or_else(gone)?.try_get("guest_id")?;
    UNANSWERED_QUOTA.give_back(tx, &unanswered(&guest, purpose)).await?;
    Ok(guest)
}
