//! Time-based one-time passwords (TOTP, RFC 6238): 6 digits, 30-second steps, SHA-1, as authenticator apps
//! expect.
//!
//! The database stores the shared secret sealed. A code is accepted once, in its own time step or in one of the
//! two adjacent steps.

use totp_rs::{Builder, Secret, Totp};

use super::credentials::StoredCredentials;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::clock::now_s;
use crate::infra::ids::random;
use crate::infra::rate_limit::CountedAttempt;

/// Creates a secret for `user`. Returns the sealed secret for the database and the secret as an `otpauth://`
/// URL for the authenticator app. `account` is the label that the app shows.
pub fn new_secret(app: &App, user: &str, account: &str) -> Result<(String, String)> {
    // 160 bits, as recommended by RFC 4226, section 4.
    let bytes = zeroize::Zeroizing::new(random::<20>()?);
    let sealed = app.seal(&context(user), bytes.as_slice())?;
    let totp = totp(bytes.as_slice(), account)?;
    Ok((sealed, totp.to_url().map_err(ApiError::internal)?))
}

/// Returns the time step of `code` under the account's secret; `None` if the code is not valid now.
///
/// # Errors
/// - `Internal` if the account has no secret, or the secret does not open.
pub fn check(
    app: &App,
    _counted: &CountedAttempt,
    account: &StoredCredentials,
    code: &str,
) -> Result<Option<i64>> {
    let sealed = account.totp_secret.as_deref().and_then(|text| hex::decode(text).ok());
    let sealed = sealed.ok_or_else(|| ApiError::internal("a second factor without a secret"))?;
    let secret = app.vault.open(&context(&account.user), &sealed)?;
    let now = u64::try_from(now_s()).unwrap_or_default();
    let step = totp(&secret, "-")?.check(code, now);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

fn totp(secret: &[u8], account: &str) -> Result<Totp> {
    let secret = Secret::new(secret.to_vec().into_boxed_slice());
    let builder =
        Builder::new().with_secret(secret).with_account_name(account).with_issuer(Some("PicPick"));
    builder.build().map_err(ApiError::internal)
}

fn context(user: &str) -> String {
    format!("picpick totp {user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Test vectors of appendix B for SHA-1: the last 6 of 8 digits.
        let totp = totp(b"12345678901234567890", "a").unwrap();
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")]
        {
            assert!(totp.check(code, time).is_some(), "{time}");
            assert!(totp.check(code, time + 90).is_none(), "{time} later");
        }
    }
}
