//! What those who run the service see of it: figures, and whether it is alive and ready.
//!
//! Served at an address of its own (`listen.rs`). Holds nothing of what the service keeps.

pub mod health;
mod listen;
mod memory;
pub mod metrics;

pub use listen::serve_figures;
