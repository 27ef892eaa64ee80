//! Who did what to what, and when: entries in a chain of hashes, so that none is changed or left out unseen.
//!
//! An entry is written in the transaction of the deed. Entries name ids and never hold contact data,
//! tokens or anything of a face. Knows nothing of the deeds.

pub mod routes;

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::access::Grant;
use crate::clock::now_s;
use crate::db::{Db, Tx};
use crate::error::Result;
use crate::ids::sha256;

/// What is to be noted.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// Empty for what concerns no studio.
    pub studio: &'a str,
    pub actor: &'a str,
    pub action: &'static str,
    pub target: &'a str,
    pub detail: &'a str,
}

/// An entry.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Entry {
    pub number: i64,
    pub at_unix_s: i64,
    pub studio: String,
    /// `user:ID`, `key:ID` or `system`.
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    /// SHA-256 over the entry before and this one, hexadecimal.
    pub hash: String,
}

impl Entry {
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

    /// The hash that the entry must have after one with hash `before`.
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

/// Adds an entry; durable together with the deed.
pub async fn note(tx: &mut Tx, deed: Deed<'_>) -> Result<()> {
    // The head is changed first: this waits for whoever else is adding, on both databases.
    let head = sqlx::query("UPDATE audit_head SET number = number + 1 RETURNING number, hash")
        .fetch_one(&mut **tx)
        .await?;
    let before: String = head.try_get("hash")?;
    let mut entry = Entry {
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

/// Notes what the holder of a grant did in its studio.
pub async fn note_by(
    tx: &mut Tx,
    grant: &Grant,
    action: &'static str,
    target: &str,
    detail: &str,
) -> Result<()> {
    let actor = grant.caller.name();
    note(tx, Deed { studio: &grant.studio, actor: &actor, action, target, detail }).await
}

/// What checking the chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub entries: i64,
    /// The last entry's hash: whoever keeps it elsewhere can tell later that nothing was cut off.
    pub head: String,
    /// The first entry that is not what it was, or is missing.
    pub broken_at: Option<i64>,
}

/// Checks every entry's hash, their numbers, and the head.
pub async fn verify(db: &Db) -> Result<Verdict> {
    const PAGE: i64 = 1000;
    let mut verdict = Verdict { entries: 0, head: String::new(), broken_at: None };
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
            let entry = Entry::read(row)?;
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
