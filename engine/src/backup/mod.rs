//! Where backups go: a folder, or a bucket that speaks S3.
//!
//! `place.rs` says what a place must do, `folder.rs` and `s3.rs` do it, `access.rs` is what opens a
//! bucket. Knows nothing of what is put there.

mod access;
mod folder;
mod place;
mod s3;
#[cfg(test)]
mod tests;

pub use access::{S3Access, SecretText};
pub use place::{Object, Place, is_s3, open_place};
