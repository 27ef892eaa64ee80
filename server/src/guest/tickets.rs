//! One-time links in letters to guests: to come in without a camera, and to confirm that letters are wanted.
//!
//! A ticket is used once and ends with its guest. Knows nothing of what it opens.

use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::clock::now_s;
use crate::db::Tx;
use crate::error::{Failure, Kind, Result};
use crate::ids::{new_token, token_hash};
use crate::limits::Budget;

/// Letters with tickets to one contact, whose owner may know nothing of it: three at once, and then one every eight
/// hours, from all guests and events together.
const LETTERS: Budget = Budget { units: 3, back_s: 8 * 3600 };
/// Within so long a guest's ticket is not sent again.
const AGAIN_S: i64 = 3600;

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

/// Counts a letter with a ticket to the contact that `contact_hash` stands for. Errors: `TooMany`.
pub async fn count_letter(tx: &mut Tx, contact_hash: &str) -> Result<()> {
    let detail = "This contact has got several letters already; wait before the next.";
    LETTERS.take(tx, &format!("letters:{contact_hash}"), detail).await
}

/// Whether a ticket of `guest` that was sent a short while ago is still good.
pub async fn is_fresh(tx: &mut Tx, guest: &str, purpose: Purpose) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM guest_tickets WHERE guest_id = $1 AND kind = $2 AND expires_unix_s > $3",
    )
    .bind(guest)
    .bind(purpose.as_str())
    .bind(now_s() + purpose.seconds() - AGAIN_S)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get::<i64, _>("n")? > 0)
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
