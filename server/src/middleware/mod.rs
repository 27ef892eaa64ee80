//! What happens to every request beside its handler: an id, an address, limits, headers, a log line.
//!
//! Knows no route.

mod client;
mod headers;
mod log;

pub use client::ClientAddress;
pub use headers::{no_such_method, no_such_route, secure};
pub use log::log;
