use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Version};

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

/// Returns the peer of the request's connection, if the connection carries no requests of other clients: a
/// proxy's HTTP/2 connection does.
pub fn own_connection(request: &Request, settings: &Settings) -> Option<SocketAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let is_shared = request.version() == Version::HTTP_2
        && settings.trusted_proxies.contains(&peer.ip().to_canonical());
    (!is_shared).then_some(*peer)
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

/// Returns the client's address: walks `X-Forwarded-For` from its end, beginning with the connection's
/// `peer`, while the address reached is a trusted proxy's. Each trusted proxy appended the entry before it;
/// entries further left come from the client. Several header lines are one list (RFC 9110, section 5.3).
///
/// An entry that is no address ends the walk at the proxy that sent it. The client can write the entries to
/// its left, so a longer walk would let the client choose its own address.
fn forwarded_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    let mut address = peer;
    while trusted.contains(&address) {
        let Some(before) = entries.next().and_then(forwarded_entry) else { break };
        address = before;
    }
    address
}

/// Parses an entry of `X-Forwarded-For`: `IP`, `IPV4:PORT`, `[IPV6]` or `[IPV6]:PORT`. Returns an IPv4-mapped
/// address as IPv4, so that each client and each proxy has one form.
fn forwarded_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
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
    fn an_entry_is_an_address_with_or_without_a_port() {
        let entry = |text: &str| forwarded_entry(text.as_bytes()).map(|ip| ip.to_string());
        for (text, address) in [
            ("203.0.113.5", "203.0.113.5"),
            (" 203.0.113.5:4431\t", "203.0.113.5"),
            ("2001:db8::2", "2001:db8::2"),
            ("[2001:db8::2]", "2001:db8::2"),
            ("[2001:db8::2]:443", "2001:db8::2"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("[::ffff:203.0.113.5]:1", "203.0.113.5"),
        ] {
            assert_eq!(entry(text).as_deref(), Some(address), "{text}");
        }
        for none in [
            "",
            "unknown",
            "_hidden",
            "203.0.113",
            "203.0.113.5:",
            "203.0.113.5:65536",
            "203.0.113.5 1",
            "[203.0.113.5]",
            "[2001:db8::2",
            "2001:db8::2]:1",
            "\"[2001:db8::2]:1\"",
            "for=203.0.113.5",
        ] {
            assert_eq!(entry(none), None, "{none}");
        }
        assert_eq!(forwarded_entry(b"203.0.113.5\xff"), None);
    }

    /// An entry of a generated list: its text, and its address if it is one.
    fn generated_entry(random: &mut impl FnMut(u64) -> u64) -> (String, Option<IpAddr>) {
        const MALFORMED: [&str; 7] =
            ["unknown", "_hidden", "", "203.0.113.5:", "1.2.3", "[1.2.3.4]:5", "for=1.2.3.4"];
        let number = random(4);
        let ip: IpAddr = match random(4) {
            // A trusted proxy, which the client may name too.
            0 => format!("10.0.0.{number}").parse().unwrap(),
            1 => format!("2001:db8::{number}").parse().unwrap(),
            _ => format!("203.0.113.{number}").parse().unwrap(),
        };
        match random(6) {
            0 => (MALFORMED[random(7) as usize].to_owned(), None),
            1 => (SocketAddr::new(ip, random(65536) as u16).to_string(), Some(ip)),
            2 => (format!(" {ip}\t"), Some(ip)),
            _ => (ip.to_string(), Some(ip)),
        }
    }

    #[test]
    fn generated_lists_give_what_a_plain_reading_gives() {
        // SplitMix64, as in the project's other generators.
        let mut state = 15_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % below
        };
        let trusted: Vec<IpAddr> =
            (0..3).map(|number| format!("10.0.0.{number}").parse().unwrap()).collect();
        let mut outcomes = [0; 3];
        for _ in 0..20_000 {
            let peer: IpAddr = format!("10.0.0.{}", random(4)).parse().unwrap();
            let list: Vec<_> = (0..random(6)).map(|_| generated_entry(&mut random)).collect();
            let mut headers = HeaderMap::new();
            let mut line = Vec::new();
            for (text, _) in &list {
                line.push(text.as_str());
                if random(3) == 0 {
                    headers.append("x-forwarded-for", line.join(",").parse().unwrap());
                    line.clear();
                }
            }
            if !line.is_empty() {
                headers.append("x-forwarded-for", line.join(",").parse().unwrap());
            }
            // The oracle: cuts the list after its last unreadable entry, then drops trusted proxies from its
            // end.
            let unreadable = list.iter().rposition(|(_, ip)| ip.is_none());
            let readable = list.iter().skip(unreadable.map_or(0, |at| at + 1));
            let chain: Vec<IpAddr> = readable.filter_map(|(_, ip)| *ip).chain([peer]).collect();
            let first_stranger = chain.iter().rposition(|ip| !trusted.contains(ip));
            let expected = chain[first_stranger.unwrap_or(0)];
            assert_eq!(forwarded_address(peer, &headers, &trusted), expected, "{peer} {list:?}");
            outcomes[usize::from(expected != peer) + usize::from(unreadable.is_some())] += 1;
        }
        assert!(outcomes.iter().all(|&count| count > 500), "{outcomes:?}");
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
