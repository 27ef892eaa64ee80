use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result, WorkChallenge};
use crate::http::auth::known_device::{DeviceCookie, ProvingClient};
use crate::infra::alerts::Pattern;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::password_hasher::HashClass;
use crate::infra::rate_limit::proof_of_work::{self, CheckedWork};
use crate::infra::rate_limit::{
    AlbumVisit, Guess, GuessableSecret, Guesser, WorkSolution, attempt, network, required_work,
};

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
    pub link: &'a str,
    pub studio: &'a str,
    /// The stored hash of the PIN.
    pub hash: &'a str,
    pub client: &'a ProvingClient,
    /// The id of the browser's visit, or of its album session; `None` if the client keeps no cookie.
    pub visit: Option<&'a str>,
}

/// A PIN as a client enters it.
pub struct PinEntry {
    pub pin: Zeroizing<String>,
    /// The proof of work, if the client was asked for one.
    pub work: Option<WorkSolution>,
}

impl<'a> PinScope<'a> {
    fn device(&self, app: &'a App) -> DeviceCookie<'a> {
        let secret = GuessableSecret::AlbumPin;
        DeviceCookie {
            app,
            secret,
            subject: self.album,
            credential: self.hash,
            client: self.client,
        }
    }

    /// Returns an attempt of this client, known under the id `known`, with a proof of work.
    fn guess<'b>(&'b self, known: Option<&'b str>, work: Option<&'b CheckedWork>) -> Guess<'b> {
        let PinScope { album, link, client, visit, .. } = *self;
        let visit = AlbumVisit { from: client.from, link, id: visit, work };
        let guesser = known.map_or(Guesser::Visit(visit), Guesser::Known);
        Guess { secret: GuessableSecret::AlbumPin, subject: album, guesser }
    }

    /// Returns the scope of the client's challenges: the album, and the visit or, without a cookie, the network.
    fn work_scope(&self) -> String {
        let network = || format!("network {}", network(self.client.from));
        format!("{} {}", self.album, self.visit.map_or_else(network, str::to_owned))
    }

    /// Returns the challenge that the client must solve before its next attempt; `None` if the attempt requires no
    /// work.
    ///
    /// # Errors
    /// - `Internal` if the database or the random number generator fails.
    pub async fn challenge(&self, app: &App) -> Result<Option<WorkChallenge>> {
        let known = self.device(app).find();
        let bits = required_work(&app.db, self.guess(known.as_deref(), None)).await?;
        (bits > 0).then(|| proof_of_work::issue(&app.vault, &self.work_scope(), bits)).transpose()
    }
}

/// Checks a PIN. Returns the `Set-Cookie` value by which the browser is known at its next attempt.
///
/// # Errors
/// - `WrongCredentials` if the PIN is wrong.
/// - `TooManyRequests`, with the time to wait, after too many wrong PINs.
/// - `ProofOfWorkRequired`, with a challenge, after many wrong PINs.
/// - `Busy` if too many PINs are being hashed.
pub async fn check(app: &App, scope: PinScope<'_>, entry: PinEntry) -> Result<String> {
    let PinScope { album, studio, hash, .. } = scope;
    let PinEntry { pin, work } = entry;
    let device = scope.device(app);
    let known = device.find();
    let work = match &work {
        Some(given) => proof_of_work::check(&app.vault, &scope.work_scope(), given)?,
        None => None,
    };
    let outcome = attempt(&app.db, scope.guess(known.as_deref(), work.as_ref()), async |counted| {
        // Visitors may type the digits in groups, as in `123 456`.
        let pin = Zeroizing::new(pin.chars().filter(|c| !c.is_whitespace()).take(100).collect());
        let right = app
            .secret_hasher
            .verify(HashClass::PinEntry, &counted, pin, Some(hash.to_owned()))
            .await?;
        Ok(right.then_some(()))
    })
    .await;
    if let Err(failure) = &outcome
        && failure.kind == ErrorKind::ProofOfWorkRequired
    {
        let challenge = scope.challenge(app).await?.map(Box::new);
        return Err(ApiError { challenge, ..failure.clone() });
    }
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
