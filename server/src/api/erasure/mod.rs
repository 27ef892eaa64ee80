//! Erasures: of an event, of photos, of a guest, of a person's faces. One state machine (`machine.rs`) runs all of
//! them; one file a kind has its steps.

mod event;
mod guest;
pub mod letters;
pub mod machine;
pub mod orphaned_templates;
mod person;
pub mod photos;
pub mod receipts;
mod remnants;
pub mod requests;
pub mod schedule;
pub mod undo;
