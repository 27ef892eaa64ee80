//! The address that a request comes from: the connection's, or what a trusted proxy says of it.
//!
//! Headers of anybody else are not believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::error::Failure;
use crate::state::App;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // In tests there may be no connection.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        Ok(Self(told_by_proxies(peer, &parts.headers, &app.settings().trusted_proxies)))
    }
}

/// The last address of `X-Forwarded-For` that no trusted proxy added on its own behalf.
fn told_by_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let (proxy, guest): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "1.2.3.4".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "9.9.9.9, 1.2.3.4".parse().unwrap());
        assert_eq!(told_by_proxies(proxy, &headers, &[proxy]), guest);
        assert_eq!(told_by_proxies(guest, &headers, &[proxy]), guest, "a guest's own header");
        assert_eq!(told_by_proxies(proxy, &headers, &[]), proxy);
        assert_eq!(told_by_proxies(proxy, &HeaderMap::new(), &[proxy]), proxy);
    }
}
