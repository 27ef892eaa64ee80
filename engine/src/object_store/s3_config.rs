use std::net::{Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A secret text. It is overwritten in memory when dropped, and has no `Debug`, so that no log contains it.
#[derive(Clone)]
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes ownership of the text, so that no copy remains.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// The server-side encryption (SSE) of stored objects, in addition to their sealing before the upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// The bucket's default encryption.
    #[default]
    BucketDefault,
    /// SSE-S3: keys managed by the storage service.
    S3,
    /// SSE-KMS: a key of the provider's key management service, by id or Amazon Resource Name (ARN); `None`
    /// for the account's default key.
    Kms(Option<String>),
}

impl std::str::FromStr for Encryption {
    type Err = Error;

    /// Parses `bucket`, `s3`, `kms` or `kms:KEY`.
    ///
    /// # Errors
    ///
    /// - `ObjectStore`: any other text.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("bucket", "") => Ok(Self::BucketDefault),
            ("s3", "") => Ok(Self::S3),
            ("kms", "") => Ok(Self::Kms(None)),
            ("kms", key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self::Kms(Some(key.to_owned())))
            }
            _ => Err(refused(format!(
                "the encryption must be bucket, s3, kms or kms:KEY, received '{}'",
                text.escape_debug().take(80).collect::<String>()
            ))),
        }
    }
}

/// The configuration of one S3 service: endpoint, region, credentials and encryption.
///
/// [`S3Config::new`] rejects an endpoint that could send credentials unencrypted over a network, or to
/// another host than the intended host. The engine reads none of the values from the environment. The type
/// has no `Debug`, because it contains credentials.
#[derive(Clone)]
pub struct S3Config {
    pub(super) endpoint: Option<String>,
    pub(super) region: String,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretString,
    pub(super) session_token: Option<SecretString>,
    /// Whether URLs have the form `endpoint/bucket/name` instead of `bucket.endpoint/name`. True if an
    /// endpoint is given, because many S3 servers other than Amazon's have a single host name.
    pub(super) path_style: bool,
    pub(super) encryption: Encryption,
}

impl S3Config {
    /// Makes a configuration from valid values, without a connection. `endpoint` is a URL, or `None` for
    /// Amazon's endpoint in `region`. An endpoint without encryption (`http://`) must be a loopback address.
    ///
    /// # Errors
    ///
    /// - `ObjectStore`: an invalid value. The message states the expected form and never contains a
    ///   credential.
    pub fn new(
        endpoint: Option<&str>,
        region: &str,
        access_key_id: &str,
        secret_access_key: SecretString,
        session_token: Option<SecretString>,
    ) -> Result<Self> {
        let endpoint = endpoint.map(|url| check_endpoint(url).map_err(refused)).transpose()?;
        // The region is part of Amazon's host names.
        let in_host_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=63).contains(&region.len()) || !region.bytes().all(in_host_name) {
            let received: String = region.escape_debug().take(80).collect();
            return Err(refused(format!(
                "the region must be a name like eu-central-1, received '{received}'"
            )));
        }
        let token = session_token.as_ref().map_or("-", SecretString::reveal);
        for (what, text) in [
            ("access key id", access_key_id),
            ("secret access key", secret_access_key.reveal()),
            ("session token", token),
        ] {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(refused(format!(
                    "the {what} must be printable ASCII without spaces, and not empty"
                )));
            }
        }
        Ok(Self {
            path_style: endpoint.is_some(),
            encryption: Encryption::default(),
            endpoint,
            region: region.to_owned(),
            access_key_id: access_key_id.to_owned(),
            secret_access_key,
            session_token,
        })
    }
}

impl S3Config {
    /// Returns this configuration with `encryption` for stored objects.
    pub fn with_encryption(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }
}

fn refused(reason: String) -> Error {
    Error::ObjectStore { place: "access to S3".to_owned(), reason }
}

/// Returns the URL without a slash at its end, or the reason why it is rejected.
///
/// The check is stricter than the URL syntax, so that no two programs can read different hosts from the URL.
pub(super) fn check_endpoint(url: &str) -> std::result::Result<String, String> {
    // The part before an '@' may be a password.
    let received: String =
        url.rsplit('@').next().unwrap_or_default().escape_debug().take(200).collect();
    let malformed =
        || format!("the endpoint must be a URL like https://host, received '{received}'");
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !path.bytes().all(plain) || path.contains("..") || path.contains("//") {
        return Err(malformed());
    }
    let host = check_authority(authority).ok_or_else(malformed)?;
    match scheme {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => {
            return Err(format!(
                "'{received}' is not encrypted; expected https://, or http:// with a loopback address such as 127.0.0.1"
            ));
        }
        _ => return Err(malformed()),
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Returns the host of `host`, `host:port` or `[address]:port`.
fn check_authority(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("443"))?)
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
            let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            if host.is_empty() || !host.bytes().all(in_name) {
                return None;
            }
            (host, port)
        }
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_port.then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
