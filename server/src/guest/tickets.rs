//! One-time links in letters to guests: to come in without a camera, and to confirm that letters are wanted.
//!
//! A ticket is used once and ends with its guest. Knows nothing of what it opens.

use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};
use crate::ids::{new_token, token_hash};

/// What a ticket is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Opens a session of a guest whom the studio has let in by hand.
    Enter,
    /// Confirms that the contact's owner wants letters.
    Notify,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Notify => "notify",
        }
    }

    /// How long a ticket is good for.
    fn seconds(self) -> i64 {
        match self {
            Self::Enter => 14 * 86_400,
            Self::Notify => 2 * 86_400,
        }
    }
}

/// A new ticket of `guest`; earlier ones of the same purpose end.
pub async fn issue(tx: &mut Tx, guest: &str, purpose: Purpose) -> Result<Zeroizing<String>> {
    sqlx::query("DELETE FROM guest_tickets WHERE guest_id = $1 AND kind = $2")
        .bind(guest)
        .bind(purpose.as_str())
        .execute(&mut **tx)
        .await?;
    let token = new_token("ppt_")?;
    sqlx::query(
        "INSERT INTO guest_tickets (token_hash, guest_id, kind, expires_unix_s) VALUES ($1, $2, $3, $4)",
    )
    .bind(token_hash(&token))
    .bind(guest)
    .bind(purpose.as_str())
    .bind(now_s() + purpose.seconds())
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Uses a ticket up; its guest. Errors: `Gone`.
pub async fn take(tx: &mut Tx, token: &str, purpose: Purpose) -> Result<String> {
    let row = sqlx::query(
        "DELETE FROM guest_tickets WHERE token_hash = $1 AND kind = $2 AND expires_unix_s > $3 \
         RETURNING guest_id",
    )
    .bind(token_hash(token))
    .bind(purpose.as_str())
    .bind(now_s())
    .fetch_optional(&mut **tx)
    .await?;
    let gone = || Failure::new(Kind::Gone, "The link was used before, has expired or is not one.");
    Ok(row.ok_or_else(gone)?.try_get("guest_id")?)
}
