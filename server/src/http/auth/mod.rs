//! Authentication and authorization. Each route has a rule, which the guard (`guard.rs`) checks before the
//! handler runs.
//!
//! Callers are identified by session or API key (`caller.rs`), album visitors by their album session
//! (`album_session.rs`), guests by their guest session (`guest_session.rs`). `session_store.rs` finds the
//! sessions of all three. `roles.rs` is the table of roles and actions.

pub mod album_session;
pub mod audit;
pub mod caller;
pub mod cost;
pub mod guard;
pub mod guest_session;
pub mod known_device;
pub mod roles;
pub mod session_store;

pub use album_session::{ALBUM_COOKIE, AlbumSession};
pub use caller::{
    CallerSlot, LocalData, Principal, SESSION_COOKIE, SESSION_IDLE_S, check_same_site, cookie_of,
    end_session_headers, set_cookie,
};
pub use guard::{Grant, SignedIn, guard};
pub use guest_session::{GUEST_COOKIE, GUEST_IDLE_S, GuestSession};
pub use roles::{Action, Role};
pub use session_store::{LINK_SESSION_ENDED, session_ended};

use serde::Serialize;

/// The access rule of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Allows any client.
    Open,
    /// Requires a signed-in user; the route serves the user's own data.
    SignedIn,
    /// Requires a role with this action in the studio of the path.
    Studio(Action),
    /// Requires a role with this action in the event of the path, or in its studio.
    Event(Action),
    /// Requires an album session with this permission; the route serves the data of its album.
    Album(AlbumPermission),
    /// Requires a guest session at this stage or later; the route serves the guest's own data.
    Guest(GuestStage),
}

/// The stage of a guest session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestStage {
    /// The guest has given name, contact and consent.
    Registered,
    /// The guest has passed face verification, or the studio has approved the guest's access request.
    Verified,
}

/// A visitor's permission in an album.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlbumPermission {
    /// May view the album.
    View,
    /// May also pick and comment; granted by the second PIN.
    Annotate,
}

impl Rule {
    /// Returns the rule as JSON, for the `x-access` extension of the OpenAPI document.
    pub fn describe(self) -> serde_json::Value {
        let action = match self {
            Rule::Open => return serde_json::json!({ "scope": "open" }),
            Rule::SignedIn => return serde_json::json!({ "scope": "signed_in" }),
            Rule::Album(right) => {
                return serde_json::json!({ "scope": "album", "action": right, "roles": [] });
            }
            Rule::Guest(stage) => {
                return serde_json::json!({ "scope": "guest", "action": stage, "roles": [] });
            }
            Rule::Studio(action) | Rule::Event(action) => action,
        };
        let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| role.may(action)).collect();
        let scope = if matches!(self, Rule::Studio(_)) { "studio" } else { "event" };
        serde_json::json!({ "scope": scope, "action": action, "roles": roles })
    }
}
