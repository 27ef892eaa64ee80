use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use picpick_engine::Precision;
use picpick_engine::object_store::S3Config;
use zeroize::Zeroizing;

/// The validated settings of the service, built by `config` from the command line and the environment. Has no
/// `Debug`, because it holds secrets.
#[derive(Clone)]
pub struct Settings {
    pub data: PathBuf,
    pub keyring: Option<PathBuf>,
    pub models: PathBuf,
    pub offline: Option<PathBuf>,
    pub precision: Precision,
    pub listen: SocketAddr,
    /// Public address of the service, for instance `https://photos.example.com`, without a slash at the end.
    pub public_url: Option<String>,
    /// Hosts that requests may name, in addition to those of the public URL and of the listening address.
    pub allowed_hosts: Vec<ListedHost>,
    /// Address of the database, `postgres://…` or `sqlite:…`; `None`: SQLite in the data folder.
    pub database: Option<String>,
    /// Files of the certificate chain and the private key, PEM; `None`: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` headers are trusted.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether browsers use encrypted connections only for all subdomains of the service's host, too.
    pub hsts_subdomains: bool,
    /// Bucket for photos, with its access settings; `None`: the data folder.
    pub bucket: Option<(String, S3Config)>,
    /// Maximum number of photos indexed at the same time.
    pub index_jobs: usize,
    /// Maximum size of a photo file, bytes.
    pub photo_bytes_max: u64,
    pub protection: LimitSettings,
    pub quotas: QuotaSettings,
    pub operations: ObservabilitySettings,
    pub mail: MailSettings,
}

/// A host that the operator allows in requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedHost {
    /// A name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The only port that requests may name; `None`: any port.
    pub port: Option<u16>,
}

/// The settings of outgoing mail.
#[derive(Clone)]
pub struct MailSettings {
    pub from: Mailbox,
    /// SMTP address, as `mail::transport_url` returns it; `None`: mail is written to files.
    pub smtp: Option<Zeroizing<String>>,
}

/// Rate limits, concurrency limits and allowed origins, so that one client cannot starve the others.
#[derive(Clone)]
pub struct LimitSettings {
    pub rates: RateSettings,
    /// Maximum number of ordinary requests processed at the same time; as many uploads are processed in
    /// addition.
    pub requests_max: usize,
    /// Maximum number of requests that run models or search faces at the same time, in addition to
    /// `requests_max`.
    pub search_concurrency: usize,
    /// Time limit until the response begins. The bodies of uploads have a minimum rate instead.
    pub request_time_max: Duration,
    pub connections_max: usize,
    pub origins: Origins,
}

/// The limits of each studio that has none of its own, and the disk space that stays free.
#[derive(Clone, Copy, Debug)]
pub struct QuotaSettings {
    /// Bytes of photos and announced bytes of open uploads.
    pub storage_bytes_max: i64,
    pub open_uploads_max: i64,
    /// Announced bytes of open uploads.
    pub upload_bytes_max: i64,
    /// Registered guests whose consents are stored.
    pub guests_max: i64,
    pub disk_free_bytes_min: u64,
}

/// Other origins whose pages may call the API (CORS).
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

/// Rate limits, units a second, by the kind of subject that is charged. The units of 60 seconds may be used
/// at once.
#[derive(Clone, Copy, Debug)]
pub struct RateSettings {
    pub address: u32,
    pub account: u32,
    pub key: u32,
}

impl Default for RateSettings {
    /// Returns the default rates. At a venue, 1,000 guests share one address: the burst of 60,000 units
    /// serves a page of 60 thumbnails to each guest at once. A studio that uploads 10 photos a second with 4
    /// requests each uses 80 units a second.
    fn default() -> Self {
        Self { address: 1000, account: 200, key: 500 }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            rates: RateSettings::default(),
            requests_max: 256,
            search_concurrency: cores,
            request_time_max: Duration::from_secs(30),
            connections_max: 8192,
            origins: Origins::default(),
        }
    }
}

/// The settings of metrics, alerts and the security contact, for the operators.
#[derive(Clone, Default)]
pub struct ObservabilitySettings {
    /// Address of the metrics listener, which is separate from the service's own; `None`: no metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// Webhook for alerts; `None`: alerts are not posted.
    pub webhook: Option<Webhook>,
    /// Addresses (`mailto:`, `https:`, `tel:`) for reports of vulnerabilities, most preferred first; empty:
    /// the service has no `security.txt`.
    pub security_contacts: Vec<String>,
}

/// The URL to which alerts are posted, and the key that signs them. Both are secrets.
#[derive(Clone)]
pub struct Webhook {
    pub url: Zeroizing<String>,
    pub secret: Zeroizing<String>,
}

impl Settings {
    /// Returns the database's address.
    pub fn database_url(&self) -> String {
        self.database.clone().unwrap_or_else(|| sqlite_at(&self.data))
    }

    /// Returns whether clients reach the service over TLS only, so that cookies can be `Secure`.
    pub fn is_encrypted(&self) -> bool {
        let https = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        self.tls.is_some() || https
    }

    /// Returns the base URL of links if no public URL is set.
    pub fn url_at(&self, listening: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{listening}")
    }
}

/// Returns the address of the default database: SQLite in the data folder.
pub fn sqlite_at(data: &Path) -> String {
    format!("sqlite:{}?mode=rwc", data.join("service.db").display())
}
