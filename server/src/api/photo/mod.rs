//! An event's photos: list, files and derivatives, moves between folders, permanent removal.
//!
//! For members: `routes.rs`, `bulk.rs` (bulk requests), `files.rs`, `api/erasure/photos.rs`. For visitors:
//! `api/photo_policy.rs` defines which photos visitors may see and download, `visitor_view.rs` applies this
//! policy, and `infra/imaging/watermark.rs` draws the watermark. `responses.rs` makes the responses.

pub mod bulk;
pub mod files;
pub mod responses;
pub mod routes;
pub mod visitor_view;

pub use visitor_view::{VisitorPhoto, find_visible};
