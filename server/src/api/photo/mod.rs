//! An event's photos: list, files and derivatives, moves between folders, permanent removal.
//!
//! For members: `routes.rs`, `many.rs` (bulk requests), `files.rs`, `remove.rs`. For visitors: `rules.rs`
//! decides what they may see and download, `visitors.rs` applies it, `mark.rs` draws the watermark. `send.rs`
//! makes the responses.

mod content;
mod derive;
pub mod files;
pub mod many;
mod mark;
pub mod remove;
pub mod routes;
pub mod rules;
mod send;
pub mod visitors;

pub use content::rows_of;
pub use derive::derive;
pub use visitors::{Shown, shown};
