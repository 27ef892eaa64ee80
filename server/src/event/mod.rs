//! Events: each owns folders, photos and one sealed face collection, and ends on a day that is set.
//!
//! An event that is being deleted is not there for anybody from the first moment; what has to be removed for
//! it outlives a crash (`remove.rs`). Knows nothing of how photos come in or faces are found.

pub mod export;
pub mod folders;
mod remove;
pub mod routes;

use picpick_engine::Keep;

pub use remove::resume_removals;

use crate::db::Tx;
use crate::error::{Failure, Result};

/// Refuses an event that is not of `studio`.
pub async fn in_studio(tx: &mut Tx, event: &str, studio: &str) -> Result<()> {
    let row = sqlx::query(
        "SELECT id FROM events WHERE id = $1 AND studio_id = $2 AND deleting_unix_s IS NULL",
    )
    .bind(event)
    .bind(studio)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(drop).ok_or_else(|| Failure::invalid("event: expected an event of this studio."))
}

/// What the engine is told of why and until when faces are kept.
pub fn keep(purpose: &str, legal_basis: &str, ends_unix_s: i64) -> Keep {
    Keep {
        purpose: purpose.to_owned(),
        legal_basis: legal_basis.to_owned(),
        ends_unix_s: u64::try_from(ends_unix_s).ok(),
    }
}
