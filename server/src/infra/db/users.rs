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
