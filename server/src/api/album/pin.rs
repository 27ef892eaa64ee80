use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::rate_limit::{LockoutPolicy, network, refund};

/// Minimum number of digits of a PIN.
const LENGTH_MIN: usize = 6;
/// Maximum number of digits of a PIN.
const LENGTH_MAX: usize = 12;

/// Lockout per link and network: after 10 wrong PINs, attempts are refused for an hour. All guests of a venue
/// may share a network. One wrong PIN expires every 6 minutes, so the long-term rate is one attempt per 6
/// minutes.
const NETWORK_LOCKOUT: LockoutPolicy =
    LockoutPolicy { free_attempts: 10, delay_s: 3600, delay_s_max: 3600, decay_s: 360 };
/// Lockout per album, over all its links and all networks, so that many addresses give an attacker no
/// advantage. After 30 wrong PINs the delay is 5 s. The delay doubles with each further wrong PIN, up to 15
/// minutes, so that visitors who mistype do not wait for longer. An attacker who continues gets one attempt
/// per 15 minutes: all 10^6 PINs of six digits take 28.5 years, half of them 14 years.
const ALBUM_LOCKOUT: LockoutPolicy =
    LockoutPolicy { free_attempts: 30, delay_s: 5, delay_s_max: 900, decay_s: 1800 };

/// Returns the hash of a new PIN. `what` is the name of the request's field, for the error text.
///
/// # Errors
/// - `Invalid` if the PIN is not 6 to 12 digits.
/// - `Busy` if too many secrets are being hashed.
pub async fn hash(app: &App, what: &str, pin: &Zeroizing<String>) -> Result<String> {
    let digits = pin.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(LENGTH_MIN..=LENGTH_MAX).contains(&pin.len()) {
        return Err(ApiError::invalid(format!(
            "{what}: expected {LENGTH_MIN} to {LENGTH_MAX} digits."
        )));
    }
    app.secret_hasher.hash_secret(pin.clone()).await
}

/// The scope of a PIN attempt: the link, the album, the studio and the client's address.
pub struct PinScope<'a> {
    pub link: &'a str,
    pub album: &'a str,
    pub studio: &'a str,
    pub from: IpAddr,
}

/// Checks a PIN. An attempt is counted before the PIN is compared, so that concurrent attempts are all
/// counted. An attempt with the right PIN is refunded.
///
/// # Errors
/// - `WrongCredentials` if the PIN is wrong.
/// - `TooManyRequests`, with the time to wait, during a lockout.
/// - `Busy` if too many secrets are being hashed.
pub async fn check(
    app: &App,
    scope: PinScope<'_>,
    pin: Zeroizing<String>,
    hash: String,
) -> Result<()> {
    let subjects =
        [format!("pin:{}:{}", scope.link, network(scope.from)), format!("album:{}", scope.album)];
    let notice = || app.alerts.record(Pattern::AccountGuessing, &subjects[1], scope.studio);
    let (mut tx, mut counted) = (app.db.write().await?, Vec::new());
    for (subject, policy) in subjects.iter().zip([NETWORK_LOCKOUT, ALBUM_LOCKOUT]) {
        let one = policy.count(&mut tx, subject).await;
        counted.push(one.inspect_err(|_| notice())?);
    }
    tx.commit().await?;
    // White space is removed, because visitors may type the digits in groups, as in `123 456`.
    let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
    if !app.secret_hasher.verify(pin, Some(hash)).await? {
        notice();
        let mut tx = app.db.write().await?;
        let PinScope { album, studio, .. } = scope;
        let deed = AuditEvent {
            studio,
            actor: "unknown",
            action: "album_pin_failed",
            target: album,
            detail: "",
        };
        audit_log::count(&mut tx, deed).await?;
        tx.commit().await?;
        return Err(ApiError::new(
            ErrorKind::WrongCredentials,
            "The PIN is wrong; enter it again.",
        ));
    }
    let mut tx = app.db.write().await?;
    for one in counted {
        refund(&mut tx, one).await?;
    }
    tx.commit().await?;
    Ok(())
}
