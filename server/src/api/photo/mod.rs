//! An event's photos: list, files and derivatives, moves between folders, permanent removal.
//!
//! For members: `routes.rs`, `many.rs` (bulk requests), `files.rs`, `remove.rs`. For visitors: `rules.rs`
//! decides what they may see and download, `visitors.rs` applies it, `mark.rs` draws the watermark. `send.rs`
//! makes the responses.

pub mod bulk;
pub mod files;
pub mod lookup;
pub mod responses;
pub mod routes;
pub mod visitor_view;

pub use lookup::rows_of;

pub use visitor_view::{Shown, shown};
