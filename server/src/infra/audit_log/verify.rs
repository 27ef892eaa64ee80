use std::collections::BTreeMap;

use picpick_engine::audit::{AuditCheckpoint, ChainKey};
use serde::Serialize;
use sqlx::Row as _;

use super::{AuditEntry, authenticated};
use crate::error::Result;
use crate::infra::db::Db;

/// What a check of the chain compares the entries with.
pub struct Expectation<'a> {
    pub key: &'a ChainKey,
    /// The last signed checkpoint. It must have been read before the check begins, because the chain may grow
    /// meanwhile.
    pub checkpoint: Option<AuditCheckpoint>,
    /// Ids of the keys of other servers on this database, whose codes can be verified only there; `None` accepts
    /// every other key.
    pub other_keys: Option<&'a [String]>,
    /// A hash that the operator keeps outside this machine.
    pub kept_head: Option<&'a str>,
}

/// The reason why the log is not intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainFault {
    /// An entry was changed, removed or inserted.
    Entry,
    /// An entry has no authentication code, although the log had a key when the entry was written.
    NoKey,
    /// An entry has an authentication code of a key that is neither this keyring's nor a named server's.
    OtherKey,
    /// The log's end is not where the database's own head is.
    Head,
    /// The keyring's checkpoint names an entry that the log lacks, or has with another hash: entries were removed
    /// from the end, the log was rewritten, or the database is an older copy.
    Checkpoint,
    /// No entry has the hash that the operator kept.
    KeptHead,
}

/// The result of a check of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Number of intact entries.
    pub entries: i64,
    /// The hash of the last intact entry, empty without one.
    pub head: String,
    /// The number of the first changed or missing entry.
    pub broken_at: Option<i64>,
    pub fault: Option<ChainFault>,
    /// Number of the entry that the keyring's checkpoint names.
    pub checkpoint: Option<u64>,
    /// Number of the entry with the hash that the operator kept.
    pub kept_head_at: Option<i64>,
    /// Number of entries of each other server's key, whose codes were not verified.
    pub other_keys: BTreeMap<String, i64>,
    /// Number of the first entry with an authentication code.
    #[serde(skip)]
    pub keyed_from: Option<i64>,
}

impl ChainReport {
    fn begin(expected: &Expectation<'_>, from: Option<&AuditCheckpoint>) -> Self {
        Self {
            entries: from.map_or(0, |at| i64::try_from(at.number).unwrap_or(i64::MAX)),
            head: from.map(|at| at.hash.clone()).unwrap_or_default(),
            broken_at: None,
            fault: None,
            checkpoint: expected.checkpoint.as_ref().map(|at| at.number),
            kept_head_at: None,
            other_keys: BTreeMap::new(),
            keyed_from: None,
        }
    }

    fn broken(mut self, number: i64, fault: ChainFault) -> Self {
        (self.broken_at, self.fault) = (Some(number), Some(fault));
        self
    }

    /// Adds the next entry, or returns the fault that it shows.
    fn add(
        &mut self,
        entry: AuditEntry,
        expected: &Expectation<'_>,
    ) -> std::result::Result<(), ChainFault> {
        if entry.number != self.entries + 1 || entry.hash != entry.expected(&self.head) {
            return Err(ChainFault::Entry);
        }
        let keyed_from = expected.checkpoint.as_ref().map(|at| at.keyed_from);
        let number = u64::try_from(entry.number).unwrap_or(0);
        match entry.key_id.as_str() {
            // An entry without a code, after one with a code or at a place that the checkpoint knows to have one.
            "" if self.keyed_from.is_some() || keyed_from.is_some_and(|from| number >= from) => {
                return Err(ChainFault::NoKey);
            }
            "" => {}
            own if own == expected.key.id() => {
                if !expected.key.verifies(&authenticated(&entry.hash), &entry.mac) {
                    return Err(ChainFault::Entry);
                }
                self.keyed_from.get_or_insert(entry.number);
            }
            other if expected.other_keys.is_none_or(|all| all.iter().any(|it| it == other)) => {
                *self.other_keys.entry(other.to_owned()).or_default() += 1;
                self.keyed_from.get_or_insert(entry.number);
            }
            _ => return Err(ChainFault::OtherKey),
        }
        if let Some(at) = &expected.checkpoint
            && at.number == number
            && at.hash != entry.hash
        {
            return Err(ChainFault::Checkpoint);
        }
        if expected.kept_head == Some(entry.hash.as_str()) {
            self.kept_head_at = Some(entry.number);
        }
        (self.entries, self.head) = (entry.number, entry.hash);
        Ok(())
    }
}

/// Verifies every entry: its number, its hash, its authentication code. Then compares the chain with the
/// database's head, the checkpoint and the kept hash. Stops at the first fault. May run while entries are added.
pub async fn verify(db: &Db, expected: &Expectation<'_>) -> Result<ChainReport> {
    let report = verify_from(db, expected, None).await?;
    let number = report.checkpoint.unwrap_or(0);
    if report.fault.is_some() {
        return Ok(report);
    }
    if number > u64::try_from(report.entries).unwrap_or(0) {
        let next = report.entries + 1;
        return Ok(report.broken(next, ChainFault::Checkpoint));
    }
    if expected.kept_head.is_some() && report.kept_head_at.is_none() {
        return Ok(ChainReport { fault: Some(ChainFault::KeptHead), ..report });
    }
    Ok(report)
}

/// Verifies the entries after the checkpoint `from`, whose entry must be in the log, or all entries.
pub(super) async fn verify_from(
    db: &Db,
    expected: &Expectation<'_>,
    from: Option<&AuditCheckpoint>,
) -> Result<ChainReport> {
    const PAGE: i64 = 1000;
    let mut report = ChainReport::begin(expected, from);
    if let Some(at) = from.filter(|at| at.number > 0) {
        let row = sqlx::query("SELECT hash FROM audit WHERE number = $1")
            .bind(report.entries)
            .fetch_optional(db.read())
            .await?;
        if row.map(|row| row.try_get::<String, _>("hash")).transpose()?.as_ref() != Some(&at.hash) {
            let number = report.entries;
            return Ok(report.broken(number, ChainFault::Checkpoint));
        }
    }
    loop {
        let rows = sqlx::query("SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(report.entries)
            .bind(PAGE)
            .fetch_all(db.read())
            .await?;
        for row in &rows {
            if let Err(fault) = report.add(AuditEntry::read(row)?, expected) {
                let number = report.entries + 1;
                return Ok(report.broken(number, fault));
            }
        }
        if !rows.is_empty() {
            continue;
        }
        let head = sqlx::query("SELECT number, hash FROM audit_head").fetch_optional(db.read());
        let head = head.await?.map(|row| -> sqlx::Result<(i64, String)> {
            Ok((row.try_get("number")?, row.try_get("hash")?))
        });
        match head.transpose()? {
            Some((number, hash)) if number == report.entries && hash == report.head => {
                return Ok(report);
            }
            // Entries were added since the last page, or the head names entries that are not there.
            Some((number, _)) if number > report.entries && has(db, report.entries + 1).await? => {}
            _ => {
                let number = report.entries + 1;
                return Ok(report.broken(number, ChainFault::Head));
            }
        }
    }
}

async fn has(db: &Db, number: i64) -> Result<bool> {
    let row = sqlx::query("SELECT number FROM audit WHERE number = $1").bind(number);
    Ok(row.fetch_optional(db.read()).await?.is_some())
}
