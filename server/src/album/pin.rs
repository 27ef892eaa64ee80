//! PINs of albums: their form, and how often somebody may be wrong.
//!
//! Six digits or more: at the back-off's pace a million of them take decades to try. Knows nothing of what they open.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::account::{hash_secret, verify_password};
use crate::alert::Pattern;
use crate::error::{Failure, Kind, Result};
use crate::limits::{Patience, give_back, network};
use crate::state::App;

/// Digits of a PIN.
const LEAST: usize = 6;
const MOST: usize = 12;

/// One link from one network, which may be a venue's with all its guests: ten wrong PINs at once, then an hour; and
/// always one in six minutes.
const OF_NETWORK: Patience = Patience { free: 10, wait_s: 3600, wait_s_max: 3600, forget_s: 360 };
/// One album from everywhere, by all its links: whoever has many addresses gains nothing, and guests who mistype are
/// not kept out for long. At best, 30 PINs are tried at once and one in 15 minutes ever after, so that all 10^6 PINs
/// of six digits take 28.5 years, and half of them 14.
const OF_ALBUM: Patience = Patience { free: 30, wait_s: 5, wait_s_max: 900, forget_s: 1800 };

/// The hash of a new PIN. Errors: `Invalid` for what is none.
pub async fn hash(what: &str, pin: &Zeroizing<String>) -> Result<String> {
    let digits = pin.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(LEAST..=MOST).contains(&pin.len()) {
        return Err(Failure::invalid(format!("{what}: expected {LEAST} to {MOST} digits.")));
    }
    hash_secret(pin.clone()).await
}

/// What a PIN is tried at.
pub struct Door<'a> {
    pub link: &'a str,
    pub album: &'a str,
    pub studio: &'a str,
    pub from: IpAddr,
}

/// Lets a right PIN pass. Errors: `WrongCredentials`; `TooMany` after too many wrong ones.
pub async fn check(app: &App, door: Door<'_>, pin: Zeroizing<String>, hash: String) -> Result<()> {
    let subjects =
        [format!("pin:{}:{}", door.link, network(door.from)), format!("album:{}", door.album)];
    let notice = || app.alerts().saw(Pattern::AccountGuessing, &subjects[1], door.studio);
    let (mut tx, mut counted) = (app.db().write().await?, Vec::new());
    for (subject, patience) in subjects.iter().zip([OF_NETWORK, OF_ALBUM]) {
        let one = patience.count(&mut tx, subject).await;
        counted.push(one.inspect_err(|_| notice())?);
    }
    tx.commit().await?;
    // People write digits in groups.
    let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
    if !verify_password(pin, Some(hash)).await? {
        notice();
        return Err(Failure::new(Kind::WrongCredentials, "The PIN is wrong."));
    }
    let mut tx = app.db().write().await?;
    for one in counted {
        give_back(&mut tx, one).await?;
    }
    tx.commit().await?;
    Ok(())
}
