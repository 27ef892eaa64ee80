//! Disks that fill up.

mod indexing;
mod workload;
