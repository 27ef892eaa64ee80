//! Middleware around every handler: request id and access log, client address, rate limits and admission
//! control, CORS, idempotency keys, security headers.

mod admission;
mod client;
mod cors;
mod headers;
mod log;
mod pace;
mod protect;
mod repeat;

pub use admission::{Admission, Place};
pub use client::{ClientAddress, Encrypted};
pub use cors::{TrustedOrigin, cors};
pub use headers::{no_such_method, no_such_route, secure};
pub use log::log;
pub use protect::{Known, protect};
pub use repeat::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, forget_answers, repeat};
