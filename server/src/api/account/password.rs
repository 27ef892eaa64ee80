use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::{ApiError, ErrorKind, Result};

/// Limits the Argon2 computations that run at the same time: 4, with 19 MiB of memory each, so that sign-ins
/// cannot exhaust memory.
static AT_ONCE: Semaphore = Semaphore::const_new(4);
/// Limits the Argon2 requests in progress, running and queued. Further requests get `Busy`.
const WAITING_MAX: usize = 64;
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// Least and greatest length of a password, in characters.
const LENGTH_MIN: usize = 10;
const LENGTH_MAX: usize = 200;

/// Hashes a new password and returns the hash as a PHC string.
///
/// # Errors
/// - `Invalid` if the password is too short or too long.
/// - `Busy` if too many hashes are in progress.
pub async fn hash(password: Zeroizing<String>) -> Result<String> {
    check_length(&password)?;
    hash_secret(password).await
}

/// Checks the length of a new password.
///
/// # Errors
/// - `Invalid` if it is too short or too long.
pub fn check_length(password: &str) -> Result<()> {
    let count = password.chars().count();
    if (LENGTH_MIN..=LENGTH_MAX).contains(&count) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "password: expected {LENGTH_MIN} to {LENGTH_MAX} characters, received {count}."
    )))
}

/// Hashes a secret whose format the caller has checked. Uses Argon2id with the first parameters in OWASP's
/// Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane; about 30 ms per hash.
///
/// # Errors
/// - `Busy` if too many hashes are in progress.
pub async fn hash_secret(secret: Zeroizing<String>) -> Result<String> {
    run_hashing(move || {
        let hash = Argon2::default().hash_password(secret.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(ApiError::internal)
    })
    .await
}

/// Returns whether `password` matches `hash`. Returns `false` after the same time if `hash` is `None`, so
/// that the response time does not disclose whether an account exists.
///
/// # Errors
/// - `Busy` if too many hashes are in progress.
pub async fn verify(password: Zeroizing<String>, hash: Option<String>) -> Result<bool> {
    /// A dummy hash whose password is unknown.
    const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
        9TPv/7lfWLwFUMpTcPxA3VJ4sWZjHcXGlGLzZXA0n0k";
    run_hashing(move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
        let parsed = PasswordHash::new(&text).map_err(ApiError::internal)?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
    })
    .await
}

/// Runs `work` on a blocking thread, within the two limits above.
async fn run_hashing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let busy = || {
        ApiError::new(ErrorKind::Busy, "Too many sign-ins are in progress; try again in 2 seconds.")
            .retry_after(2)
    };
    let _waiting = WAITING.try_acquire().map_err(|_| busy())?;
    let _permit = AT_ONCE.acquire().await.map_err(|_| busy())?;
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_opens_with_itself_only() {
        let hash_of = hash(secret("correct horse")).await.unwrap();
        assert!(hash_of.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash_of}");
        assert!(verify(secret("correct horse"), Some(hash_of.clone())).await.unwrap());
        assert!(!verify(secret("correct Horse"), Some(hash_of)).await.unwrap());
        assert!(!verify(secret("correct horse"), None).await.unwrap());
        assert!(hash(secret("too short")).await.is_err());
        assert!(hash(secret(&"x".repeat(201))).await.is_err());
    }
}
