//! Fault injection: kills, full disks, failing system calls, and simulated power cuts.

mod full_disk;
mod interrupted_purge;
mod io_errors;
mod kill;
mod lost_connections;
mod power_cut;
