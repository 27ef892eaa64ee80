//! A guest's session: its token, its cookie, its end.
//!
//! Stored is the token's hash. Knows nothing of faces.

use zeroize::Zeroizing;

use crate::access::{GUEST_COOKIE, GUEST_IDLE_S, set_cookie};
use crate::clock::now_s;
use crate::db::Tx;
use crate::error::Result;
use crate::ids::{new_id, new_token, token_hash};

/// Begins a session of `guest`; its token.
pub async fn begin(tx: &mut Tx, guest: &str, verified: bool) -> Result<Zeroizing<String>> {
    let (token, now) = (new_token("ppg_")?, now_s());
    sqlx::query(
        "INSERT INTO guest_sessions (id, token_hash, guest_id, verified, created_unix_s, seen_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(guest)
    .bind(i64::from(verified))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Makes `session` one of `guest`, who has shown their face, under a new token: whoever knew the old one is out.
pub async fn verify(tx: &mut Tx, session: &str, guest: &str) -> Result<Zeroizing<String>> {
    let token = new_token("ppg_")?;
    sqlx::query(
        "UPDATE guest_sessions SET token_hash = $1, guest_id = $2, verified = 1, failures = 0, \
         seen_unix_s = $3 WHERE id = $4",
    )
    .bind(token_hash(&token))
    .bind(guest)
    .bind(now_s())
    .bind(session)
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Ends one session.
pub async fn end(tx: &mut Tx, session: &str) -> Result<()> {
    sqlx::query("DELETE FROM guest_sessions WHERE id = $1")
        .bind(session)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The header that gives a session to a browser, or takes it away.
pub fn cookie(token: Option<&str>, encrypted: bool) -> String {
    // The service ends a session that rests; a browser that is left open must not keep it longer than a day.
    let age_s = if token.is_some() { 48 * GUEST_IDLE_S } else { 0 };
    set_cookie(GUEST_COOKIE, token.unwrap_or_default(), encrypted, Some(age_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_out_of_reach_of_scripts() {
        let set = cookie(Some("ppg_x"), true);
        assert!(set.starts_with("__Host-picpick_guest=ppg_x; Path=/; HttpOnly; SameSite=Lax;"));
        assert!(set.ends_with("; Secure"), "{set}");
        assert!(cookie(None, false).ends_with("Max-Age=0"));
    }
}
