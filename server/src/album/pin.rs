//! PINs of albums: their form, and how often somebody may be wrong.
//!
//! Six digits or more: at the back-off's pace a million of them take decades to try. Knows nothing of what they open.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::account::{hash_secret, verify_password};
use crate::alert::Pattern;
use crate::error::{Failure, Kind, Result};
use crate::limits::{Patience, give_back};
use crate::state::App;

/// Digits of a PIN.
const LEAST: usize = 6;
const MOST: usize = 12;

/// One link from one address: ten wrong PINs, then an hour.
const OF_ADDRESS: Patience = Patience { free: 10, wait_s: 3600, wait_s_max: 3600, forget_s: 3600 };
/// One album from everywhere: whoever has many addresses gains little, and guests who mistype are not kept out
/// for long. At a try in 15 minutes a million PINs take 28 years.
const OF_ALBUM: Patience = Patience { free: 30, wait_s: 5, wait_s_max: 900, forget_s: 86_400 };

/// Subjects of single addresses begin so.
pub const SUBJECT: &str = "pin:";

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
        [format!("{SUBJECT}{}:{}", door.link, door.from), format!("album:{}", door.album)];
    let notice = || app.alerts().saw(Pattern::AccountGuessing, &subjects[1], door.studio);
    let mut tx = app.db().write().await?;
    for (subject, patience) in subjects.iter().zip([OF_ADDRESS, OF_ALBUM]) {
        if let Err(refused) = patience.count(&mut tx, subject).await {
            notice();
            return Err(refused);
        }
    }
    tx.commit().await?;
    // People write digits in groups.
    let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
    if !verify_password(pin, Some(hash)).await? {
        notice();
        return Err(Failure::new(Kind::WrongCredentials, "The PIN is wrong."));
    }
    let mut tx = app.db().write().await?;
    for subject in &subjects {
        give_back(&mut tx, subject).await?;
    }
    tx.commit().await?;
    Ok(())
}
