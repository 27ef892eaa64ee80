//! What the scenario tests share: a room to run `picpick` in, the service with its clients and databases,
//! sample photos, files that are odd, and an arena in which processes are killed, disks fill up and the
//! power is cut.
//!
//! Assumes that models and samples can be fetched once, into the user's own cache. Knows nothing of
//! what the tests expect.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod acts;
pub mod album;
pub mod arena;
pub mod client;
pub mod contract;
mod crowd;
mod dice;
pub mod guest;
pub mod head;
pub mod line;
pub mod node;
pub mod oracle;
pub mod outbox;
pub mod people;
pub mod pictures;
pub mod poses;
pub mod postgres;
pub mod power;
pub mod python;
mod room;
mod s3;
mod samples;
mod service;
pub mod shim;
pub mod smtp;
pub mod synthetic;
pub mod video;
pub mod worse;

pub use client::{Answer, Client, Request};
pub use crowd::crowd;
pub use dice::{Dice, times};
pub use people::Person;
pub use room::{Outcome, Room, Tmpfs, file_names, numbers};
pub use s3::{S3Server, Spoiler};
pub use samples::{PARTY, cache, models, sample};
pub use service::{Database, Service};

/// A room for the program of this package. A macro, because only a test is told where it lies.
#[macro_export]
macro_rules! room {
    () => {
        $crate::Room::new(env!("CARGO_BIN_EXE_picpick-under-test"))
    };
}

/// An arena for the process of this package that works at random. A macro for the same reason.
#[macro_export]
macro_rules! arena {
    () => {
        $crate::arena::Arena::new(env!("CARGO_BIN_EXE_picpick-oracle-child"))
    };
}
