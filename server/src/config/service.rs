use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axum::http::uri::Authority;
use clap::Args;
use picpick_engine::DecodeLimits;

use super::database::database;
use super::mail::RawMail;
use super::protection::{RawProtection, otlp_endpoint};
use super::quotas::RawQuotas;
use super::{Config, s3_access};
use crate::config::UsageError;
use crate::config::settings::{ListedHost, Settings, sqlite_at};

/// The options of `picpick serve`, as given. Secrets come from the environment or from files that it names,
/// because other users of the machine can read options.
#[derive(Args, Debug)]
pub struct RawService {
    /// Address and port to listen on; port 0 selects a free port
    #[arg(long, env = "PICPICK_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[arg(
        long,
        env = "PICPICK_PUBLIC_URL",
        value_name = "URL",
        help = "The service's public address, for instance https://photos.example.com"
    )]
    public_url: Option<String>,
    /// Another host that requests may name, HOST or HOST:PORT, for instance the name under which a proxy or a
    /// monitoring system reaches the service; may be given several times
    #[arg(
        long = "allow-host",
        env = "PICPICK_ALLOW_HOST",
        value_name = "HOST",
        value_delimiter = ',',
        hide_short_help = true
    )]
    allow_host: Vec<String>,
    /// Certificate chain (PEM), if the service itself serves TLS
    #[arg(long, env = "PICPICK_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "PICPICK_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy whose X-Forwarded-For and X-Forwarded-Proto headers are trusted; may be given several
    /// times
    #[arg(
        long = "trusted-proxy",
        env = "PICPICK_TRUSTED_PROXIES",
        value_name = "IP",
        value_delimiter = ','
    )]
    trusted_proxies: Vec<IpAddr>,
    /// On encrypted connections, tell browsers to use encrypted connections only for all subdomains of the
    /// service's host, too; all of them must serve HTTPS
    #[arg(long, env = "PICPICK_HSTS_SUBDOMAINS", hide_short_help = true)]
    hsts_subdomains: bool,
    /// Store photos in a bucket instead of the data folder; credentials as for 'picpick backup'
    #[arg(long, env = "PICPICK_PHOTO_STORE", value_name = "s3://BUCKET/PREFIX")]
    photo_store: Option<String>,
    /// Photos indexed at the same time [default: the number of processor cores minus one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    index_jobs: Option<u16>,
    #[command(flatten)]
    mail: RawMail,
    #[command(flatten)]
    protection: RawProtection,
    #[command(flatten)]
    quotas: RawQuotas,
}

impl RawService {
    /// Returns the URL to which traces are sent; `None` if traces are off.
    ///
    /// # Errors
    /// - `UsageError` if the connection would not be encrypted.
    pub fn otlp(&self) -> Result<Option<&str>, UsageError> {
        self.protection.otlp_endpoint.as_deref().map(otlp_endpoint).transpose()
    }

    /// Validates the options and completes them from the environment. Connects to nothing.
    ///
    /// # Errors
    /// - `UsageError` if an option or a variable is invalid or missing.
    /// - The engine's `Error::ObjectStore` if the bucket's settings are invalid.
    pub fn validate(self, config: &Config) -> anyhow::Result<Settings> {
        let bucket = match self.photo_store {
            Some(at) if picpick_engine::object_store::is_s3(&at) => {
                s3_access(&at)?.map(|access| (at, access))
            }
            Some(at) => {
                return Err(UsageError(format!(
                    "--photo-store: expected s3://BUCKET/PREFIX, received '{at}'"
                ))
                .into());
            }
            None => None,
        };
        let (protection, operations) = self.protection.validate()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            data: config.data.clone(),
            keyring: config.keyring.clone(),
            models: config.models.clone(),
            offline: config.offline.clone(),
            precision: config.precision,
            listen: self.listen,
            public_url: self.public_url.as_deref().map(public_url).transpose()?,
            allowed_hosts: self
                .allow_host
                .iter()
                .map(|text| listed_host(text))
                .collect::<Result<_, _>>()?,
            database: database()?,
            tls: self.tls_cert.zip(self.tls_key),
            trusted_proxies: self.trusted_proxies.iter().map(IpAddr::to_canonical).collect(),
            hsts_subdomains: self.hsts_subdomains,
            bucket,
            index_jobs: self.index_jobs.map_or(cores.saturating_sub(1).max(1), usize::from),
            photo_bytes_max: DecodeLimits::default().file_bytes_max,
            protection,
            quotas: self.quotas.settings(),
            operations,
            mail: self.mail.validate()?,
        })
    }
}

/// Returns the address of the service's database.
///
/// # Errors
/// - `UsageError` if PICPICK_DATABASE_URL is invalid or the file of PICPICK_DATABASE_URL_FILE cannot be read.
pub fn database_url(config: &Config) -> Result<String, UsageError> {
    Ok(database()?.unwrap_or_else(|| sqlite_at(&config.data)))
}

/// Returns the service's public address without a slash at its end.
///
/// # Errors
/// - `UsageError` unless `text` is `http://HOST` or `https://HOST`, with or without a port.
pub fn public_url(text: &str) -> Result<String, UsageError> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(plain) => Ok(url.to_owned()),
        _ => Err(UsageError(format!(
            "--public-url: expected an address like https://photos.example.com, received '{text}'"
        ))),
    }
}

/// Parses a value of `--allow-host`: a name, an IPv4 address or an IPv6 address in brackets, with or without
/// a port.
fn listed_host(text: &str) -> Result<ListedHost, UsageError> {
    let wrong = || {
        UsageError(format!(
            "--allow-host: expected a host like picpick.internal or picpick.internal:8080, received '{text}'"
        ))
    };
    let authority: Authority = text.parse().map_err(|_| wrong())?;
    let host = authority.host().to_ascii_lowercase();
    let port = match authority.as_str().to_ascii_lowercase().strip_prefix(host.as_str()) {
        Some("") => None,
        Some(port) => {
            Some(port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or_else(wrong)?)
        }
        None => return Err(wrong()),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(wrong());
    }
    Ok(ListedHost { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_host_is_a_host_with_or_without_a_port() {
        let parts =
            |text: &str| listed_host(text).map(|ListedHost { host, port }| (host, port)).ok();
        let host = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parts("Picpick.internal"), host("picpick.internal", None));
        assert_eq!(parts("picpick.internal:8080"), host("picpick.internal", Some(8080)));
        assert_eq!(parts("[::1]:8080"), host("[::1]", Some(8080)));
        for bad in
            ["", "*", "a:", "a:b", "a:99999", "a@b", "https://a.example", "a/b", "a b", ":8080"]
        {
            assert!(listed_host(bad).unwrap_err().0.contains("--allow-host"), "{bad}");
        }
    }

    #[test]
    fn a_public_address_is_scheme_and_host() {
        assert_eq!(public_url("https://a.example/").unwrap(), "https://a.example");
        assert_eq!(public_url("http://[::1]:80").unwrap(), "http://[::1]:80");
        for bad in
            ["", "a.example", "https://", "https://a/b", "https://a b", "javascript:alert(1)"]
        {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }
}
