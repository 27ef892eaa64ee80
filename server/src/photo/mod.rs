//! An event's photos: listed, shown, fetched whole or in parts, moved between folders, removed for good.
//!
//! `routes.rs` has the list, `files.rs` the bytes, `remove.rs` the removal. Knows nothing of how they came in.

pub mod files;
pub mod remove;
pub mod routes;
