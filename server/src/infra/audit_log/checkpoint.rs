use std::time::Duration;

use picpick_engine::audit::AuditCheckpoint;
use sqlx::Row as _;

use super::counted::record_due;
use super::verify::{ChainReport, Expectation, verify_from};
use crate::error::{ApiError, Result};
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::face_engine::FaceEngine;

/// Interval at which the log is looked at, 2 s. An attacker who cuts the log within it, and within
/// [`ENTRIES_MAX`] entries, leaves no trace here.
const EVERY: Duration = Duration::from_secs(2);
/// Maximum number of entries without a checkpoint, 32, as far as they come slower than 32 in [`EVERY`].
const ENTRIES_MAX: u64 = 32;
/// Maximum age of an entry without a checkpoint, seconds (10 minutes).
const AGE_MAX_S: u64 = 600;

/// Returns the checkpoint that follows `old` for a chain that was found intact.
pub fn successor(old: Option<&AuditCheckpoint>, report: &ChainReport) -> AuditCheckpoint {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let first = report.keyed_from.unwrap_or(report.entries + 1);
    AuditCheckpoint {
        number: unsigned(report.entries),
        hash: report.head.clone(),
        keyed_from: old.map_or(unsigned(first), |old| old.keyed_from),
        at_unix_s: unsigned(now_s()),
    }
}

/// Verifies the entries since the last checkpoint and writes a new checkpoint. Returns the number of its entry.
/// Without a checkpoint, verifies all entries. Entries of other keys are accepted, because this server
/// cannot know the other servers; `picpick audit verify` asks for their keys.
///
/// # Errors
/// - `Internal` if the log does not continue from its checkpoint. The checkpoint then stays as it is.
/// - The database's or the keyring's error if one of them cannot be read or written.
pub async fn advance(db: &Db, face_engine: &FaceEngine) -> Result<u64> {
    let key = db.audit_key().ok_or_else(|| ApiError::internal("there is no audit key"))?;
    let old = face_engine.run(FaceEngine::audit_checkpoint).await?;
    let checkpoint = old.clone();
    let expected = Expectation { key, checkpoint, other_keys: None, kept_head: None };
    let report = verify_from(db, &expected, old.as_ref()).await?;
    if let (Some(number), Some(fault)) = (report.broken_at, report.fault) {
        return Err(ApiError::internal(format!(
            "the audit log was tampered with, damaged or restored at entry {number} ({fault:?}); run \
             'picpick audit verify'"
        )));
    }
    let new = successor(old.as_ref(), &report);
    let (number, hash) = (new.number, new.hash.clone());
    if old.as_ref().is_some_and(|old| old.number == number) {
        return Ok(number);
    }
    if face_engine.run(move |faces| faces.replace_audit_checkpoint(old.as_ref(), new)).await? {
        // In the log, so that a copy of the log elsewhere also keeps the head.
        tracing::info!(number, hash, "audit checkpoint");
    }
    Ok(number)
}

/// Writes checkpoints while entries are added, and the entries of counted actions that are due, until the service
/// stops. A failure is logged once, and retried.
pub async fn run_checkpoints(db: &Db, face_engine: &FaceEngine) {
    let (mut seen, mut since, mut failed) = (0, now_s(), false);
    loop {
        if let Err(failure) = record_due(db).await {
            tracing::error!(reason = failure.reason(), "counted audit entries failed");
        }
        let due = match head_number(db).await {
            Ok(number) if number == seen => {
                since = now_s();
                false
            }
            Ok(number) => {
                let age = u64::try_from(now_s() - since).unwrap_or(AGE_MAX_S);
                number < seen || number - seen >= ENTRIES_MAX || age >= AGE_MAX_S
            }
            Err(_) => false,
        };
        if due {
            match advance(db, face_engine).await {
                Ok(number) => (seen, since, failed) = (number, now_s(), false),
                Err(failure) if !failed => {
                    failed = true;
                    tracing::error!(reason = failure.reason(), "audit checkpoint failed");
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn head_number(db: &Db) -> Result<u64> {
    let row = sqlx::query("SELECT number FROM audit_head").fetch_one(db.read()).await?;
    Ok(u64::try_from(row.try_get::<i64, _>("number")?).unwrap_or(0))
}
