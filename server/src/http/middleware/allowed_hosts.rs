use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::config::settings::ListedHost;
use crate::error::{ApiError, ErrorKind, Result};

/// The hosts that a listener serves. A page of another site that resolves its own name to this machine's
/// address (DNS rebinding) names its own host in its requests, and gets no response.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    hosts: Arc<[AllowedHost]>,
    /// The port that a request without a port means: 443 with TLS, otherwise 80.
    default_port: u16,
}

/// An entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AllowedHost {
    /// A name or an address, at any port: the operator or a proxy chooses the port that clients see.
    AnyPort(String),
    AtPort(String, u16),
    /// Any IP address at this port. DNS rebinding cannot use this entry, because the attacker's request names a
    /// host name and not an address.
    AnyAddress(u16),
}

impl AllowedHosts {
    /// Returns the hosts of the listener at `listening`: its address, the host of the public URL, and the
    /// hosts that the operator `added`. Without a public URL, loopback names and addresses are allowed at the
    /// listener's port.
    pub fn of(
        listening: SocketAddr,
        encrypted: bool,
        public_url: Option<&str>,
        added: &[ListedHost],
    ) -> Self {
        let (ip, port) = (listening.ip().to_canonical(), listening.port());
        // A listener at an unspecified address receives connections to every address of the machine.
        let mut hosts = match ip.is_unspecified() {
            true => vec![AllowedHost::AnyAddress(port)],
            false => vec![AllowedHost::AtPort(host_of_ip(ip), port)],
        };
        match public_url.and_then(host_of_url) {
            Some(host) => hosts.push(AllowedHost::AnyPort(host)),
            None => {
                let loopback = ["localhost", "127.0.0.1", "[::1]"];
                hosts.extend(loopback.map(|host| AllowedHost::AtPort(host.to_owned(), port)));
            }
        }
        hosts.extend(added.iter().map(|ListedHost { host, port }| match port {
            Some(port) => AllowedHost::AtPort(normal_form(host), *port),
            None => AllowedHost::AnyPort(normal_form(host)),
        }));
        Self { hosts: hosts.into(), default_port: if encrypted { 443 } else { 80 } }
    }

    /// Returns whether the list has the host and port of `authority`.
    fn has(&self, authority: &Authority) -> bool {
        let text = authority.as_str();
        // RFC 9110, section 4.2.4: an authority with user information is likely to be an attack.
        let Some(port) = port_of(authority, self.default_port).filter(|_| !text.contains('@'))
        else {
            return false;
        };
        let host = normal_form(authority.host());
        self.hosts.iter().any(|allowed| match allowed {
            AllowedHost::AnyPort(name) => *name == host,
            AllowedHost::AtPort(name, at) => *name == host && *at == port,
            AllowedHost::AnyAddress(at) => *at == port && ip_of_host(&host).is_some(),
        })
    }

    /// Checks the host of a request: `Host` and, in HTTP/2 and in a request target in absolute form, the
    /// authority of `target`.
    ///
    /// # Errors
    /// - `BadRequest` unless the request has one host: several `Host` headers, none in HTTP/1.1 (RFC 9112,
    ///   section 3.2), or an invalid one.
    /// - `ForeignHost` if this listener does not serve the host.
    fn check(&self, version: Version, target: &Uri, headers: &HeaderMap) -> Result<()> {
        let mut lines = headers.get_all(header::HOST).into_iter();
        let host = match (lines.next(), lines.next()) {
            (Some(line), None) => Some(Authority::try_from(line.as_bytes()).map_err(|_| {
                bad("The header Host is no host; send the host and port of this service.")
            })?),
            (Some(_), Some(_)) => {
                return Err(bad("The request has several headers Host; send exactly one."));
            }
            (None, _) => None,
        };
        let is_missing = match version {
            // HTTP/1.0 does not require the header, and no browser sends such a request.
            Version::HTTP_09 | Version::HTTP_10 => false,
            Version::HTTP_11 => host.is_none(),
            _ => host.is_none() && target.authority().is_none(),
        };
        if is_missing {
            return Err(bad("The request names no host; send the header Host."));
        }
        let foreign = || {
            let detail = "This server does not serve the host that the request names; use the service's public address. \
                          The operator sets it with --public-url and adds others with --allow-host.";
            ApiError::new(ErrorKind::ForeignHost, detail)
        };
        let all = host.as_ref().into_iter().chain(target.authority());
        if all.into_iter().all(|authority| self.has(authority)) { Ok(()) } else { Err(foreign()) }
    }
}

fn bad(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, detail)
}

/// Rejects requests to hosts that the list does not have.
pub async fn check_host(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Response {
    match allowed.check(request.version(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// Returns the port of `authority`, `default` if it has none, or `None` if it has an invalid one.
fn port_of(authority: &Authority, default: u16) -> Option<u16> {
    let rest = authority.as_str().rsplit('@').next()?.strip_prefix(authority.host())?;
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some(default),
        Some("") => Some(default),
        Some(port) => port.parse().ok(),
    }
}

fn host_of_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.host().map(normal_form)
}

/// Returns `host` in lower case, and an address in its shortest form.
fn normal_form(host: &str) -> String {
    ip_of_host(host).map_or_else(|| host.to_ascii_lowercase(), |ip| host_of_ip(ip.to_canonical()))
}

fn ip_of_host(host: &str) -> Option<IpAddr> {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

fn host_of_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the status of a request to a listener: 200, 400 or 421.
    fn status(hosts: &AllowedHosts, version: Version, target: &str, sent: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for host in sent {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let checked = hosts.check(version, &target.parse().unwrap(), &headers);
        checked.map_or_else(|failure| failure.kind.status().as_u16(), |()| 200)
    }

    fn hosts(listening: &str, public_url: Option<&str>, added: &[ListedHost]) -> AllowedHosts {
        AllowedHosts::of(listening.parse().unwrap(), false, public_url, added)
    }

    fn allows(hosts: &AllowedHosts, host: &str) -> bool {
        status(hosts, Version::HTTP_11, "/", &[host]) == 200
    }

    #[test]
    fn a_request_has_one_host() {
        let own = hosts("127.0.0.1:8080", None, &[]);
        for (version, target, sent, expected) in [
            (Version::HTTP_11, "/", &["localhost:8080"][..], 200),
            (Version::HTTP_11, "/", &[], 400),
            (Version::HTTP_11, "/", &["localhost:8080", "localhost:8080"], 400),
            (Version::HTTP_11, "/", &["a b"], 400),
            (Version::HTTP_11, "/", &[""], 400),
            (Version::HTTP_11, "http://localhost:8080/", &[], 400),
            (Version::HTTP_11, "http://localhost:8080/", &["localhost:8080"], 200),
            (Version::HTTP_11, "http://evil.example:8080/", &["localhost:8080"], 421),
            (Version::HTTP_11, "http://localhost:8080/", &["evil.example:8080"], 421),
            (Version::HTTP_10, "/", &[], 200),
            (Version::HTTP_10, "/", &["evil.example"], 421),
            (Version::HTTP_2, "http://localhost:8080/", &[], 200),
            (Version::HTTP_2, "http://evil.example:8080/", &[], 421),
            (Version::HTTP_2, "http://localhost:8080/", &["evil.example:8080"], 421),
            (Version::HTTP_2, "/", &[], 400),
        ] {
            assert_eq!(
                status(&own, version, target, sent),
                expected,
                "{version:?} {target} {sent:?}"
            );
        }
    }

    #[test]
    fn without_a_public_url_loopback_and_the_listener_are_served() {
        let own = hosts("192.168.1.5:8080", None, &[]);
        for host in
            ["192.168.1.5:8080", "localhost:8080", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080"]
        {
            assert!(allows(&own, host), "{host}");
        }
        for host in [
            "192.168.1.5",
            "192.168.1.6:8080",
            "localhost:8081",
            "localhost",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "user@localhost:8080",
            "localhost:99999",
            "127.1:8080",
        ] {
            assert!(!allows(&own, host), "{host}");
        }
        assert!(allows(&hosts("127.0.0.1:80", None, &[]), "localhost"));
    }

    #[test]
    fn with_a_public_url_its_host_and_the_listener_are_served() {
        let url = Some("https://Photos.example.com");
        let own = hosts("127.0.0.1:8080", url, &[]);
        for host in ["photos.example.com", "PHOTOS.example.com:443", "127.0.0.1:8080"] {
            assert!(allows(&own, host), "{host}");
        }
        for host in
            ["localhost:8080", "example.com", "photos.example.com.evil.example", "10.0.0.1:8080"]
        {
            assert!(!allows(&own, host), "{host}");
        }
        // Every address of the machine is one of this listener's.
        let all = hosts("[::]:8080", url, &[]);
        for host in ["127.0.0.1:8080", "10.1.2.3:8080", "[fd00::1]:8080", "photos.example.com"] {
            assert!(allows(&all, host), "{host}");
        }
        assert!(!allows(&all, "10.1.2.3:8081") && !allows(&all, "evil.example:8080"));
    }

    #[test]
    fn added_hosts_are_served() {
        let listed = |host: &str, port| ListedHost { host: host.to_owned(), port };
        let added = [listed("picpick.internal", None), listed("[::1]", Some(9000))];
        let own = hosts("127.0.0.1:8080", Some("https://a.example"), &added);
        for host in ["picpick.internal", "picpick.internal:9090", "[0:0::1]:9000"] {
            assert!(allows(&own, host), "{host}");
        }
        assert!(!allows(&own, "[::1]:9001"));
    }
}
