//! The program around the engine: for now the command line `picpick`.
//!
//! Arguments and environment → `config` → one command of `cli` → a report on stdout. Knows nothing of
//! models, stores or matching beyond what `picpick-engine` exports.

mod cli;
mod config;

pub use cli::main;
