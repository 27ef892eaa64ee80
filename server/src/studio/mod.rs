//! Studios: their names, members, invitations, API keys and receipts.
//!
//! Who may do what is decided before anything here runs; here is decided what may be given away. Knows
//! nothing of events beyond their ids.

pub mod invitations;
pub mod keys;
pub mod members;
pub mod routes;
