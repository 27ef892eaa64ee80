//! Events: each owns folders, photos and one sealed face collection, and has an end date, when it is purged.
//!
//! An event that is being deleted is hidden from all callers at once. Its removal resumes after a crash
//! (`api/erasure/event.rs`).

pub mod routes;

use picpick_engine::RetentionPolicy;

use crate::error::{ApiError, Result};
use crate::infra::db::{Tx, events};

/// Checks that `event` belongs to `studio` and is not being deleted.
///
/// # Errors
/// - `Invalid` if it does not.
pub async fn check_in_studio(tx: &mut Tx, event: &str, studio: &str) -> Result<()> {
    match events::is_of_studio(tx, event, studio).await? {
        true => Ok(()),
        false => Err(ApiError::invalid("event: expected an event of this studio.")),
    }
}

/// Returns the retention policy of an event's faces: purpose, legal basis and end, in seconds since the Unix
/// epoch.
pub fn retention(purpose: &str, legal_basis: &str, ends_unix_s: i64) -> RetentionPolicy {
    RetentionPolicy {
        purpose: purpose.to_owned(),
        legal_basis: legal_basis.to_owned(),
        ends_unix_s: u64::try_from(ends_unix_s).ok(),
    }
}
