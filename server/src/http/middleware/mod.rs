//! Middleware around every handler: request id and access log, allowed hosts, client address, rate limits and
//! admission control, CORS, idempotency keys, security headers.

pub mod access_log;
pub mod allowed_hosts;
pub mod body_rate;
pub mod cors;
pub mod idempotency;
pub mod security_headers;
pub mod throttle;

pub use access_log::access_log;
pub use allowed_hosts::{AllowedHosts, check_host};
pub use cors::cors;
pub use idempotency::{
    IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, delete_expired_responses, idempotency,
};
pub use security_headers::{hsts, no_such_method, no_such_route, security_headers};
pub use throttle::throttle;
