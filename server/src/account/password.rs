//! Passwords: Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first.
//!
//! 19 MiB, two passes, one lane: some 30 ms a guess. Runs on threads that may block, and never more than a
//! few at once, so that signing in cannot exhaust memory. Knows nothing of accounts.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::{Failure, Kind, Result};

/// Hashes computed at the same time, 19 MiB each.
static AT_ONCE: Semaphore = Semaphore::const_new(4);
/// Who waits longer in line is sent away.
const WAITING_MAX: usize = 64;
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// Characters of a password.
const LEAST: usize = 10;
const MOST: usize = 200;

/// The hash of a password as a PHC string. Errors: `Invalid` for one that is too short or too long.
pub async fn hash(password: Zeroizing<String>) -> Result<String> {
    check_length(&password)?;
    hash_secret(password).await
}

/// Refuses a new password that is too short or too long. Errors: `Invalid`.
pub fn check_length(password: &str) -> Result<()> {
    let count = password.chars().count();
    if (LEAST..=MOST).contains(&count) {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "password: expected {LEAST} to {MOST} characters, received {count}."
    )))
}

/// The hash of a secret whose form its owner has checked.
pub async fn hash_secret(secret: Zeroizing<String>) -> Result<String> {
    heavily(move || {
        let hash = Argon2::default().hash_password(secret.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(Failure::internal)
    })
    .await
}

/// Whether `password` is the one of `hash`. Without a hash the same time passes, and it is not.
pub async fn verify(password: Zeroizing<String>, hash: Option<String>) -> Result<bool> {
    /// Of a password that nobody knows.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
        9TPv/7lfWLwFUMpTcPxA3VJ4sWZjHcXGlGLzZXA0n0k";
    heavily(move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.to_owned());
        let parsed = PasswordHash::new(&text).map_err(Failure::internal)?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
    })
    .await
}

async fn heavily<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let busy = || Failure::new(Kind::Busy, "Too many people are signing in.").retry_after(2);
    let _waiting = WAITING.try_acquire().map_err(|_| busy())?;
    let _permit = AT_ONCE.acquire().await.map_err(|_| busy())?;
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
