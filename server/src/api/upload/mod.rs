//! Resumable uploads by tus 1.0 (<https://tus.io/protocols/resumable-upload>), in parts of any size.
//!
//! `routes.rs` implements the protocol, `staging.rs` stores the received bytes sealed, `complete.rs` turns a
//! complete file into a photo. An acknowledged part is durable.

pub mod complete;
pub mod dedup;
mod quota;
pub mod routes;
pub mod staging;

pub use complete::{discard_all, recover};
