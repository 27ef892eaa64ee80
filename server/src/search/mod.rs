//! Looking for people in an event: by a selfie, by a face that was found, and comparing two faces.
//!
//! Every answer is limited to the event that the guard has let the caller into. Says of a face where it is and
//! how sure the match is, never its embedding.

pub mod routes;
mod together;

pub use together::Together;
