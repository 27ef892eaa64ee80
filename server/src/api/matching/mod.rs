//! The matching threshold of an event: its current value, the calibration on the event's own photos, and a
//! preview of the matches that a stricter threshold would lose.
//!
//! The engine stores the owner's threshold offset with the faces, not in SQL, so that backups of the
//! collection contain the offset.

pub mod routes;
