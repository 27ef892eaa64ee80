//! Proof of work (Hashcash, Back 2002): a client spends computing time before a guess is looked at.
//!
//! A challenge holds its expiry, its difficulty and an authentication code, so that the server stores nothing when
//! it issues one. The code binds the challenge to a scope: an album and a visit. The hash of a solved challenge is
//! stored until the challenge expires, so that each solution works once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picpick_engine::Vault;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorKind, Result, WorkChallenge};
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::{random, sha256};

/// Lifetime of a challenge, seconds (10 minutes).
const VALID_S: i64 = 600;
/// Least difficulty, zero bits: 65,536 hashes on average, less than 0.1 s in a browser.
const BITS_MIN: i64 = 16;
/// Greatest difficulty, zero bits: 16.8 million hashes on average, several seconds on a telephone.
const BITS_MAX: i64 = 24;
/// Limits by how many bits a solution may fall short, because failures of others may have raised the difficulty
/// since its challenge was issued.
const TOLERANCE: u32 = 1;
/// Length of a challenge before its authentication code: expiry (4 bytes), difficulty (1), random bytes (8).
const CONTENT: usize = 13;

/// A solved challenge, as a client sends it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct WorkSolution {
    /// The challenge of the error `proof_of_work_required`.
    #[schema(max_length = 100)]
    pub challenge: String,
    /// The number that solves it.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub nonce: u64,
}

/// A solution whose authentication code, expiry and work were checked.
#[derive(Debug)]
pub struct CheckedWork {
    bits: u32,
    challenge_hash: String,
    expires_unix_s: i64,
}

/// The growth of the difficulty with the failed attempts of a subject.
#[derive(Clone, Copy, Debug)]
pub struct WorkPolicy {
    /// The number of failed attempts from which work is required.
    pub from: i64,
    /// The number of further failed attempts that adds one bit.
    pub step: i64,
}

impl WorkPolicy {
    /// Returns the difficulty after `failures` failed attempts, zero bits; 0 if no work is required.
    pub fn bits(self, failures: i64) -> u32 {
        if failures < self.from {
            return 0;
        }
        let bits = (BITS_MIN + (failures - self.from) / self.step).min(BITS_MAX);
        u32::try_from(bits).unwrap_or(0)
    }
}

/// Issues a challenge with a difficulty of `bits` zero bits for `scope`.
///
/// # Errors
/// - `Internal` if the random number generator fails.
pub fn issue(vault: &Vault, scope: &str, bits: u32) -> Result<WorkChallenge> {
    let expires_unix_s = now_s() + VALID_S;
    let mut content =
        u32::try_from(expires_unix_s).map_err(ApiError::internal)?.to_be_bytes().to_vec();
    content.push(u8::try_from(bits).map_err(ApiError::internal)?);
    content.extend(random::<8>()?);
    let code = code(vault, scope, &content)?;
    let challenge = URL_SAFE_NO_PAD.encode([content, code].concat());
    Ok(WorkChallenge { challenge, bits, expires_unix_s })
}

/// Checks a solution for `scope`. Returns `None` if its challenge is expired or of another scope, or if the number
/// does not solve it.
///
/// # Errors
/// - `Internal` if the authentication code cannot be computed.
pub fn check(vault: &Vault, scope: &str, given: &WorkSolution) -> Result<Option<CheckedWork>> {
    let decoded = URL_SAFE_NO_PAD.decode(&given.challenge).unwrap_or_default();
    let Some((content, received)) = decoded.split_at_checked(CONTENT) else { return Ok(None) };
    let (&[a, b, c, d, bits], _) = content.split_first_chunk().unwrap_or((&[0; 5], &[]));
    let (expires_unix_s, bits) = (i64::from(u32::from_be_bytes([a, b, c, d])), u32::from(bits));
    // Compared by their digests, so that the time of the comparison discloses nothing about the code.
    let is_issued = sha256(&code(vault, scope, content)?) == sha256(received);
    if !is_issued || expires_unix_s <= now_s() || zero_bits(&given.challenge, given.nonce) < bits {
        return Ok(None);
    }
    let challenge_hash = sha256(given.challenge.as_bytes());
    Ok(Some(CheckedWork { bits, challenge_hash, expires_unix_s }))
}

impl CheckedWork {
    /// Consumes the solution for an attempt that requires `bits` zero bits. Returns `false` if the solution is
    /// too easy or was used before.
    pub async fn spend(&self, tx: &mut Tx, bits: u32) -> Result<bool> {
        if self.bits + TOLERANCE < bits {
            return Ok(false);
        }
        let spent = sqlx::query(
            "INSERT INTO spent_challenges (challenge_hash, expires_unix_s) VALUES ($1, $2) \
             ON CONFLICT (challenge_hash) DO NOTHING",
        )
        .bind(&self.challenge_hash)
        .bind(self.expires_unix_s)
        .execute(&mut **tx)
        .await?;
        Ok(spent.rows_affected() > 0)
    }
}

/// Returns the error of an attempt without the required work. The caller adds the challenge.
pub fn required() -> ApiError {
    let detail = "Many wrong entries were made here; solve the challenge, and send the entry again with the solution in \
                  'work'.";
    ApiError::new(ErrorKind::ProofOfWorkRequired, detail)
}

/// Deletes the hashes of solved challenges that have expired.
pub async fn delete_expired(tx: &mut Tx) -> Result<()> {
    sqlx::query("DELETE FROM spent_challenges WHERE expires_unix_s <= $1")
        .bind(now_s())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Returns the authentication code of a challenge, 16 bytes.
fn code(vault: &Vault, scope: &str, content: &[u8]) -> Result<Vec<u8>> {
    let context = format!("picpick proof of work {scope}");
    hex::decode(vault.name(&context, content)?).map_err(ApiError::internal)
}

fn zero_bits(challenge: &str, nonce: u64) -> u32 {
    let digest = Sha256::digest(format!("{challenge}.{nonce}").as_bytes());
    let first = digest.iter().position(|byte| *byte != 0).unwrap_or(digest.len());
    let whole = u32::try_from(first * 8).unwrap_or(0);
    whole + digest.get(first).map_or(0, |byte| byte.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difficulty_grows_with_the_failures() {
        let work = WorkPolicy { from: 30, step: 30 };
        let bits = [0, 29, 30, 59, 60, 269, 270, 299, 100_000].map(|failures| work.bits(failures));
        assert_eq!(bits, [0, 0, 16, 16, 17, 23, 24, 24, 24]);
    }

    #[test]
    fn zero_bits_are_counted_over_bytes() {
        // SHA-256 of "a.N", computed with sha256sum.
        let counted: Vec<u32> = (0..2000).map(|nonce| zero_bits("a", nonce)).collect();
        let with = |bits: u32| counted.iter().filter(|found| **found >= bits).count();
        assert!((850..1150).contains(&with(1)) && (90..160).contains(&with(4)));
        assert!(with(8) > 0, "more than a byte of zeros");
    }
}
