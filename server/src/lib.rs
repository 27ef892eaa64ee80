//! The programs around the engine: the command line `picpick`, and the service that `picpick serve` starts.
//!
//! Arguments and environment → `config` → one command of `cli` → a report on stdout. A request → `middleware`
//! → `access` (may the caller?) → a room (`account`, `studio`, `event`, …) → `db`, `faces`. Knows nothing of
//! models, stores or matching beyond what `picpick-engine` exports.

mod access;
mod account;
mod album;
mod alert;
mod archive;
mod audit;
mod blob;
mod cli;
mod client;
mod clock;
mod config;
mod coverage;
mod db;
mod door;
mod error;
mod event;
mod faces;
mod guest;
mod ids;
mod input;
mod job;
mod limits;
mod mail;
mod matching;
mod middleware;
mod openapi;
mod ops;
mod pages;
mod people;
mod photo;
mod qr;
mod router;
mod search;
mod serve;
mod settings;
mod state;
mod studio;
mod upload;
mod words;

pub use cli::main;
pub use db::Db;
pub use router::build_app;
pub use settings::{Operations, Protection, Settings};
pub use state::App;
