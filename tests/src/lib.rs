//! What the scenario tests share: a room to run `picpick` in, the service with its clients and databases,
//! sample photos, files that are odd, and an arena in which processes are killed, disks fill up and the
//! power is cut.
//!
//! Assumes that models and samples can be fetched once, into the user's own cache. Knows nothing of
//! what the tests expect.

pub mod accounts;
pub mod album;
pub mod browser;
pub mod client;
pub mod degrade;
mod face_crops;
pub mod guest;
pub mod harness;
pub mod openapi;
pub mod oracle;
pub mod outbox;
pub mod pictures;
pub mod poses;
pub mod postgres;
pub mod power_cut;
pub mod python;
mod rng;
mod s3;
mod samples;
mod sandbox;
mod service;
pub mod shim;
pub mod smtp;
pub mod synthetic;
pub mod synthetic_head;
pub mod tcp_proxy;
pub mod video;
pub mod workload;

pub use accounts::Person;
pub use client::{Answer, Client, Request};
pub use face_crops::crowd;
pub use rng::{Rng, times};
pub use s3::{S3Server, Spoiler};
pub use samples::{PARTY, cache, models, sample};
pub use sandbox::{Outcome, Sandbox, Tmpfs, file_names, numbers};
pub use service::{Database, Service};

/// A room for the program of this package. A macro, because only a test is told where it lies.
#[macro_export]
macro_rules! sandbox {
    () => {
        $crate::Sandbox::new(env!("CARGO_BIN_EXE_picpick-under-test"))
    };
}

/// An arena for the process of this package that works at random. A macro for the same reason.
#[macro_export]
macro_rules! harness {
    () => {
        $crate::harness::Harness::new(env!("CARGO_BIN_EXE_picpick-oracle-child"))
    };
}
