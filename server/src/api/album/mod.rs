//! Albums: parts of an event that a studio shares by link and PIN with visitors who have no account.
//!
//! For the studio: `routes.rs`, `links.rs` and `feedback.rs` (the visitors' picks and comments). For
//! visitors: `visits.rs` (album sessions), `visitor.rs` (API), `photos.rs`, `download_all.rs` (ZIP),
//! `download_quota.rs`, `annotations.rs` (picks and comments) and the pages in `web/album/`.
//! `api/photo_policy.rs` decides which photos visitors may see and download. PINs, tokens and names are never
//! logged.

pub mod annotations;
pub mod download_all;
pub mod download_quota;
pub mod feedback;
pub mod links;
pub mod photos;
pub mod pin;
pub mod routes;
pub mod visitor;
pub mod visits;

pub use visits::delete_expired;
