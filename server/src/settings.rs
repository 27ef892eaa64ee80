//! How the service runs: validated once, from the command line and the environment.
//!
//! Holds secrets, and so has no `Debug`. Never reads the environment itself: `config.rs` does.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use picpick_engine::{Precision, S3Access};
use zeroize::Zeroizing;

use crate::limits::Rates;

/// Everything that `picpick serve` needs to know.
#[derive(Clone)]
pub struct Settings {
    pub data: PathBuf,
    pub keyring: Option<PathBuf>,
    pub models: PathBuf,
    pub offline: Option<PathBuf>,
    pub precision: Precision,
    pub listen: SocketAddr,
    /// As browsers see the service, for instance `https://photos.example.com`; without a slash at its end.
    pub public_url: Option<String>,
    /// `postgres://…`; `None`: SQLite in the data folder.
    pub database: Option<String>,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where photos are kept instead of the data folder.
    pub bucket: Option<(String, S3Access)>,
    /// Photos being indexed at the same time.
    pub index_jobs: usize,
    /// Bytes of a photo file at most.
    pub photo_bytes_max: u64,
    pub protection: Protection,
    pub operations: Operations,
    pub mail: MailSettings,
}

/// How mail gets to people.
#[derive(Clone)]
pub struct MailSettings {
    pub from: Mailbox,
    /// As `mail::transport_url` gives it; `None`: into files.
    pub smtp: Option<Zeroizing<String>>,
}

/// What keeps one client from taking the service away from the others.
#[derive(Clone)]
pub struct Protection {
    pub rates: Rates,
    /// Requests being worked on at the same time; uploads have as many places of their own.
    pub requests_max: usize,
    /// Of them, those that run models or search faces.
    pub heavy_max: usize,
    /// Until the answer begins; uploads are watched for their pace instead.
    pub request_time_max: Duration,
    pub connections_max: usize,
    pub origins: Origins,
}

/// Whose pages may use the API beside the service's own.
#[derive(Clone, Default)]
pub struct Origins {
    pub without_cookies: Vec<String>,
    pub with_cookies: Vec<String>,
}

impl Origins {
    pub fn is_empty(&self) -> bool {
        self.without_cookies.is_empty() && self.with_cookies.is_empty()
    }
}

impl Default for Protection {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            rates: Rates::default(),
            requests_max: 256,
            heavy_max: cores,
            request_time_max: Duration::from_secs(30),
            connections_max: 8192,
            origins: Origins::default(),
        }
    }
}

/// What the service's operators see of it.
#[derive(Clone, Default)]
pub struct Operations {
    /// Where the figures are served, apart from the service itself.
    pub metrics_listen: Option<SocketAddr>,
    /// Where alerts are posted; the address is a secret too.
    pub webhook: Option<Webhook>,
}

/// Where alerts are posted, and what signs them.
#[derive(Clone)]
pub struct Webhook {
    pub url: Zeroizing<String>,
    pub secret: Zeroizing<String>,
}

impl Settings {
    /// The database's address.
    pub fn database_url(&self) -> String {
        self.database.clone().unwrap_or_else(|| sqlite_at(&self.data))
    }

    /// Whether cookies go over encrypted connections only.
    pub fn is_encrypted(&self) -> bool {
        let https = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        self.tls.is_some() || https
    }

    /// The address that people are sent to when no public one is set.
    pub fn url_at(&self, listening: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{listening}")
    }
}

/// The database of a service that was told of no other.
pub fn sqlite_at(data: &Path) -> String {
    format!("sqlite:{}?mode=rwc", data.join("service.db").display())
}
