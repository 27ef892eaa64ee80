//! An event's photos: listed, shown, fetched whole or in parts, moved between folders, removed for good.
//!
//! `routes.rs` has the list, `files.rs` the bytes, `derive.rs` the smaller pictures, `remove.rs` the removal. Knows
//! nothing of how they came in.

mod derive;
pub mod files;
pub mod remove;
pub mod routes;

pub use derive::derive;
