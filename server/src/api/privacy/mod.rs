//! Requests of people about their data: to be taken out of photos, and the log of all requests; the
//! studio's side of erasures. `api/erasure` runs them.

pub mod erasures;
pub mod log;
pub mod notice;
pub mod removal;
