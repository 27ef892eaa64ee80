//! Albums: parts of an event that a studio shares by link and PIN with visitors who have no account.
//!
//! For the studio: `routes.rs`, `links.rs` and `told.rs` (the visitors' picks and comments). For visitors:
//! `enter.rs` (album sessions), `visitor.rs` (API), `photos.rs`, `take.rs` (ZIP), `taken.rs` (download
//! quota), `notes.rs` and `pages/`. `photo/rules.rs` decides what visitors may see and download. PINs, tokens
//! and names are never logged.

pub mod annotations;
pub mod download_all;
pub mod download_quota;
pub mod feedback;
pub mod links;
pub mod photos;
pub mod pin;
pub mod routes;
pub mod visitor;
pub mod visits;

pub use visits::forget;
