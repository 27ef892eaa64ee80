//! Guests: people who open an event's link, verify their face by camera, and see the photos that show them.
//!
//! For the studio: `links.rs`, `requests.rs` and `known.rs`. For guests: `register.rs`, `challenge.rs` (face
//! verification), `session.rs`, `routes.rs`, `photos.rs`, `news.rs` (notifications), `group.rs`, `export.rs`
//! and `pages/`. Erasure: `leave.rs` and `strays.rs` (orphaned templates). The engine decides which photos
//! show a guest, `photo/rules.rs` what visitors may download. No name, contact, token or frame is logged.

pub mod challenge;
pub mod consent;
pub mod export;
pub mod group;
pub mod known;
mod leave;
pub mod links;
pub mod news;
pub mod pages;
mod person;
pub mod photos;
pub mod register;
pub mod requests;
pub mod routes;
mod session;
mod strays;
mod strikes;
mod tickets;

pub use challenge::Challenges;
pub use leave::keep_leaving;
pub use news::{News, keep_writing, noticed};
