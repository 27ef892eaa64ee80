//! Faults: processes that are killed, disks that fill up, calls that fail, and power that is cut.

mod full_disk;
mod interrupted_purge;
mod io_errors;
mod kill;
mod power_cut;
