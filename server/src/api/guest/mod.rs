//! Guests: people who open an event's link, verify their face by camera, and see the photos that show them.
//!
//! For the studio: `links.rs`, `requests.rs` and `known.rs`. For guests: `register.rs`, `challenge.rs` (face
//! verification), `session.rs`, `routes.rs`, `photos.rs`, `news.rs` (notifications), `group.rs`, `export.rs`
//! and `pages/`. Erasure: `leave.rs` and `strays.rs` (orphaned templates). The engine decides which photos
//! show a guest, `photo/rules.rs` what visitors may download. No name, contact, token or frame is logged.

pub mod access_requests;
pub mod admin;
pub mod challenge;
pub mod challenge_throttle;
pub mod consent;
pub mod contact;
pub mod email_tokens;
pub mod group;
pub mod links;
pub mod notifications;
pub mod photos;
pub mod registration;
pub mod routes;
pub mod session;

pub use challenge::Challenges;

pub use notifications::{News, keep_writing, noticed};
