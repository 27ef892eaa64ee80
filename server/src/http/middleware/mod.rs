//! Middleware around every handler: request id and access log, client address, rate limits and admission
//! control, CORS, idempotency keys, security headers.

pub mod access_log;
pub mod body_rate;
pub mod cors;
pub mod idempotency;
pub mod security_headers;
pub mod throttle;

pub use access_log::log;
pub use cors::cors;
pub use idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, forget_answers, repeat};
pub use security_headers::{no_such_method, no_such_route, secure};
pub use throttle::protect;
