//! Processes that are killed with signal 9 at random moments.

mod indexing;
mod service;
mod workload;
