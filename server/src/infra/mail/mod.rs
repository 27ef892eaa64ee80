//! E-mail by a transactional outbox: a mail is inserted in the transaction of the change that it reports, and
//! a background task delivers it with retries.
//!
//! No request waits for a mail server, and a restart loses no mail: each mail is delivered at least once, or
//! abandoned with a line in the log. Addresses, subjects and texts are never logged.

pub mod account_messages;
pub mod erasure_messages;
pub mod file;
pub mod guest_messages;
pub mod outbox;
pub mod smtp;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use picpick_engine::Vault;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use unicode_normalization::UnicodeNormalization as _;

use crate::config::settings::Settings;
use crate::infra::db::Db;
use crate::infra::visible_text::visible;

pub use account_messages::{
    email_change_requested, email_changed, invitation, new_email, password_changed,
    recovery_code_used, reset, second_factor_changed, second_factor_reset,
};
pub use erasure_messages::{
    HiddenFacesNotice, RemovalAnswer, erasure_begun, erasure_undone, faces_hidden, removal_answered,
};
pub use guest_messages::{
    TermsNotice, access_granted, contact_code, letters_wanted, new_photos, terms_changed,
};
pub use outbox::{ResetFuture, enqueue, enqueue_sealed, pending, run_outbox};

/// Greatest length of a quoted name, characters.
const NAME_CHARS_MAX: usize = 60;

/// Returns a name that a user has chosen, as e-mails quote it: at most 60 characters, on one line, without the
/// characters that mail programs make links of. Otherwise a studio's name could be a text of its own with a
/// link, sent by this service to any address.
fn quoted(name: &str) -> String {
    // Compatibility forms of a dot or slash, such as full-width ones, become the ASCII character first. Vowel
    // signs of Indian scripts are not alphanumeric, so characters outside ASCII stay, except the ideographic full
    // stop, which some programs read as a dot.
    let is_kept = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        c if c.is_ascii() => "-&',()+!".contains(c),
        '\u{3002}' => false,
        c => !c.is_control(),
    };
    let name = visible(name);
    let plain: String = name.nfkc().map(|c| if is_kept(c) { c } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(NAME_CHARS_MAX).collect()
}

/// The content of an e-mail: recipient, subject and plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailMessage {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// An entry of the outbox. Entries are stored sealed, so that no migration can rename a variant in them; the
/// aliases therefore read entries of earlier versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutgoingMail {
    #[serde(rename = "email", alias = "Letter")]
    Letter(EmailMessage),
    /// A password reset was requested for this address. Only the delivery looks for an account with the
    /// address, so that the request takes the same time for every address and does not disclose accounts.
    #[serde(rename = "password_reset", alias = "ResetAsked")]
    PasswordResetRequested { email: String },
    /// No mail. Enqueued in place of a mail that must not be sent, so that a request takes the same time whether
    /// a mail is sent or not.
    #[serde(rename = "none")]
    Nothing,
}

/// The reason why a mail was not sent. It never contains the server's text, which often repeats addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// A transient failure (RFC 5321): a retry may succeed.
    Transient(String),
    /// A permanent failure: the server will never accept the mail.
    Permanent(String),
}

/// A mail that a transport has written to a file.
pub struct WrittenMail {
    /// The recipient's address; empty if the file has none.
    pub to: String,
    /// Time since the mail was written.
    pub age: Duration,
}

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// A mail transport.
pub trait Sender: Send + Sync {
    /// Sends `message`. `id` is identical in every retry.
    fn send<'a>(&'a self, id: &'a str, message: Message) -> Sending<'a>;

    /// Returns a line about the transport, printed when the service starts.
    fn describe(&self) -> String;

    /// Removes the mails that this transport has written to files and `is_removed` selects. Blocks. The default is
    /// for transports that keep no mail.
    fn remove_written(&self, _is_removed: &dyn Fn(&WrittenMail) -> bool) -> std::io::Result<()> {
        Ok(())
    }
}

/// The mailer: the transport, the signal that wakes the outbox task, and the base URL of links. Clones share
/// one mailer.
#[derive(Clone)]
pub struct Mailer(Arc<Parts>);

struct Parts {
    db: Db,
    vault: Arc<Vault>,
    from: Mailbox,
    sender: Box<dyn Sender>,
    waiting: Notify,
    /// The base URL of links; known once the service listens.
    base: OnceLock<String>,
}

impl Mailer {
    /// Creates a mailer that sends by SMTP if a server is configured, and otherwise writes files.
    pub fn open(settings: &Settings, db: &Db, vault: &Arc<Vault>) -> anyhow::Result<Self> {
        let sender: Box<dyn Sender> = match &settings.mail.smtp {
            Some(url) => Box::new(smtp::SmtpSender::new(url)?),
            None => Box::new(file::FileSender::new(settings.data.join("outbox"))),
        };
        let base = settings.public_url.clone().map_or_else(OnceLock::new, OnceLock::from);
        let (db, vault, from) = (db.clone(), Arc::clone(vault), settings.mail.from.clone());
        Ok(Self(Arc::new(Parts { db, vault, from, sender, waiting: Notify::new(), base })))
    }

    /// Returns a line about the transport, for the operator when the service starts.
    pub fn describe(&self) -> String {
        self.0.sender.describe()
    }

    /// Sets the base URL under which clients reach the service. A configured public URL takes precedence.
    pub fn set_base_url(&self, url: &str) {
        let _ = self.0.base.set(url.to_owned());
    }

    /// Returns a link to a page of the service. The token is in the fragment, which browsers do not send to
    /// servers, so the token appears in no access log.
    fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}#{token}", self.0.base.get().map_or("", String::as_str))
    }

    /// Returns the public URL of a page.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.0.base.get().map_or("", String::as_str))
    }

    /// Removes the mails that were written to files, because no mail server is configured, and that `is_removed`
    /// selects. Blocks.
    pub fn remove_written(&self, is_removed: impl Fn(&WrittenMail) -> bool) -> std::io::Result<()> {
        self.0.sender.remove_written(&is_removed)
    }

    /// Wakes the outbox task. Called after the commit that inserted a mail.
    pub fn wake(&self) {
        self.0.waiting.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_reads_as_no_link_and_stays_readable() {
        for (name, expected) in [
            ("Asha & Ben", "Asha & Ben"),
            ("गाय और बछड़ा", "गाय और बछड़ा"),
            ("Müller's Fotos (2026)", "Müller's Fotos (2026)"),
            (
                "x\". Confirm at https://evil.test/login now",
                "x Confirm at https evil test login now",
            ),
            ("a@evil.test", "a evil test"),
            ("evil．test／login", "evil test login"),
            ("evil。test", "evil test"),
            ("a\u{202e}tset.live\nb", "atset live b"),
            ("evil\u{2060}\u{ad}\u{e0041}test", "eviltest"),
            ("क्\u{200d}ष", "क्\u{200d}ष"),
        ] {
            assert_eq!(quoted(name), expected, "{name:?}");
        }
        assert_eq!(quoted(&"x".repeat(200)).len(), 60);
    }
}
