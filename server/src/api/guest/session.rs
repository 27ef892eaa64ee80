use zeroize::Zeroizing;

use crate::error::Result;
use crate::http::auth::known_device::ProvingClient;
use crate::http::auth::{GUEST_COOKIE, GUEST_IDLE_S, set_cookie};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::{new_id, new_token, token_hash};

/// Opens a session of `guest`, and ends the session that the browser had before, whose cookie the new one replaces.
/// Returns the session's token; the database stores only the token's hash.
pub async fn begin(
    tx: &mut Tx,
    client: &ProvingClient,
    guest: &str,
    verified: bool,
) -> Result<Zeroizing<String>> {
    if let Some(token) = client.cookie(GUEST_COOKIE) {
        sqlx::query("DELETE FROM guest_sessions WHERE token_hash = $1")
            .bind(token_hash(token))
            .execute(&mut **tx)
            .await?;
    }
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

/// Binds `session` to `guest`, who has verified their face. Returns a new token; the old token becomes invalid.
pub async fn verify(tx: &mut Tx, session: &str, guest: &str) -> Result<Zeroizing<String>> {
    let token = new_token("ppg_")?;
    sqlx::query(
        "UPDATE guest_sessions SET token_hash = $1, guest_id = $2, verified = 1, seen_unix_s = $3 \
         WHERE id = $4",
    )
    .bind(token_hash(&token))
    .bind(guest)
    .bind(now_s())
    .bind(session)
    .execute(&mut **tx)
    .await?;
    Ok(token)
}

/// Deletes a session.
pub async fn end(tx: &mut Tx, session: &str) -> Result<()> {
    sqlx::query("DELETE FROM guest_sessions WHERE id = $1")
        .bind(session)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Returns the `Set-Cookie` value that stores the session's token.
pub fn cookie(token: &str, encrypted: bool) -> String {
    // The server ends an idle session after 30 minutes. The cookie expires after a day, also in a browser that
    // stays open.
    set_cookie(GUEST_COOKIE, token, encrypted, Some(48 * GUEST_IDLE_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_out_of_reach_of_scripts() {
        let set = cookie("ppg_x", true);
        assert!(set.starts_with("__Host-picpick_guest=ppg_x; Path=/; HttpOnly; SameSite=Lax;"));
        assert!(set.ends_with("; Secure"), "{set}");
    }
}
