//! Observability for the operator: metrics, traces, liveness and readiness. Metrics are served at an address
//! of their own (`listen.rs`).

pub mod memory;
pub mod metrics;
pub mod trace;

pub use trace::Traces;
