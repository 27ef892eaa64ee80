//! Studios: members, invitations, API keys.

mod members;
