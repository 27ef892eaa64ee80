//! Who is calling, and whether they may: one rule stands beside each route, and no handler runs before it.
//!
//! Rules and roles are data (`roles.rs`), callers are found by session or API key (`caller.rs`), visitors of albums
//! by their visit (`visit.rs`), guests by their session (`guest.rs`), and the guard (`guard.rs`) brings both together. Knows nothing of what the routes do.

mod caller;
mod guard;
mod guest;
mod roles;
mod visit;

pub use caller::{Caller, SESSION_COOKIE, changes_from_elsewhere, cookie_of, set_cookie};
pub use guard::{Grant, SignedIn, guard};
pub use guest::{GUEST_COOKIE, GUEST_IDLE_S, GuestVisit};
pub use roles::{Action, Role};
pub use visit::{ALBUM_COOKIE, AlbumVisit};

use serde::Serialize;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Open,
    /// A person who is signed in; what they get is their own.
    SignedIn,
    /// A role in the studio that the address names.
    Studio(Action),
    /// A role in the event that the address names, or in its studio.
    Event(Action),
    /// A visit to an album, with this right in it; what visitors get is the album's.
    Album(Right),
    /// A guest's session that has come so far; what guests get is their own.
    Guest(Stage),
}

/// How far a guest has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Has given name, contact and consent.
    Registered,
    /// Has shown their face.
    Verified,
}

/// What a visitor may do in an album.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    View,
    /// After the annotate PIN.
    Annotate,
}

impl Rule {
    /// As the API's description says it.
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
