//! The audit log: an append-only chain of hashes, so that a changed or missing entry is detected.
//!
//! An entry is written in the transaction of the action that it records. Entries contain ids, and never
//! contact data, tokens or face data.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::Result;
use crate::infra::clock::now_s;
use crate::infra::db::{Db, Tx};
use crate::infra::ids::sha256;

/// An action to record.
#[derive(Clone, Copy, Debug)]
pub struct AuditEvent<'a> {
    /// Empty for an action that concerns no studio.
    pub studio: &'a str,
    pub actor: &'a str,
    pub action: &'static str,
    pub target: &'a str,
    pub detail: &'a str,
}

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Position in the chain of the whole service, from 1 without gaps.
    pub number: i64,
    pub at_unix_s: i64,
    pub studio: String,
    /// `user:ID`, `key:ID`, `guest:ID` or `system`.
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    /// SHA-256 over the previous entry's hash and this entry's fields, hexadecimal.
    pub hash: String,
}

impl AuditEntry {
    pub fn read(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            number: row.try_get("number")?,
            at_unix_s: row.try_get("at_unix_s")?,
            studio: row.try_get("studio_id")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            detail: row.try_get("detail")?,
            hash: row.try_get("hash")?,
        })
    }

    /// Computes the hash of this entry, given the hash `before` of the previous entry.
    pub fn expected(&self, before: &str) -> String {
        let fields = serde_json::json!([
            before,
            self.number,
            self.at_unix_s,
            self.studio,
            self.actor,
            self.action,
            self.target,
            self.detail
        ]);
        sha256(fields.to_string().as_bytes())
    }
}

/// Appends an entry in the transaction of the recorded action, so that both become durable together.
pub async fn record(tx: &mut Tx, deed: AuditEvent<'_>) -> Result<()> {
    // The head is updated first, so that SQLite and PostgreSQL serialise concurrent appends.
    let head = sqlx::query("UPDATE audit_head SET number = number + 1 RETURNING number, hash")
        .fetch_one(&mut **tx)
        .await?;
    let before: String = head.try_get("hash")?;
    let mut entry = AuditEntry {
        number: head.try_get("number")?,
        at_unix_s: now_s(),
        studio: deed.studio.to_owned(),
        actor: deed.actor.to_owned(),
        action: deed.action.to_owned(),
        target: deed.target.to_owned(),
        detail: deed.detail.to_owned(),
        hash: String::new(),
    };
    entry.hash = entry.expected(&before);
    sqlx::query(
        "INSERT INTO audit (number, at_unix_s, studio_id, actor, action, target, detail, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.number)
    .bind(entry.at_unix_s)
    .bind(&entry.studio)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.detail)
    .bind(&entry.hash)
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE audit_head SET hash = $1").bind(&entry.hash).execute(&mut **tx).await?;
    Ok(())
}

/// Writes an audit entry for a guest's action, under the guest's pseudonymous ID.
pub async fn record_guest(
    tx: &mut Tx,
    studio: &str,
    guest: &str,
    action: &'static str,
    detail: &str,
) -> Result<()> {
    let actor = format!("guest:{guest}");
    record(tx, AuditEvent { studio, actor: &actor, action, target: guest, detail }).await
}

/// The result of a check of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Number of intact entries.
    pub entries: i64,
    /// The hash of the last intact entry. An operator who stores this hash elsewhere can later detect a
    /// truncated chain.
    pub head: String,
    /// The number of the first changed or missing entry.
    pub broken_at: Option<i64>,
}

/// Verifies the hash and number of every entry, and the head. Stops at the first broken entry.
pub async fn verify(db: &Db) -> Result<ChainReport> {
    const PAGE: i64 = 1000;
    let mut verdict = ChainReport { entries: 0, head: String::new(), broken_at: None };
    loop {
        let rows = sqlx::query("SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(verdict.entries)
            .bind(PAGE)
            .fetch_all(db.read())
            .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let entry = AuditEntry::read(row)?;
            if entry.number != verdict.entries + 1 || entry.hash != entry.expected(&verdict.head) {
                verdict.broken_at = Some(verdict.entries + 1);
                return Ok(verdict);
            }
            verdict.entries = entry.number;
            verdict.head = entry.hash;
        }
    }
    let head = sqlx::query("SELECT number, hash FROM audit_head").fetch_one(db.read()).await?;
    let (number, hash): (i64, String) = (head.try_get("number")?, head.try_get("hash")?);
    if number != verdict.entries || hash != verdict.head {
        verdict.broken_at = Some(verdict.entries + 1);
    }
    Ok(verdict)
}
