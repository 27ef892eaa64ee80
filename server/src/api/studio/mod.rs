//! Studios: names, members, invitations, API keys and erasure receipts.
//!
//! The guard (`http/auth/guard.rs`) authorises each request before a handler here runs. The handlers check in
//! addition that a caller gives no role above the caller's own. The guard lets only users change members,
//! invitations and API keys.

pub mod creators;
pub mod invitations;
pub mod keys;
pub mod limits;
pub mod members;
pub mod routes;
