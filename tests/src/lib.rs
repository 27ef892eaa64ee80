//! What the scenario tests share: a room to run `picpick` in, sample photos, and files that are odd.
//!
//! Assumes that models and samples can be fetched once, into the user's own cache. Knows nothing of
//! what the tests expect.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowd;
pub mod pictures;
mod room;
mod s3;
mod samples;

pub use crowd::crowd;
pub use room::{Outcome, Room, Tmpfs, file_names, numbers};
pub use s3::{S3Server, Spoiler};
pub use samples::{PARTY, cache, models, sample};

/// A room for the program of this package. A macro, because only a test is told where it lies.
#[macro_export]
macro_rules! room {
    () => {
        $crate::Room::new(env!("CARGO_BIN_EXE_picpick-under-test"))
    };
}
