//! The transactional outbox: the table of mails to send, and the task that delivers them with leases and
//! retries.
//!
//! Delivery is at least once: a mail is deleted after the mail server has accepted it. After a crash between
//! acceptance and deletion, the mail is sent again with the same Message-ID.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use lettre::Message;
use lettre::message::Body;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use picpick_engine::Vault;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::{EmailMessage, Mailer, OutgoingMail, SendError};
use crate::error::{ApiError, Result};
use crate::infra::backoff::BackoffPolicy;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::new_id;
use crate::infra::leased_queue::LeasedQueue;
use crate::infra::telemetry::metrics;

/// Time after which an undelivered mail is abandoned, seconds (24 hours).
const ENDS_S: i64 = 86_400;
/// Interval at which the table is polled for mails of other servers or of a previous run, 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Age at which a mail that was written to a file is removed: 14 days, the longest validity of a link in it.
const WRITTEN_MAX: Duration = Duration::from_secs(14 * 86_400);
/// Interval at which these files are examined, 10 minutes.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Maximum number of concurrent deliveries.
const AT_ONCE: usize = 4;
/// Maximum number of mails read in one poll.
const LOOK_MAX: i64 = 64;

/// The queue of mails. A lease moves the time of the next attempt. A mail is abandoned when it expires, after
/// any number of attempts.
const MAILS: LeasedQueue = LeasedQueue {
    table: "mails",
    claimable: "due_unix_s <= $1",
    order: "due_unix_s",
    lease: "due_unix_s = $4, attempts = attempts + 1",
    lease_s: 180,
    leased: "TRUE",
    columns: "*",
    due: "due_unix_s",
    due_offset_s: 0,
    backoff: BackoffPolicy::Exponential {
        first: Duration::from_secs(10),
        max: Duration::from_secs(1800),
    },
    attempts_max: i64::MAX,
};

/// Creates the e-mail with a password reset link in the given transaction. Returns the e-mail and the link's
/// expiry, seconds since the Unix epoch; `None` if no e-mail is to be sent. `api/account` provides the
/// function, because `infra` cannot use `api`.
pub type ResetResolver = for<'a> fn(&'a Mailer, &'a mut Tx, &'a str) -> ResetFuture<'a>;
/// The future of a [`ResetResolver`].
pub type ResetFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<(EmailMessage, i64)>>> + Send + 'a>>;

/// Inserts `mail` into the outbox, in the transaction of the change that it reports. The caller calls
/// [`super::Mailer::wake`] after the commit.
pub async fn enqueue(post: &Mailer, tx: &mut Tx, mail: &OutgoingMail) -> Result<()> {
    enqueue_sealed(&post.0.vault, tx, mail).await
}

/// Inserts `mail` into the outbox, for a command without a mailer. A running service delivers the mail.
pub async fn enqueue_sealed(vault: &Vault, tx: &mut Tx, mail: &OutgoingMail) -> Result<()> {
    let (id, now) = (new_id()?, now_s());
    sqlx::query(
        "INSERT INTO mails (id, sealed, attempts, due_unix_s, expires_unix_s, created_unix_s) \
         VALUES ($1, $2, 0, $3, $4, $3)",
    )
    .bind(&id)
    .bind(sealed(vault, &id, mail)?)
    .bind(now)
    .bind(now + ENDS_S)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn sealed(vault: &Vault, id: &str, mail: &OutgoingMail) -> Result<String> {
    let plain = Zeroizing::new(serde_json::to_vec(mail).map_err(ApiError::internal)?);
    Ok(hex::encode(vault.seal(&context(id), &plain)?))
}

fn context(id: &str) -> String {
    format!("picpick mail {id}")
}

/// A leased row of the outbox.
struct ClaimedMail {
    id: String,
    sealed: String,
    /// The number of attempts, including the current one.
    attempts: i64,
    ends: i64,
}

impl ClaimedMail {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            sealed: row.try_get("sealed")?,
            attempts: row.try_get("attempts")?,
            ends: row.try_get("expires_unix_s")?,
        })
    }
}

/// Returns the number of waiting mails of all servers of the database, and the age of the oldest mail, seconds.
pub async fn pending(post: &Mailer) -> Result<(i64, i64)> {
    let now = now_s();
    let row =
        sqlx::query("SELECT COUNT(*) AS n, COALESCE(MIN(created_unix_s), $1) AS oldest FROM mails")
            .bind(now)
            .fetch_one(post.0.db.read())
            .await?;
    Ok((row.try_get("n")?, (now - row.try_get::<i64, _>("oldest")?).max(0)))
}

/// Delivers due mails, until the service stops.
pub async fn run_outbox(mailer: &Mailer, resolve: ResetResolver) {
    let mut swept: Option<Instant> = None;
    loop {
        if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            swept = Some(Instant::now());
            remove_old_files(mailer).await;
        }
        match MAILS.find_due(&mailer.0.db, "id", None, LOOK_MAX).await {
            Ok(mails) => {
                let more = i64::try_from(mails.len()).is_ok_and(|number| number == LOOK_MAX);
                stream::iter(mails)
                    .for_each_concurrent(AT_ONCE, |id| deliver(mailer, resolve, id))
                    .await;
                if more {
                    continue;
                }
            }
            Err(failure) => {
                tracing::error!(reason = failure.reason(), "polling the mail outbox failed");
            }
        }
        let woken = mailer.0.waiting.notified();
        let _ = tokio::time::timeout(LOOK_EVERY, woken).await;
    }
}

/// Removes the written mails whose links have expired.
async fn remove_old_files(mailer: &Mailer) {
    let mailer = mailer.clone();
    let removal = move || mailer.remove_written(|mail| mail.age > WRITTEN_MAX);
    let removed = tokio::task::spawn_blocking(removal).await;
    if let Some(error) = removed.ok().and_then(std::io::Result::err) {
        tracing::error!(%error, "removing old mail files failed");
    }
}

async fn deliver(mailer: &Mailer, resolve: ResetResolver, id: String) {
    if let Err(failure) = try_deliver(mailer, resolve, &id).await {
        // The mail is retried when its lease expires.
        tracing::error!(mail = id, reason = failure.reason(), "mail processing failed");
    }
}

async fn try_deliver(post: &Mailer, resolve: ResetResolver, id: &str) -> Result<()> {
    let Some(row) = MAILS.claim_one(&post.0.db, id).await? else { return Ok(()) };
    let mail = ClaimedMail::read(&row)?;
    if mail.ends <= now_s() {
        tracing::error!(mail = mail.id, attempts = mail.attempts - 1, "mail delivery abandoned");
        metrics::count_mail("failed");
        return remove(post, &mail.id).await;
    }
    let broken = || ApiError::internal("a mail in the outbox cannot be read");
    let plain =
        post.0.vault.open(&context(&mail.id), &hex::decode(&mail.sealed).map_err(|_| broken())?)?;
    let letter = match serde_json::from_slice(&plain).map_err(|_| broken())? {
        OutgoingMail::Letter(letter) => letter,
        OutgoingMail::Nothing => return remove(post, &mail.id).await,
        OutgoingMail::PasswordResetRequested { email } => {
            match write_reset_message(post, resolve, &mail, &email).await? {
                Some(letter) => letter,
                None => return Ok(()),
            }
        }
    };
    let message = message(post, &mail.id, letter)?;
    match post.0.sender.send(&mail.id, message).await {
        Ok(()) => {
            metrics::count_mail("sent");
            remove(post, &mail.id).await
        }
        Err(SendError::Permanent(reason)) => {
            tracing::error!(mail = mail.id, reason, "mail rejected by the mail server");
            metrics::count_mail("failed");
            remove(post, &mail.id).await
        }
        Err(SendError::Transient(reason)) => {
            let wait_s = MAILS.retry_delay_s(mail.attempts).unwrap_or(MAILS.lease_s);
            tracing::warn!(mail = mail.id, reason, wait_s, "mail delivery will be retried");
            metrics::count_mail("retry");
            let mut tx = post.0.db.write().await?;
            MAILS.release(&mut tx, &mail.id, Some(now_s() + wait_s), &[]).await?;
            Ok(tx.commit().await?)
        }
    }
}

/// Replaces a password reset request by the e-mail with the reset link, so that a retry sends the same link.
/// The mail expires with the link. Returns `None` and deletes the request if no e-mail is to be sent, for
/// instance because no account has the address.
async fn write_reset_message(
    post: &Mailer,
    resolve: ResetResolver,
    mail: &ClaimedMail,
    email: &str,
) -> Result<Option<EmailMessage>> {
    let mut tx = post.0.db.write().await?;
    let Some((letter, ends)) = resolve(post, &mut tx, email).await? else {
        MAILS.remove(&mut tx, &mail.id).await?;
        tx.commit().await?;
        return Ok(None);
    };
    sqlx::query("UPDATE mails SET sealed = $1, expires_unix_s = $2 WHERE id = $3")
        .bind(sealed(&post.0.vault, &mail.id, &OutgoingMail::Letter(letter.clone()))?)
        .bind(ends)
        .bind(&mail.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Some(letter))
}

async fn remove(post: &Mailer, id: &str) -> Result<()> {
    let mut tx = post.0.db.write().await?;
    MAILS.remove(&mut tx, id).await?;
    tx.commit().await?;
    Ok(())
}

fn message(post: &Mailer, id: &str, letter: EmailMessage) -> Result<Message> {
    // The cause is dropped, because it may contain the address.
    let unfit = |_| ApiError::internal("a mail has an invalid recipient address");
    let from = post.0.from.clone();
    let message_id = format!("<{id}@{}>", from.email.domain());
    // Automatic responders do not reply to such mail (RFC 3834).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from)
        .to(letter.to.parse().map_err(unfit)?)
        .subject(letter.subject)
        .message_id(Some(message_id))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(body(letter.text))
        .map_err(|_| ApiError::internal("a mail cannot be composed"))
}

/// Encodes the body: unchanged (7bit) if it is ASCII with lines of at most 998 bytes. Quoted-printable would
/// break a link over several lines, so that an operator could not copy the link from the mail's file.
fn body(text: String) -> Body {
    // Maximum line length: RFC 5322, section 2.1.1.
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= 998);
    if !plain {
        return Body::new(text);
    }
    let lines = text.replace('\n', "\r\n").into_bytes();
    Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_not_cut_and_other_letters_arrive() {
        let link = format!("https://photos.example.com/reset#{}\n", "x".repeat(100));
        let text = String::from_utf8(body(link.clone()).into_vec()).unwrap_or_default();
        assert_eq!(text, link.replace('\n', "\r\n"));
        for other in ["Zo\u{eb}\n".to_owned(), "x".repeat(2000)] {
            let body = body(other);
            assert_ne!(body.encoding(), ContentTransferEncoding::SevenBit);
            assert!(body.into_vec().is_ascii());
        }
    }

    #[test]
    fn entries_of_earlier_versions_are_read() {
        let read = |stored: &str| serde_json::from_str::<OutgoingMail>(stored).ok();
        let letter = r#"{"to":"a@b.example","subject":"s","text":"t"}"#;
        let mail = read(&format!(r#"{{"Letter":{letter}}}"#));
        assert!(mail.is_some());
        assert_eq!(mail, read(&format!(r#"{{"email":{letter}}}"#)));
        let reset = read(r#"{"ResetAsked":{"email":"a@b.example"}}"#);
        assert!(reset.is_some());
        assert_eq!(reset, read(r#"{"password_reset":{"email":"a@b.example"}}"#));
        let written = reset.and_then(|mail| serde_json::to_string(&mail).ok());
        assert_eq!(written.as_deref(), Some(r#"{"password_reset":{"email":"a@b.example"}}"#));
    }

    #[test]
    fn pauses_grow_to_half_an_hour() {
        let wait_s = |before: i64| MAILS.retry_delay_s(before + 1).unwrap_or_default();
        assert_eq!([0, 1, 5, 8, 1000].map(wait_s), [10, 20, 320, 1800, 1800]);
    }
}
