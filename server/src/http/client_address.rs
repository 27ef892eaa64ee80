use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use crate::app::App;
use crate::config::settings::Settings;
use crate::error::ApiError;

/// The client's address: the peer of the connection or, behind trusted proxies, the address from
/// `X-Forwarded-For`. Forwarding headers from other peers are ignored.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Whether the client's own connection is encrypted: TLS ends at this service, or a trusted proxy reports
/// `https` in `X-Forwarded-Proto`.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted(pub bool);

/// Marks a request from an origin that may use cookies. The CSRF check does not apply to such a request.
#[derive(Clone, Copy, Debug)]
pub struct TrustedOrigin;

impl ClientAddress {
    pub fn of_request(request: &Request, settings: &Settings) -> Self {
        Self::of(request.extensions(), request.headers(), settings)
    }

    fn of(extensions: &Extensions, headers: &HeaderMap, settings: &Settings) -> Self {
        Self(forwarded_address(peer(extensions), headers, &settings.trusted_proxies))
    }
}

impl Encrypted {
    pub fn of_request(request: &Request, settings: &Settings) -> Self {
        Self::of(request.extensions(), request.headers(), settings)
    }

    pub fn of_parts(parts: &Parts, settings: &Settings) -> Self {
        Self::of(&parts.extensions, &parts.headers, settings)
    }

    fn of(extensions: &Extensions, headers: &HeaderMap, settings: &Settings) -> Self {
        let proxy = settings.trusted_proxies.contains(&peer(extensions));
        Self(settings.is_encrypted() || (proxy && says_https(headers)))
    }
}

/// Returns whether the nearest proxy reports `https`: its entry is the last in `X-Forwarded-Proto`.
fn says_https(headers: &HeaderMap) -> bool {
    let schemes = headers.get_all("x-forwarded-proto").into_iter().next_back();
    let schemes = schemes.and_then(|value| value.to_str().ok()).unwrap_or_default();
    schemes.rsplit(',').next().is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    // Tests without a connection have no peer.
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical())
}

impl FromRequestParts<App> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self::of(&parts.extensions, &parts.headers, &app.settings))
    }
}

impl FromRequestParts<App> for Encrypted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self::of_parts(parts, &app.settings))
    }
}

/// Returns the client's address from the chain of `X-Forwarded-For` and `peer`: the last address that is not
/// a trusted proxy's, or the first address if all are trusted proxies.
fn forwarded_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let listed =
        headers.get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
    let mut chain: Vec<IpAddr> = listed
        .flat_map(|text| text.split(','))
        .filter_map(|text| text.trim().parse().ok())
        .collect();
    chain.push(peer);
    let stranger = chain.iter().rev().find(|address| !trusted.contains(address));
    stranger.or(chain.first()).copied().unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let (proxy, guest): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "1.2.3.4".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "9.9.9.9, 1.2.3.4".parse().unwrap());
        assert_eq!(forwarded_address(proxy, &headers, &[proxy]), guest);
        assert_eq!(forwarded_address(guest, &headers, &[proxy]), guest, "a guest's own header");
        assert_eq!(forwarded_address(proxy, &headers, &[]), proxy);
        assert_eq!(forwarded_address(proxy, &HeaderMap::new(), &[proxy]), proxy);
    }

    #[test]
    fn the_nearest_proxy_says_whether_a_connection_is_encrypted() {
        for (value, encrypted) in
            [("https", true), ("http, HTTPS", true), ("https, http", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-proto", value.parse().unwrap());
            assert_eq!(says_https(&headers), encrypted, "{value}");
        }
        assert!(!says_https(&HeaderMap::new()));
    }
}
