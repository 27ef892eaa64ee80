//! The `picpick` program around the engine: the command line, and the service that `picpick serve` starts.
//!
//! A command: arguments and environment → `config` → a module of `cli` → a report on standard output. A
//! request of the service: `http::middleware` → `http::auth` (authorization) → a module of `api` → `infra`.

mod api;
mod app;
mod cli;
mod client;
mod config;
mod error;
mod http;
mod i18n;
mod infra;
mod openapi;
mod router;
mod server;
mod web;

pub use app::App;
pub use cli::main;
pub use config::settings::{LimitSettings, ObservabilitySettings, Settings};
pub use infra::db::Db;
pub use router::build_app;
