pub mod auth;
pub mod client_address;
pub mod extract;
pub mod health;
pub mod listener;
pub mod locale;
pub mod metrics_listener;
pub mod middleware;
