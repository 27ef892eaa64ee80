//! Mail to people: written in the transaction of what it tells, sent from there until it has arrived.
//!
//! No request waits for a mail server, and a restart loses nothing: a mail goes out at least once or is given up
//! with a line in the log. Never logs an address, a subject or a text.

mod file;
mod guests;
mod letters;
mod outbox;
mod smtp;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use lettre::Message;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::settings::Settings;

pub use guests::{let_in, letters_wanted, new_photos};
pub use letters::{email_asked, email_changed, invitation, new_email, password_changed, reset};
pub use outbox::{keep_posting, put, waiting};
pub use smtp::transport_url;

/// What somebody is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// What waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mail {
    Letter(Letter),
    /// A new password was asked for by this address. Whether it is an account's is looked up only when its turn
    /// comes, so that asking takes the same time for every address.
    ResetAsked {
        email: String,
    },
}

/// Why a mail did not get away. Says so without the server's words, which tend to repeat addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It may get away later.
    Passing(String),
    /// The server will never take it.
    Lasting(String),
}

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + 'a>>;

/// A way for mail to get away.
pub trait Sender: Send + Sync {
    /// Sends `message`; `id` is the same each time it is tried.
    fn send<'a>(&'a self, id: &'a str, message: Message) -> Sending<'a>;

    /// For whoever starts the service.
    fn describe(&self) -> String;
}

/// The way out, shared by all requests.
#[derive(Clone)]
pub struct Post(Arc<Parts>);

struct Parts {
    sender: Box<dyn Sender>,
    waiting: Notify,
    /// Where links lead; known once the service listens.
    base: OnceLock<String>,
}

impl Post {
    /// By SMTP where a server is named, otherwise into files.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let sender: Box<dyn Sender> = match &settings.mail.smtp {
            Some(url) => Box::new(smtp::Smtp::new(url)?),
            None => Box::new(file::Folder::new(settings.data.join("outbox"))),
        };
        let base = settings.public_url.clone().map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self(Arc::new(Parts { sender, waiting: Notify::new(), base })))
    }

    /// For whoever starts the service.
    pub fn describe(&self) -> String {
        self.0.sender.describe()
    }

    /// Says under which address people reach the service; a public one that was set before stays.
    pub fn reached_at(&self, url: &str) {
        let _ = self.0.base.set(url.to_owned());
    }

    /// A link to a page of the service. The token stands behind `#`: browsers keep it from servers and logs.
    fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}#{token}", self.0.base.get().map_or("", String::as_str))
    }

    /// The address of a page, as people reach it.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.0.base.get().map_or("", String::as_str))
    }

    /// Says that there is something to send; called after the commit that put it there.
    pub fn wake(&self) {
        self.0.waiting.notify_one();
    }
}
