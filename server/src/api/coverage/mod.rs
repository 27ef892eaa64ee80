//! Coverage report: how much of an event guests will find. It counts the faces that are too small, blurred or
//! turned away, lists their photos, and estimates the share of a guest's photos that is found.
//!
//! `report.rs` returns the counts, `photos.rs` the photos behind each count.

pub mod photos;
pub mod report;
