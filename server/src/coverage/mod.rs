//! What guests will find of an event, and what not: how many faces are too small, blurred or turned away, in which
//! photos, and what share of a guest's photos to expect.
//!
//! `report.rs` has the counts, `photos.rs` the photos behind each. The engine judges faces; nothing here does.

pub mod photos;
pub mod report;
