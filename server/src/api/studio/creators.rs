//! Invitations and API keys by the member who created them: they do not outlive the member's rights.

use sqlx::Row as _;

use crate::error::Result;
use crate::http::auth::{Action, Role};
use crate::infra::db::{Tx, memberships};

/// Returns whether `user` may still invite to the studio with `role`. The right to invite is that of a
/// role in the whole studio.
pub async fn may_still_invite(tx: &mut Tx, studio: &str, user: &str, role: Role) -> Result<bool> {
    for held in memberships::roles_in_studio(tx, user, studio).await? {
        let held = Role::stored(&held)?;
        if held.may(Action::ManageMembers) && held.may_grant(role) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Withdraws the invitations of `user` to the studio that the user may no longer create. Returns their ids.
pub async fn withdraw_invitations(tx: &mut Tx, studio: &str, user: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT id, role FROM account_links WHERE kind = 'invitation' AND studio_id = $1 AND created_by = $2 \
         ORDER BY created_unix_s, id",
    )
    .bind(studio)
    .bind(user)
    .fetch_all(&mut **tx)
    .await?;
    let mut withdrawn = Vec::new();
    for row in &rows {
        if may_still_invite(tx, studio, user, Role::of_row(row)?).await? {
            continue;
        }
        let id: String = row.try_get("id")?;
        sqlx::query("DELETE FROM account_links WHERE id = $1").bind(&id).execute(&mut **tx).await?;
        withdrawn.push(id);
    }
    Ok(withdrawn)
}

/// Returns the ids and roles of the API keys of the studio that `user` has created, oldest first.
pub async fn keys_of(tx: &mut Tx, studio: &str, user: &str) -> Result<Vec<(String, Role)>> {
    let rows = sqlx::query(
        "SELECT id, role FROM api_keys WHERE studio_id = $1 AND created_by = $2 ORDER BY created_unix_s, id",
    )
    .bind(studio)
    .bind(user)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, Role::of_row(row)?))).collect()
}
