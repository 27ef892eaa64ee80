//! Studios: names, members, invitations, API keys and erasure receipts.
//!
//! The guard (`access`) authorises each request before a handler here runs. The handlers check only that a
//! caller gives no role above their own.

pub mod invitations;
pub mod keys;
pub mod members;
pub mod routes;
