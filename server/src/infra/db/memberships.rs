//! Statements on the table `memberships`: a user's role in a studio, or in one event of it.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// Selects the members of the studio $1 as subjects of alerts: `user:ID`.
pub const SUBJECTS_OF_STUDIO: &str =
    "SELECT 'user:' || user_id FROM memberships WHERE studio_id = $1";

/// A row of `memberships`.
pub struct MembershipRecord {
    pub id: String,
    pub studio: String,
    pub user: String,
    /// The only event that the role is valid for; `None`: the whole studio.
    pub event: Option<String>,
    /// A value of `Role::as_str`.
    pub role: String,
    pub created_unix_s: i64,
}

/// A membership with its user's name and address.
pub struct NamedMember {
    pub membership: MembershipRecord,
    pub name: String,
    pub email: String,
}

/// A membership with the name of its studio.
pub struct NamedMembership {
    pub membership: MembershipRecord,
    pub studio_name: String,
}

fn read(row: &AnyRow) -> sqlx::Result<MembershipRecord> {
    Ok(MembershipRecord {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        user: row.try_get("user_id")?,
        event: row.try_get("event_id")?,
        role: row.try_get("role")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// Returns the memberships of a user in a studio and its events.
pub async fn of_user_in(db: &Db, user: &str, studio: &str) -> Result<Vec<MembershipRecord>> {
    let rows = sqlx::query("SELECT * FROM memberships WHERE user_id = $1 AND studio_id = $2")
        .bind(user)
        .bind(studio)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(|row| Ok(read(row)?)).collect()
}

/// Returns all memberships of a user, oldest first.
pub async fn of_user(db: &Db, user: &str) -> Result<Vec<NamedMembership>> {
    let rows = sqlx::query(
        "SELECT m.*, s.name AS studio_name FROM memberships m JOIN studios s ON s.id = m.studio_id \
         WHERE m.user_id = $1 ORDER BY m.created_unix_s, m.id",
    )
    .bind(user)
    .fetch_all(db.read())
    .await?;
    let named = |row| {
        Ok(NamedMembership { membership: read(row)?, studio_name: row.try_get("studio_name")? })
    };
    rows.iter().map(named).collect()
}

/// Returns a page of the studio's members, in the order in which they joined.
pub async fn page(db: &Db, studio: &str, paging: &Paging) -> Result<Page<NamedMember>> {
    let list = PageQuery {
        select: "SELECT m.*, u.name, u.email FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.studio_id = $1",
        values: &[BoundValue::Text(studio)],
        order: ["m.created_unix_s", "m.id"],
    };
    let named = |row: &AnyRow| -> sqlx::Result<NamedMember> {
        let (name, email) = (row.try_get("name")?, row.try_get("email")?);
        Ok(NamedMember { membership: read(row)?, name, email })
    };
    db.page(paging, list, named, |it| (it.membership.created_unix_s, &it.membership.id)).await
}

/// Returns a membership of the studio.
///
/// # Errors
/// - `NotFound` if the studio has no such membership.
pub async fn find(tx: &mut Tx, studio: &str, membership: &str) -> Result<MembershipRecord> {
    let row = sqlx::query("SELECT * FROM memberships WHERE id = $1 AND studio_id = $2")
        .bind(membership)
        .bind(studio)
        .fetch_one(&mut **tx)
        .await?;
    Ok(read(&row)?)
}

/// Returns the names of the roles that a user has in the whole studio, not only in one event.
pub async fn roles_in_studio(tx: &mut Tx, user: &str, studio: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT role FROM memberships WHERE user_id = $1 AND studio_id = $2 AND event_id IS NULL",
    )
    .bind(user)
    .bind(studio)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("role")?)).collect()
}

/// Returns the e-mail addresses of the members who have a role in the whole studio.
pub async fn emails_with_role(tx: &mut Tx, studio: &str, role: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT u.email FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.studio_id = $1 AND m.role = $2 AND m.event_id IS NULL ORDER BY u.email",
    )
    .bind(studio)
    .bind(role)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("email")?)).collect()
}

/// Returns the number of the studio's owners.
pub async fn count_owners(tx: &mut Tx, studio: &str) -> Result<i64> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM memberships WHERE studio_id = $1 AND role = 'owner' AND event_id IS NULL",
    );
    Ok(row.bind(studio).fetch_one(&mut **tx).await?.try_get("n")?)
}

/// Inserts a membership.
pub async fn insert(tx: &mut Tx, membership: &MembershipRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO memberships (id, studio_id, user_id, event_id, role, created_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&membership.id)
    .bind(&membership.studio)
    .bind(&membership.user)
    .bind(&membership.event)
    .bind(&membership.role)
    .bind(membership.created_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets the role of a membership to a value of `Role::as_str`.
pub async fn set_role(tx: &mut Tx, membership: &str, role: &str) -> Result<()> {
    sqlx::query("UPDATE memberships SET role = $1 WHERE id = $2")
        .bind(role)
        .bind(membership)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Deletes a membership.
pub async fn delete(tx: &mut Tx, membership: &str) -> Result<()> {
    sqlx::query("DELETE FROM memberships WHERE id = $1")
        .bind(membership)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
