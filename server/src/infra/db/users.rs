//! Statements on the table `users` that accounts and invitations share; `api/account` has the others.

use sqlx::Row as _;

use super::Tx;
use crate::error::Result;
use crate::infra::clock::now_s;
use crate::infra::ids::new_id;

/// Inserts an account and returns its id.
pub async fn insert(
    tx: &mut Tx,
    email: &str,
    name: &str,
    password_hash: Option<&str>,
) -> Result<String> {
    let user = new_id()?;
    sqlx::query(
        "INSERT INTO users (id, email, name, password_hash, created_unix_s) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&user)
    .bind(email)
    .bind(name)
    .bind(password_hash)
    .bind(now_s())
    .execute(&mut **tx)
    .await?;
    Ok(user)
}

/// Returns the name of a user.
///
/// # Errors
/// - `NotFound` if there is no such user.
pub async fn name(tx: &mut Tx, user: &str) -> Result<String> {
    let row = sqlx::query("SELECT name FROM users WHERE id = $1").bind(user);
    Ok(row.fetch_one(&mut **tx).await?.try_get("name")?)
}

/// Returns the id of the account with an e-mail address; `None` if there is none.
pub async fn id_of_email(tx: &mut Tx, email: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT id FROM users WHERE email = $1")
        .bind(email)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

/// Returns whether a user may create a studio: a member of a whole studio may, and a user whom the operator lets.
pub async fn may_create_studios(tx: &mut Tx, user: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT may_create_studios + (SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND event_id IS NULL) \
         AS n FROM users WHERE id = $1",
    );
    Ok(row.bind(user).fetch_one(&mut **tx).await?.try_get::<i64, _>("n")? > 0)
}
