//! Albums: parts of an event that its studio shares with people who have no account, by a link and a PIN.
//!
//! `routes.rs` and `links.rs` are the studio's side, `told.rs` what it hears of visitors. `enter.rs` lets visitors
//! in, `visitor.rs` is their API, `photos.rs` what an album shows, `take.rs` all of it at once, `taken.rs` how much
//! somebody has taken, `notes.rs` picks and comments, `pages/` what they see. What may be seen and taken of a photo `photo/rules.rs` says. Never logs a PIN, a token or a name.

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
