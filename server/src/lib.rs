//! The `picpick` program around the engine: the command line, and the service that `picpick serve` starts.
//!
//! A command: arguments and environment → `config` → a module of `cli` → a report on standard output. A
//! request of the service: `middleware` → `access` (authorization) → a module (`account`, `studio`, `event`,
//! …) → `db`, `faces`.

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
