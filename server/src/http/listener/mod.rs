//! The listener: accepts connections, limits their number overall and per address, closes silent connections
//! after a time limit and those whose clients read too slowly, and terminates TLS.

mod paced_stream;
pub mod tls;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum_server::accept::{Accept, DefaultAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use self::paced_stream::PacedStream;
use crate::config::settings::Settings;
use crate::infra::open_connections::OpenConnections;
use crate::infra::telemetry::metrics;

/// Maximum time to receive the headers of a request, and maximum idle time of a connection: 30 s.
const HEADERS_MAX: Duration = Duration::from_secs(30);
/// Maximum time for the TLS handshake, and for the answer to an HTTP/2 ping: 10 s.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// Maximum size of the headers of an HTTP/2 request: 32 KiB.
const HEADER_BYTES_MAX: u32 = 32 << 10;
/// Maximum read buffer of an HTTP/1 connection: 128 KiB. The headers of a request must fit into the buffer.
const BUFFER_BYTES_MAX: usize = 128 << 10;
/// Maximum number of concurrent requests on an HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// Size of a connection's send buffer in the kernel, 384 KiB, so that a client that does not read holds little
/// memory, and the server soon notices that it reads slowly. At a round-trip time of 50 ms, a connection sends
/// about 7 MB/s.
const SEND_BUFFER_BYTES: usize = 384 << 10;
/// Interval of HTTP/2 pings: 30 s. Pings detect a peer that has disappeared without closing its connection.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Binds the listening address. Returns the socket and its address.
///
/// # Errors
/// - The address cannot be bound, for instance because it is in use.
pub fn bind(settings: &Settings) -> Result<(TcpListener, SocketAddr)> {
    let address = settings.listen;
    let listener = TcpListener::bind(address)
        .with_context(|| format!("listening on {address}; choose another with --listen"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Returns a future that serves `app` on `listener` until `handle` shuts it down.
///
/// # Errors
/// - The certificate or its key cannot be read, other users may read the key, or the two do not belong
///   together.
pub fn open(
    app: Router,
    listener: TcpListener,
    settings: &Settings,
    connections: OpenConnections,
    handle: Handle<SocketAddr>,
) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
    let encrypted = settings.tls.clone().map(|files| tls::open(&files)).transpose()?;
    let places = Arc::new(ConnectionLimiter {
        most: settings.protection.connections_max,
        trusted: settings.trusted_proxies.clone(),
        taken: Mutex::default(),
    });
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(async move {
        let server = timed(axum_server::from_tcp(listener)?.handle(handle));
        match encrypted {
            Some((config, files)) => {
                let fresh = tokio::spawn(tls::reload_certificate(config.clone(), files));
                let inner = RustlsAcceptor::new(RustlsConfig::clone(&config));
                let inner = inner.handshake_timeout(IDLE_MAX);
                let served = server
                    .acceptor(LimitingAcceptor { inner, places, connections })
                    .serve(service)
                    .await;
                fresh.abort();
                Ok(served?)
            }
            None => {
                let inner = DefaultAcceptor::new();
                Ok(server
                    .acceptor(LimitingAcceptor { inner, places, connections })
                    .serve(service)
                    .await?)
            }
        }
    })
}

fn timed(server: Server<SocketAddr>) -> Server<SocketAddr> {
    let mut server = server.first_request_timeout(HEADERS_MAX);
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEADERS_MAX).max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(IDLE_MAX);
    server
}

/// A limit on open connections, overall and per client address.
struct ConnectionLimiter {
    most: usize,
    /// Trusted proxies. They are exempt from the limit per address, because each carries the connections of
    /// many clients.
    trusted: Vec<IpAddr>,
    taken: Mutex<TakenSlots>,
}

#[derive(Default)]
struct TakenSlots {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The slot of one connection. Dropping the value frees the slot.
struct ConnectionSlot {
    places: Arc<ConnectionLimiter>,
    address: IpAddr,
}

impl ConnectionLimiter {
    /// Takes a slot. Returns `None` if all slots are taken, or if `address` holds half of the slots and is
    /// not a trusted proxy.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock();
        let own = taken.by_address.get(&address).copied().unwrap_or(0);
        let greedy = own >= self.most / 2 && !self.trusted.contains(&address);
        if taken.all >= self.most || greedy {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, own + 1);
        metrics::set_connections(taken.all);
        drop(taken);
        Some(ConnectionSlot { places: Arc::clone(self), address })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        metrics::set_connections(taken.all);
        match taken.by_address.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_address.remove(&self.address)),
        }
    }
}

/// An acceptor that refuses connections when no slot is free.
#[derive(Clone)]
struct LimitingAcceptor<A> {
    inner: A,
    places: Arc<ConnectionLimiter>,
    connections: OpenConnections,
}

type Accepted<St, Se> = Pin<Box<dyn Future<Output = io::Result<(PacedStream<St>, Se)>> + Send>>;

impl<A, S> Accept<TcpStream, S> for LimitingAcceptor<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = PacedStream<A::Stream>;
    type Service = A::Service;
    type Future = Accepted<A::Stream, A::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let peer = stream.peer_addr().ok();
        let place = peer.and_then(|peer| Some((peer, self.places.take(peer.ip())?)));
        let Some((peer, place)) = place else {
            metrics::count_rejected("connections");
            let full = io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections");
            return Box::pin(async move { Err(full) });
        };
        // Responses are small and written whole, so Nagle's algorithm only delays them. A failure to disable
        // it is no reason to refuse the connection.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
        let connection = self.connections.add(peer);
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((PacedStream::new(stream, connection, place), service))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_half_of_the_places_and_a_proxy_all() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let guest: IpAddr = "1.2.3.4".parse().unwrap();
        let places =
            Arc::new(ConnectionLimiter { most: 4, trusted: vec![proxy], taken: Mutex::default() });
        let mut held: Vec<ConnectionSlot> = (0..2).filter_map(|_| places.take(guest)).collect();
        assert_eq!(held.len(), 2);
        assert!(places.take(guest).is_none(), "half is taken");
        held.extend((0..9).filter_map(|_| places.take(proxy)));
        assert_eq!(held.len(), 4, "a proxy may take all remaining slots, but no more");
        held.remove(0);
        assert!(places.take(guest).is_some());
        held.clear();
        let taken = places.taken.lock();
        assert!(taken.all == 0 && taken.by_address.is_empty());
    }
}
