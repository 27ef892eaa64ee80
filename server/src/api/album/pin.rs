use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::{DeviceCookie, ProvingClient};
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::password_hasher::HashClass;
use crate::infra::rate_limit::{Guess, GuessableSecret, Guesser, attempt};

/// Minimum number of digits of a PIN.
const LENGTH_MIN: usize = 6;
/// Maximum number of digits of a PIN.
const LENGTH_MAX: usize = 12;

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
    app.secret_hasher.hash_secret(HashClass::Other, pin.clone()).await
}

/// A PIN of an album, and the client that enters it.
pub struct PinScope<'a> {
    pub album: &'a str,
    pub studio: &'a str,
    /// The stored hash of the PIN.
    pub hash: &'a str,
    pub client: &'a ProvingClient,
}

/// Checks a PIN. Returns the `Set-Cookie` value by which the browser is known at its next attempt.
///
/// # Errors
/// - `WrongCredentials` if the PIN is wrong.
/// - `TooManyRequests`, with the time to wait, after too many wrong PINs.
/// - `Busy` if too many PINs are being hashed.
pub async fn check(app: &App, scope: PinScope<'_>, pin: Zeroizing<String>) -> Result<String> {
    let PinScope { album, studio, hash, client } = scope;
    let secret = GuessableSecret::AlbumPin;
    let device = DeviceCookie { app, secret, subject: album, credential: hash, client };
    let known = device.find();
    let outcome = attempt(&app.db, device.guess(known.as_deref()), async |counted| {
        // Visitors may type the digits in groups, as in `123 456`.
        let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
        let right = app
            .secret_hasher
            .verify(HashClass::PinEntry, &counted, pin, Some(hash.to_owned()))
            .await?;
        Ok(right.then_some(()))
    })
    .await;
    if !matches!(outcome, Ok(Some(()))) {
        app.alerts.record(Pattern::AccountGuessing, &format!("album:{album}"), studio);
    }
    match outcome? {
        Some(()) => device.set(known),
        None => {
            let mut tx = app.db.write().await?;
            let deed = AuditEvent {
                studio,
                actor: "unknown",
                action: "album_pin_failed",
                target: album,
                detail: "",
            };
            audit_log::count(&mut tx, deed).await?;
            tx.commit().await?;
            let detail = "The PIN is wrong; check it and try again.";
            Err(ApiError::new(ErrorKind::WrongCredentials, detail))
        }
    }
}

/// Returns whether `pin` is the PIN with this hash. Counts as an attempt of `guesser` at the album's PIN.
///
/// # Errors
/// - `TooManyRequests`, with the time to wait, after too many wrong PINs.
/// - `Busy` if too many PINs are being hashed.
pub async fn is_pin(
    app: &App,
    album: &str,
    guesser: Guesser<'_>,
    pin: &Zeroizing<String>,
    hash: &str,
) -> Result<bool> {
    let guess = Guess { secret: GuessableSecret::AlbumPin, subject: album, guesser };
    let outcome = attempt(&app.db, guess, async |counted| {
        let hash = Some(hash.to_owned());
        let right = app.secret_hasher.verify(HashClass::Other, &counted, pin.clone(), hash).await?;
        Ok(right.then_some(()))
    });
    Ok(outcome.await?.is_some())
}
