//! The people of an event: clusters of faces, and the studio's corrections of them.
//!
//! `routes.rs` lists people and faces. `corrections.rs` takes corrections: merge people, split a person, hide a
//! person. The engine stores the corrections with the faces. Responses never hold an embedding.

pub mod corrections;
pub mod routes;
