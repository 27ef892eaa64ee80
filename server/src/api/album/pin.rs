use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::alerts::Pattern;
use crate::infra::rate_limit::{LockoutPolicy, network, refund};

/// Minimum number of digits of a PIN.
const LENGTH_MIN: usize = 6;
/// Maximum number of digits of a PIN.
const LENGTH_MAX: usize = 12;

/// Lockout per link and network, which may be a venue's with all its guests: after 10 wrong PINs, attempts
/// are refused for an hour. Wrong PINs are forgotten one by one, every 6 minutes; the long-term rate is one
/// attempt per 6 minutes.
const NETWORK_LOCKOUT: LockoutPolicy =
    LockoutPolicy { free_attempts: 10, delay_s: 3600, delay_s_max: 3600, decay_s: 360 };
/// Lockout per album, over all its links and all networks, so that many addresses give an attacker no
/// advantage. The delay starts at 5 s and is at most 15 minutes, so that guests who mistype are not locked
/// out for long. An attacker tries 30 PINs at once and then one per 15 minutes: all 10^6 PINs of six digits
/// take 28.5 years, half of them 14.
const ALBUM_LOCKOUT: LockoutPolicy =
    LockoutPolicy { free_attempts: 30, delay_s: 5, delay_s_max: 900, decay_s: 1800 };

/// Returns the hash of a new PIN. `what` is the request's field, for the error text.
///
/// # Errors
/// - `Invalid` if the PIN is not 6 to 12 digits.
pub async fn hash(app: &App, what: &str, pin: &Zeroizing<String>) -> Result<String> {
    let digits = pin.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(LENGTH_MIN..=LENGTH_MAX).contains(&pin.len()) {
        return Err(ApiError::invalid(format!(
            "{what}: expected {LENGTH_MIN} to {LENGTH_MAX} digits."
        )));
    }
    app.secret_hasher.hash_secret(pin.clone()).await
}

/// The scope of a PIN attempt: the link, album and studio, and the client's address.
pub struct PinScope<'a> {
    pub link: &'a str,
    pub album: &'a str,
    pub studio: &'a str,
    pub from: IpAddr,
}

/// Checks a PIN. The attempt is counted before the PIN is compared, so that concurrent attempts are all
/// counted; the attempt is refunded if the PIN is right.
///
/// # Errors
/// - `WrongCredentials` if the PIN is wrong.
/// - `TooManyRequests`, with the time to wait, after too many wrong PINs.
pub async fn check(
    app: &App,
    door: PinScope<'_>,
    pin: Zeroizing<String>,
    hash: String,
) -> Result<()> {
    let subjects =
        [format!("pin:{}:{}", door.link, network(door.from)), format!("album:{}", door.album)];
    let notice = || app.alerts.record(Pattern::AccountGuessing, &subjects[1], door.studio);
    let (mut tx, mut counted) = (app.db.write().await?, Vec::new());
    for (subject, patience) in subjects.iter().zip([NETWORK_LOCKOUT, ALBUM_LOCKOUT]) {
        let one = patience.count(&mut tx, subject).await;
        counted.push(one.inspect_err(|_| notice())?);
    }
    tx.commit().await?;
    // Visitors may type the digits in groups, as in `123 456`.
    let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
    if !app.secret_hasher.verify(pin, Some(hash)).await? {
        notice();
        return Err(ApiError::new(ErrorKind::WrongCredentials, "The PIN is wrong."));
    }
    let mut tx = app.db.write().await?;
    for one in counted {
        refund(&mut tx, one).await?;
    }
    tx.commit().await?;
    Ok(())
}
