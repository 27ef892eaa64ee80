//! How strictly an event's faces are matched: what is in force, what its own photos say, and what would go.
//!
//! `routes.rs` speaks HTTP. All of it is the engine's; the choice is kept with the faces and not in SQL, so that it
//! is in their backups.

pub mod routes;
