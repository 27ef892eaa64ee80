//! The people of an event: clusters of faces, and the studio's corrections of them.
//!
//! `routes.rs` lists people and faces. `corrections.rs` applies corrections: merges of people, splits of a
//! person, and hidden people. The engine stores the corrections with the faces. Responses never hold an
//! embedding.

pub mod corrections;
pub mod routes;
