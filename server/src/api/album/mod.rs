//! Albums: parts of an event that a studio shares by link and PIN with visitors who have no account.
//!
//! For the studio: `routes.rs`, `links.rs` and `told.rs` (the visitors' picks and comments). For visitors:
//! `enter.rs` (album sessions), `visitor.rs` (API), `photos.rs`, `take.rs` (ZIP), `taken.rs` (download
//! quota), `notes.rs` and `pages/`. `photo/rules.rs` decides what visitors may see and download. PINs, tokens
//! and names are never logged.

mod enter;
pub mod links;
pub mod notes;
pub mod pages;
mod photos;
mod pin;
pub mod routes;
pub mod take;
mod taken;
pub mod told;
pub mod visitor;

pub use enter::forget;
