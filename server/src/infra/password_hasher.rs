use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::admission::run_blocking;
use crate::infra::rate_limit::{CountedAttempt, GuessableSecret};

/// Limits the Argon2 computations that run at the same time: 4, with 19 MiB of memory each, so that sign-ins
/// cannot exhaust memory.
const RUNNING_MAX: usize = 4;
/// Limits the Argon2 computations of one class that run at the same time: 2, so that no class takes all of
/// `RUNNING_MAX`.
const CLASS_RUNNING_MAX: usize = 2;
/// Limits the Argon2 requests of one class that run or wait: 64. Further requests of the class get `Busy`.
const PENDING_MAX: usize = 64;

/// Least length of a password, in characters.
const LENGTH_MIN: usize = 10;
/// Greatest length of a password, in characters.
const LENGTH_MAX: usize = 200;

/// Separators of the words of a name or an e-mail address.
const SEPARATORS: [char; 3] = ['@', '.', ' '];

/// Checks a new password: its length, and that it is not easily guessed. `personal` are words that an attacker
/// knows of the user, such as name and e-mail address.
///
/// # Errors
/// - `Invalid` if the password has fewer than 10 or more than 200 characters, or is common: an attacker who
///   begins with common passwords and patterns needs fewer than 10^6 attempts (zxcvbn, Wheeler 2016, score 2).
pub fn check_password(password: &str, personal: &[&str]) -> Result<()> {
    let count = password.chars().count();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&count) {
        return Err(ApiError::invalid(format!(
            "password: expected {LENGTH_MIN} to {LENGTH_MAX} characters, received {count}."
        )));
    }
    // The estimator compares whole words, so names are given also word by word and written as one word.
    let words = personal.iter().flat_map(|text| text.split(SEPARATORS));
    let joined: Vec<String> =
        personal.iter().map(|text| text.split(SEPARATORS).collect()).collect();
    let joined = joined.iter().map(String::as_str);
    let inputs: Vec<&str> =
        words.chain(joined).chain(personal.iter().copied()).chain(["picpick"]).collect();
    if zxcvbn(password, &inputs).score() < Score::Two {
        return Err(ApiError::invalid(
            "password: this password is common or easily guessed; use several uncommon words, or a password manager.",
        ));
    }
    Ok(())
}

/// The purpose of a hash. Each class has places of its own, so that a flood of requests of one class delays the
/// others by at most `RUNNING_MAX` hashes and never makes them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashClass {
    /// A password at sign-in.
    SignIn,
    /// The password of a signed-in user, current or new.
    Reauthentication,
    /// The password of a new account: by an invitation or by the setup link.
    Invitation,
    /// A new password by a reset link.
    Reset,
    /// A PIN of an album that a visitor enters.
    PinEntry,
    /// A new PIN of an album, codes of groups and of contacts.
    Other,
}

impl HashClass {
    const COUNT: usize = 6;

    /// Returns the class of an attempt at a secret.
    pub fn of(secret: GuessableSecret) -> Self {
        match secret {
            GuessableSecret::SignIn => Self::SignIn,
            GuessableSecret::Reauthentication => Self::Reauthentication,
            GuessableSecret::AlbumPin => Self::PinEntry,
            GuessableSecret::GroupCode | GuessableSecret::ContactCode => Self::Other,
        }
    }
}

/// The hasher of passwords and other secrets, shared by all requests, with its limits.
///
/// Lock order: `pending` of the class, `running` of the class, `running` of all. The last one serves the
/// classes in the order of their arrival, and each class has at most `CLASS_RUNNING_MAX` requests in it.
pub struct SecretHasher {
    running: Semaphore,
    classes: [ClassPlaces; HashClass::COUNT],
}

/// The places of one class.
struct ClassPlaces {
    running: Semaphore,
    pending: Semaphore,
}

impl Default for SecretHasher {
    fn default() -> Self {
        let places = |_| ClassPlaces {
            running: Semaphore::new(CLASS_RUNNING_MAX),
            pending: Semaphore::new(PENDING_MAX),
        };
        Self { running: Semaphore::new(RUNNING_MAX), classes: std::array::from_fn(places) }
    }
}

impl SecretHasher {
    /// Hashes a new password and returns the hash as a PHC string.
    ///
    /// # Errors
    /// - The errors of [`check_password`].
    /// - `Busy` if 64 hashes of the class run or wait already.
    pub async fn hash(
        &self,
        class: HashClass,
        password: Zeroizing<String>,
        personal: &[&str],
    ) -> Result<String> {
        check_password(&password, personal)?;
        self.hash_secret(class, password).await
    }

    /// Hashes a secret whose format the caller has checked. Uses Argon2id with the first parameters in OWASP's
    /// Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane; about 30 ms per hash.
    ///
    /// # Errors
    /// - `Busy` if 64 hashes of the class run or wait already.
    pub async fn hash_secret(&self, class: HashClass, secret: Zeroizing<String>) -> Result<String> {
        self.run(class, move || {
            let hash = Argon2::default().hash_password(secret.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(ApiError::internal)
        })
        .await
    }

    /// Returns whether `password` matches `hash`. If `hash` is `None`, verifies a dummy hash and returns
    /// `false`, so that the response time does not disclose whether an account exists.
    ///
    /// # Errors
    /// - `Busy` if 64 hashes of the class run or wait already.
    pub async fn verify(
        &self,
        class: HashClass,
        _counted: &CountedAttempt,
        password: Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool> {
        /// A dummy hash whose password is unknown.
        const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
        9TPv/7lfWLwFUMpTcPxA3VJ4sWZjHcXGlGLzZXA0n0k";
        self.run(class, move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            let parsed = PasswordHash::new(&text).map_err(ApiError::internal)?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await
    }

    /// Runs `work` on a blocking thread, within the places of its class.
    async fn run<T: Send + 'static>(
        &self,
        class: HashClass,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let busy = || {
            ApiError::new(
                ErrorKind::Busy,
                "Too many passwords or PINs are being checked; try again in 2 seconds.",
            )
            .retry_after(2)
        };
        let places = self.classes.get(class as usize).ok_or_else(busy)?;
        let _waiting = places.pending.try_acquire().map_err(|_| busy())?;
        let _turn = places.running.acquire().await.map_err(|_| busy())?;
        let _permit = self.running.acquire().await.map_err(|_| busy())?;
        run_blocking(work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGN_IN: HashClass = HashClass::SignIn;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_opens_with_itself_only() {
        let hasher = SecretHasher::default();
        let counted = CountedAttempt::for_test();
        let hash_of = hasher.hash(SIGN_IN, secret("correct pony"), &[]).await.unwrap();
        assert!(hash_of.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash_of}");
        let right = |text, hash| hasher.verify(SIGN_IN, &counted, secret(text), hash);
        assert!(right("correct pony", Some(hash_of.clone())).await.unwrap());
        assert!(!right("correct Pony", Some(hash_of)).await.unwrap());
        assert!(!right("correct pony", None).await.unwrap());
        assert!(hasher.hash(SIGN_IN, secret("too short"), &[]).await.is_err());
        assert!(hasher.hash(SIGN_IN, secret(&"x".repeat(201)), &[]).await.is_err());
    }

    /// Whichever class is flooded, a request of another class is served, and the flood's excess gets `Busy`.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_one_class_refuses_no_other() {
        let classes = [SIGN_IN, HashClass::Invitation, HashClass::PinEntry];
        for flooded in classes {
            let hasher = std::sync::Arc::new(SecretHasher::default());
            let (hold, held) = std::sync::mpsc::channel::<()>();
            let held = std::sync::Arc::new(parking_lot::Mutex::new(held));
            let flood: Vec<_> = (0..PENDING_MAX)
                .map(|_| {
                    let (hasher, held) = (hasher.clone(), held.clone());
                    tokio::spawn(async move {
                        let wait = move || Ok(held.lock().recv().is_err());
                        hasher.run(flooded, wait).await
                    })
                })
                .collect();
            while hasher.classes[flooded as usize].pending.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            for class in classes {
                let served = hasher.run(class, || Ok(())).await;
                let expected = if class == flooded { Err(ErrorKind::Busy) } else { Ok(()) };
                assert_eq!(served.map_err(|failure| failure.kind), expected, "{class:?}");
            }
            drop(hold);
            for waiting in flood {
                assert!(waiting.await.unwrap().is_ok());
            }
        }
    }

    #[test]
    fn common_passwords_are_refused_however_they_are_dressed() {
        let personal = ["asha.patel@studio.example", "Asha Patel", "First Light"];
        for common in [
            "1234567890",
            "passwordpassword",
            "P@ssw0rd123",
            "qwertyuiop123",
            "aaaaaaaaaaaaaaaa",
            "iloveyou1234",
            "asha.patel@studio.example",
            "AshaPatel1",
            "firstlight2026",
            "picpickpicpick",
        ] {
            let refused = check_password(common, &personal).unwrap_err();
            assert!(refused.detail.contains("common"), "{common}: {}", refused.detail);
        }
        for good in
            ["battery staple 17", "a horse of another colour", "kJ8#mQ2$vL", "गाय दूध देती है हर दिन"]
        {
            check_password(good, &personal).unwrap();
        }
    }
}
