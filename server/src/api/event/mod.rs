//! Events. An event owns folders, photos and one sealed face collection, and is purged at its end date.
//!
//! The deletion of an event hides it from all callers at once. The removal resumes after a crash
//! (`api/erasure/event.rs`).

pub mod analysis_time;
pub mod change;
pub mod guest_proof;
pub mod routes;
pub mod terms;

use picpick_engine::RetentionPolicy;

use crate::error::{ApiError, Result};
use crate::infra::db::{Tx, events};

/// Checks that `event` belongs to `studio` and is not being deleted.
///
/// # Errors
/// - `Invalid` if `event` belongs to another studio or is being deleted.
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
