//! Guests: people who come by an event's link, show their face, and see the photos they are in.
//!
//! `links.rs`, `requests.rs` and `known.rs` are the studio's side. `register.rs` takes somebody in, `challenge.rs`
//! asks for their face, `session.rs` is the cookie between; `routes.rs` and `photos.rs` are what they get, `news.rs`
//! tells them of more, `group.rs` looks for several together, `leave.rs` forgets them, and `strays.rs`
//! what is left without a guest. What a photo's likeness is,
//! the engine decides; what visitors may take, `photo/rules.rs`. Never logs a name, a contact, a token or a frame.

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
