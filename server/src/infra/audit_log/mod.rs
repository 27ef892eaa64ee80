//! The audit log: an append-only chain of entries. Each entry's hash covers the entry before it, and an
//! authentication code (HMAC-SHA-256 under a key of the server's keyring) covers the hash, so that writing to the
//! database does not suffice to change, insert or remove an entry unnoticed.
//!
//! The end of the chain is covered by a signed checkpoint in the keyring (`checkpoint.rs`). An entry is durable
//! before a checkpoint names it: a checkpoint that is older than the chain is normal, and one that is newer, or
//! names another entry, is evidence of tampering.
//!
//! An entry is written in the transaction of the action that it records; frequent actions are counted
//! (`counted.rs`). Entries contain ids, and never contact data, tokens or face data.

mod checkpoint;
mod counted;
mod verify;

pub use checkpoint::{advance, run_checkpoints, successor};
pub use counted::count;
pub use verify::{ChainFault, ChainReport, Expectation, verify};

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{ApiError, Result};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::sha256;

/// An action to record.
#[derive(Clone, Copy, Debug)]
pub struct AuditEvent<'a> {
    /// Empty for an action that concerns no studio.
    pub studio: &'a str,
    pub actor: &'a str,
    pub action: &'a str,
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
    /// `user:ID`, `key:ID`, `guest:ID`, `visitor:ID`, `system`, or `unknown` for a failed sign-in and for counted
    /// visits.
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    /// SHA-256 over the previous entry's hash and this entry's fields, hexadecimal.
    pub hash: String,
    /// Id of the key of `mac`; empty for entries from before the log had keys.
    #[serde(skip)]
    pub key_id: String,
    /// Authentication code of `hash`; empty for entries from before the log had keys.
    #[serde(skip)]
    pub mac: String,
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
            key_id: row.try_get("key_id")?,
            mac: row.try_get("mac")?,
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

/// Returns the message of an entry's authentication code. The hash covers the number and all earlier entries, so
/// that a code is valid at one place of one chain only.
fn authenticated(hash: &str) -> Vec<u8> {
    format!("picpick audit entry 1 {hash}").into_bytes()
}

/// Appends an entry in the transaction of the recorded action, so that both become durable together.
pub async fn record(tx: &mut Tx, deed: AuditEvent<'_>) -> Result<()> {
    let key = tx
        .audit_key()
        .ok_or_else(|| ApiError::internal("the database was opened without the audit key"))?;
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
        key_id: key.id().to_owned(),
        mac: String::new(),
    };
    entry.hash = entry.expected(&before);
    entry.mac = key.tag(&authenticated(&entry.hash))?;
    sqlx::query(
        "INSERT INTO audit (number, at_unix_s, studio_id, actor, action, target, detail, hash, key_id, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.number)
    .bind(entry.at_unix_s)
    .bind(&entry.studio)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.detail)
    .bind(&entry.hash)
    .bind(&entry.key_id)
    .bind(&entry.mac)
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
    action: &str,
    detail: &str,
) -> Result<()> {
    let actor = format!("guest:{guest}");
    record(tx, AuditEvent { studio, actor: &actor, action, target: guest, detail }).await
}
