//! An event's photos: listed, shown, fetched whole or in parts, moved between folders, removed for good.
//!
//! `routes.rs` has the list, `many.rs` moves several, `content.rs` finds photos by the engine's names, `files.rs` and `send.rs` the bytes, `derive.rs` the smaller pictures, `remove.rs` the
//! removal. Visitors see what `rules.rs` allows, through `visitors.rs`, with the text that `mark.rs` draws. Knows
//! nothing of how photos came in.

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
