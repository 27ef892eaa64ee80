//! Helpers of the scenario tests: a sandbox to run `picpick` in, the service with its clients and databases,
//! sample photos, unusual and damaged files, and a harness for killed processes, full disks and power cuts.
//! Models and samples are fetched once into the user's cache.

pub mod accounts;
pub mod album;
pub mod browser;
pub mod client;
pub mod degrade;
mod face_crops;
pub mod fixture;
pub mod guest;
pub mod harness;
pub mod lockouts;
pub mod memory_scan;
pub mod openapi;
pub mod oracle;
pub mod outbox;
pub mod pictures;
pub mod poses;
pub mod postgres;
pub mod power_cut;
pub mod proof_of_work;
pub mod python;
mod rng;
mod s3;
mod samples;
mod sandbox;
pub mod screen_light;
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
pub use s3::{CorruptingProxy, S3Server};
pub use samples::{PARTY, cache, models, sample};
pub use sandbox::{Outcome, Sandbox, Tmpfs, file_names, numbers};
pub use service::{Database, Service};

/// Creates a sandbox for the program of this package. A macro, because Cargo gives the program's path to
/// tests only.
#[macro_export]
macro_rules! sandbox {
    () => {
        $crate::Sandbox::new(env!("CARGO_BIN_EXE_picpick-under-test"))
    };
}

/// Creates a harness for the child of this package that does random operations. A macro, because Cargo gives
/// the program's path to tests only.
#[macro_export]
macro_rules! harness {
    () => {
        $crate::harness::Harness::new(env!("CARGO_BIN_EXE_picpick-oracle-child"))
    };
}
