//! Quotas of registrations: each stores a consent and an audit entry, which outlive the guest.

use std::net::IpAddr;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::db::Tx;
use crate::infra::db::limits::{self, LimitKind};
use crate::infra::ids::token_hash;
use crate::infra::rate_limit::{Quota, network};

/// Quota of registrations per guest link: 2,000, then one per 2 s. A link hangs at one event.
const LINK_QUOTA: Quota = Quota { capacity: 2000, refill_s: 2 };
/// Quota of registrations per network: 1,000, then one per 3 s. All guests of a venue may share a network.
const NETWORK_QUOTA: Quota = Quota { capacity: 1000, refill_s: 3 };

/// Counts a registration by the guest link with `token` from the address `from`.
///
/// # Errors
/// - `TooManyRequests` if the link or the network has none left, with the time to wait, or the studio has as many
///   guests as it may.
pub async fn take(app: &App, tx: &mut Tx, studio: &str, token: &str, from: IpAddr) -> Result<()> {
    let guests = limits::add(tx, studio, LimitKind::Guests, 0).await?;
    if !guests.allows(1, app.settings.quotas.guests_max) {
        let detail = "The studio has as many guests as its plan allows; ask the studio to contact the operator.";
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(3600));
    }
    let detail = "Too many guests have registered from this network; wait a moment and try again.";
    NETWORK_QUOTA.take(tx, &format!("registration_network:{}", network(from)), detail).await?;
    let detail = "Too many guests have registered by this link; wait a moment and try again.";
    LINK_QUOTA.take(tx, &format!("registration_link:{}", token_hash(token)), detail).await
}
