//! Studios: names, members, invitations, API keys and erasure receipts.
//!
//! The guard (`http/auth/guard.rs`) authorises each request before a handler here runs. The handlers check in
//! addition that a caller gives no role above the caller's own, and that no API key creates API keys.

pub mod invitations;
pub mod keys;
pub mod members;
pub mod routes;
