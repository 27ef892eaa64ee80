//! Observability for the operator: metrics, traces and the memory of the process. `http/metrics_listener.rs`
//! serves the metrics at an address of their own.

pub mod line_writer;
pub mod memory;
pub mod metrics;
pub mod trace;

pub use trace::Traces;
