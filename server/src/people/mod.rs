//! The people of an event: who there is, their faces, and what the studio says of them.
//!
//! `routes.rs` lists and shows, `said.rs` takes what is said: two are one, these faces are somebody else, leave
//! this one out. Keeps nothing itself: the engine keeps what is said beside the faces. Says of a face where it
//! is and how well it fits, never its embedding, and knows no names of people.

pub mod routes;
pub mod said;
