//! Statements on the table `studios`.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Db, Tx};
use crate::error::Result;

/// A row of `studios`.
pub struct StudioRecord {
    pub id: String,
    pub name: String,
    /// The legal basis of new events, a value of `LegalBasis::as_str`; `None`: each new event must name
    /// its own.
    pub legal_basis: Option<String>,
    pub created_unix_s: i64,
}

fn read(row: &AnyRow) -> sqlx::Result<StudioRecord> {
    Ok(StudioRecord {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        legal_basis: row.try_get("legal_basis")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// Returns a studio.
///
/// # Errors
/// - `NotFound` if there is no such studio.
pub async fn find(db: &Db, studio: &str) -> Result<StudioRecord> {
    let row = sqlx::query("SELECT * FROM studios WHERE id = $1").bind(studio);
    Ok(read(&row.fetch_one(db.read()).await?)?)
}

/// Returns the studios in which a user has a role, oldest first.
pub async fn of_user(db: &Db, user: &str) -> Result<Vec<StudioRecord>> {
    let rows = sqlx::query(
        "SELECT * FROM studios WHERE id IN (SELECT studio_id FROM memberships WHERE user_id = $1) \
         ORDER BY created_unix_s, id",
    )
    .bind(user)
    .fetch_all(db.read())
    .await?;
    rows.iter().map(|row| Ok(read(row)?)).collect()
}

/// Returns the name of a studio.
///
/// # Errors
/// - `NotFound` if there is no such studio.
pub async fn name(tx: &mut Tx, studio: &str) -> Result<String> {
    let row = sqlx::query("SELECT name FROM studios WHERE id = $1").bind(studio);
    Ok(row.fetch_one(&mut **tx).await?.try_get("name")?)
}

/// Inserts a studio.
pub async fn insert(tx: &mut Tx, studio: &StudioRecord) -> Result<()> {
    sqlx::query("INSERT INTO studios (id, name, created_unix_s) VALUES ($1, $2, $3)")
        .bind(&studio.id)
        .bind(&studio.name)
        .bind(studio.created_unix_s)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Locks a studio's row until the commit and returns it.
///
/// # Errors
/// - `NotFound` if there is no such studio.
pub async fn lock(tx: &mut Tx, studio: &str) -> Result<StudioRecord> {
    // The no-op update locks the row.
    let row = sqlx::query("UPDATE studios SET name = name WHERE id = $1 RETURNING *").bind(studio);
    Ok(read(&row.fetch_one(&mut **tx).await?)?)
}

/// Updates the name and the legal basis of a studio.
pub async fn update(tx: &mut Tx, studio: &StudioRecord) -> Result<()> {
    sqlx::query("UPDATE studios SET name = $1, legal_basis = $2 WHERE id = $3")
        .bind(&studio.name)
        .bind(&studio.legal_basis)
        .bind(&studio.id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
