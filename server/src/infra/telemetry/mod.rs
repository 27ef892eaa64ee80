//! Observability for the operator: metrics, traces, liveness and readiness. Metrics are served at an address
//! of their own (`listen.rs`).

pub mod health;
mod listen;
mod memory;
pub mod metrics;
mod trace;

pub use listen::serve_figures;
pub use trace::Traces;
