//! Face search in an event, by a selfie or by a known face, and comparison of two faces.
//!
//! A search covers only the event to which the guard has admitted the caller. Responses never hold an
//! embedding.

pub mod routes;
