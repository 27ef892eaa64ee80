//! Guests: people who open an event's link, verify their face by camera, and see the photos that show them.
//!
//! For the studio: `links.rs`, `guest_list.rs`, `access_requests.rs` and `admin.rs`. For guests: `registration.rs`,
//! `challenge.rs` (head turns), `contact_proof.rs` (code by e-mail), `verification.rs`, `face_quotas.rs`,
//! `session.rs`, `routes.rs`, `photos.rs`, `notifications.rs`,
//! `terms_notices.rs`, `group.rs`, `api/export/guest.rs` and the pages in `web/guest/`. Erasure:
//! `api/erasure/guest.rs` and `api/erasure/orphaned_templates.rs`. The engine decides which photos show a
//! guest, and `api/photo_policy.rs` decides which photos visitors may see and download. Names, contacts,
//! tokens and frames are never logged.

pub mod access_requests;
pub mod admin;
pub mod challenge;
pub mod challenge_throttle;
pub mod consent;
pub mod contact;
pub mod contact_proof;
pub mod email_tokens;
pub mod face_quotas;
pub mod group;
pub mod guest_list;
pub mod links;
pub mod notifications;
pub mod photos;
pub mod registration;
mod registration_quota;
pub mod routes;
pub mod session;
pub mod terms_notices;
pub mod verification;

pub use notifications::{record_new_matches, run_notifications};
