//! Observability for the operator: metrics, traces, liveness and readiness. Metrics are served at an address
//! of their own (`http/metrics_listener.rs`).

pub mod memory;
pub mod metrics;
pub mod trace;

pub use trace::Traces;
