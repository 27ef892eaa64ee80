//! The coverage report of an event: counts the faces that are too small, blurred or turned away, lists their
//! photos, and estimates the share of a guest's photos that searches will find.
//!
//! `report.rs` returns the counts, `photos.rs` the photos behind each count.

pub mod photos;
pub mod report;
