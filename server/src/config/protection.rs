use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;
use clap::Args;
use zeroize::Zeroizing;

use crate::config::UsageError;
use crate::config::settings::{
    LimitSettings, ObservabilitySettings, Origins, RateSettings, Webhook,
};

/// The options of rate limits, concurrency limits and observability, as given. The defaults suit one machine,
/// the guests of a venue behind one address, and a studio that uploads photos all day.
#[derive(Args, Debug)]
#[command(next_help_heading = "Protection and operation")]
pub struct RawProtection {
    /// Rate limit of one client address, in units per second, with a burst of one minute's units: a
    /// read costs 1, a change 2, a search 20, a sign-in 50
    #[arg(long, env = "PICPICK_RATE_LIMIT_IP", value_name = "UNITS", default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate_limit_ip: u32,
    /// Rate limit of one account with all its sessions, in the units of --rate-limit-ip per second
    #[arg(long, env = "PICPICK_RATE_LIMIT_ACCOUNT", value_name = "UNITS", default_value = "200",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000), hide_short_help = true)]
    rate_limit_account: u32,
    /// Rate limit of one API key, in the units of --rate-limit-ip per second
    #[arg(long, env = "PICPICK_RATE_LIMIT_KEY", value_name = "UNITS", default_value = "500",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000), hide_short_help = true)]
    rate_limit_key: u32,
    /// Requests processed at the same time; as many uploads are processed in addition
    #[arg(long, env = "PICPICK_MAX_CONCURRENT_REQUESTS", value_name = "N", default_value = "256",
        value_parser = clap::value_parser!(u16).range(1..=10_000), hide_short_help = true)]
    max_concurrent_requests: u16,
    /// Searches and guests' camera frames processed at the same time, in addition to the requests
    /// [default: the number of processor cores]
    #[arg(long, env = "PICPICK_MAX_CONCURRENT_SEARCHES", value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=512), hide_short_help = true)]
    max_concurrent_searches: Option<u16>,
    /// Seconds until the response to a request must start; uploads have no such limit, and erasures,
    /// purges and exports have at least 600 seconds
    #[arg(long, env = "PICPICK_REQUEST_TIMEOUT_S", value_name = "SECONDS", default_value = "30",
        value_parser = clap::value_parser!(u16).range(1..=3600), hide_short_help = true)]
    request_timeout_s: u16,
    /// Connections open at the same time; one address may have half of this number
    #[arg(long, env = "PICPICK_MAX_CONNECTIONS", value_name = "N", default_value = "8192",
        value_parser = clap::value_parser!(u32).range(2..=1_000_000), hide_short_help = true)]
    max_connections: u32,
    /// Another origin whose pages may call the API without cookies; may be given several times
    #[arg(
        long = "allow-origin",
        env = "PICPICK_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        hide_short_help = true
    )]
    allow_origin: Vec<String>,
    /// Another origin whose pages may call the API with the cookies of signed-in users; may be given
    /// several times
    #[arg(
        long = "allow-origin-with-cookies",
        env = "PICPICK_ALLOW_ORIGIN_WITH_COOKIES",
        value_name = "ORIGIN",
        value_delimiter = ',',
        hide_short_help = true
    )]
    allow_origin_with_cookies: Vec<String>,
    /// Address and port of /metrics, /healthz and /readyz for the operators; without this option
    /// there are no metrics
    #[arg(long, env = "PICPICK_METRICS_LISTEN", value_name = "IP:PORT", hide_short_help = true)]
    metrics_listen: Option<SocketAddr>,
    /// Where to report vulnerabilities, for instance mailto:security@example.com; published in
    /// /.well-known/security.txt; may be given several times
    #[arg(
        long = "security-contact",
        env = "PICPICK_SECURITY_CONTACT",
        value_name = "URI",
        value_delimiter = ',',
        hide_short_help = true
    )]
    security_contact: Vec<String>,
    /// Send a trace of each request to an OpenTelemetry collector, for instance
    /// http://127.0.0.1:4318/v1/traces
    #[arg(long, env = "PICPICK_OTLP_ENDPOINT", value_name = "URL", hide_short_help = true)]
    pub otlp_endpoint: Option<String>,
}

impl RawProtection {
    /// Validates the options and completes them from the environment.
    ///
    /// # Errors
    /// - `UsageError` if an origin, a security contact, the webhook's URL or its secret is invalid.
    pub fn validate(self) -> Result<(LimitSettings, ObservabilitySettings), UsageError> {
        let origins = |option: &str, texts: &[String]| {
            texts.iter().map(|text| origin(option, text)).collect::<Result<Vec<_>, _>>()
        };
        let without_cookies = origins("--allow-origin", &self.allow_origin)?;
        let with_cookies = origins("--allow-origin-with-cookies", &self.allow_origin_with_cookies)?;
        let default = LimitSettings::default();
        let protection = LimitSettings {
            rates: RateSettings {
                address: self.rate_limit_ip,
                account: self.rate_limit_account,
                key: self.rate_limit_key,
            },
            requests_max: usize::from(self.max_concurrent_requests),
            search_concurrency: self
                .max_concurrent_searches
                .map_or(default.search_concurrency, usize::from),
            request_time_max: Duration::from_secs(u64::from(self.request_timeout_s)),
            connections_max: usize::try_from(self.max_connections).unwrap_or(usize::MAX),
            origins: Origins { without_cookies, with_cookies },
        };
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let webhook = webhook(set("PICPICK_ALERT_WEBHOOK"), set("PICPICK_ALERT_WEBHOOK_SECRET"))?;
        let contacts = self.security_contact.iter().map(|text| security_contact(text));
        let operations = ObservabilitySettings {
            metrics_listen: self.metrics_listen,
            webhook,
            security_contacts: contacts.collect::<Result<_, _>>()?,
        };
        Ok((protection, operations))
    }
}

/// Checks an origin: scheme, host and port in the form that browsers send in `Origin`.
fn origin(option: &str, text: &str) -> Result<String, UsageError> {
    let wrong = || {
        UsageError(format!(
            "{option}: expected an origin like https://studio.example.com, received '{text}'"
        ))
    };
    let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    let fits = ["https", "http"].contains(&scheme) && !host.is_empty() && host.bytes().all(plain);
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// Checks a contact for `security.txt`: an address that RFC 9116, section 2.5.3, names, on one line.
fn security_contact(text: &str) -> Result<String, UsageError> {
    let schemes = ["mailto:", "https://", "tel:"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        _ => Err(UsageError(format!(
            "--security-contact: expected mailto:ADDRESS, https://ADDRESS or tel:NUMBER, received '{text}'"
        ))),
    }
}

/// Checks the webhook's URL and secret. Errors never contain the URL, because the URL is a secret too: any
/// client that has it can post.
fn webhook(url: Option<String>, secret: Option<String>) -> Result<Option<Webhook>, UsageError> {
    /// Minimum length of the secret, characters, so that the secret is hard to guess.
    const SECRET_CHARS_MIN: usize = 16;
    let Some(url) = url else { return Ok(None) };
    if !is_encrypted_or_local(&url) {
        return Err(UsageError(
            "PICPICK_ALERT_WEBHOOK: expected an https:// address, or http:// on this machine"
                .into(),
        ));
    }
    match secret {
        Some(secret) if secret.chars().count() >= SECRET_CHARS_MIN => {
            Ok(Some(Webhook { url: Zeroizing::new(url), secret: Zeroizing::new(secret) }))
        }
        _ => Err(UsageError(format!(
            "PICPICK_ALERT_WEBHOOK_SECRET: expected at least {SECRET_CHARS_MIN} characters; it signs the alerts"
        ))),
    }
}

/// Returns whether `url` is an `https` address, or an `http` address of this machine.
fn is_encrypted_or_local(url: &str) -> bool {
    let parsed: Option<Uri> = url.parse().ok();
    let host = parsed.as_ref().and_then(Uri::host).unwrap_or_default();
    let scheme = parsed.as_ref().and_then(Uri::scheme_str).unwrap_or_default();
    let local = match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    };
    !host.is_empty() && (scheme == "https" || (scheme == "http" && local))
}

/// Checks the address to which traces are sent. Traces name routes, tenants and times of requests.
///
/// # Errors
/// - `UsageError` if the connection would not be encrypted.
pub fn otlp_endpoint(url: &str) -> Result<&str, UsageError> {
    if is_encrypted_or_local(url) {
        return Ok(url);
    }
    Err(UsageError(format!(
        "--otlp-endpoint: expected an https:// address, or http:// on this machine, received '{url}'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in ["https://a.example", "http://localhost:3000", "https://[::1]:8"] {
            assert_eq!(origin("--o", good).unwrap(), good);
        }
        for bad in [
            "*",
            "null",
            "https://a.example/",
            "https://A.example",
            "a.example",
            "https://",
            "ftp://a",
        ] {
            assert!(origin("--o", bad).unwrap_err().0.contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_security_contact_is_one_line_with_a_known_scheme() {
        for good in
            ["mailto:security@example.com", "https://example.com/security", "tel:+1-201-555"]
        {
            assert_eq!(security_contact(good).unwrap(), good);
        }
        for bad in [
            "security@example.com",
            "http://example.com",
            "mailto:",
            "mailto:a@b.c\nExpires: x",
            "",
        ] {
            assert!(security_contact(bad).unwrap_err().0.contains("--security-contact"), "{bad}");
        }
    }

    #[test]
    fn traces_leave_the_machine_encrypted_or_not_at_all() {
        for good in ["http://127.0.0.1:4318/v1/traces", "https://otlp.example/v1/traces"] {
            assert_eq!(otlp_endpoint(good).unwrap(), good);
        }
        for bad in ["http://otlp.example/v1/traces", "http://10.0.0.1:4318", "", "otlp.example"] {
            assert!(otlp_endpoint(bad).unwrap_err().0.contains("--otlp-endpoint"), "{bad}");
        }
    }

    #[test]
    fn alerts_leave_the_machine_encrypted_and_signed_or_not_at_all() {
        let secret = || Some("0123456789abcdef".to_owned());
        let set = |url: &str| webhook(Some(url.to_owned()), secret());
        for good in [
            "https://hooks.example/x?t=1",
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(set(good).unwrap().is_some(), "{good}");
        }
        for bad in
            ["http://hooks.example/x", "https:///a", "ftp://a/", "http://10.0.0.1/", "s3cret"]
        {
            let error = set(bad).err().unwrap();
            assert!(!error.0.contains(bad), "{}", error.0);
        }
        assert!(webhook(Some("https://a/".into()), Some("short".into())).is_err());
        assert!(webhook(Some("https://a/".into()), None).is_err());
        assert!(webhook(None, secret()).unwrap().is_none());
    }
}
