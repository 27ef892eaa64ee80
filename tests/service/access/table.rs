//! Who may do what, written down once more and independently of the service: a slip in its table, or in what
//! it says of itself, is noticed here.

use picpick_tests::openapi::Operation;

use super::fixtures::{Caller, Place, Standing};

pub const ROLES: [&str; 6] = ["owner", "admin", "photographer", "editor", "accountant", "viewer"];

/// Each action with the roles that may do it. Faces are for those who work with photos, the books for the
/// accountant, people and keys for those who run the studio.
const TABLE: [(&str, &[&str]); 17] = [
    ("read_studio", &ROLES),
    ("manage_studio", RUNNING),
    ("read_members", &["owner", "admin", "accountant"]),
    ("manage_members", RUNNING),
    ("manage_keys", RUNNING),
    ("read_audit", &["owner", "admin", "accountant"]),
    ("create_event", RUNNING),
    ("read_event", LOOKING),
    ("manage_event", &["owner", "admin", "editor"]),
    ("delete_event", RUNNING),
    ("read_photos", LOOKING),
    ("upload_photos", &["owner", "admin", "photographer", "editor"]),
    ("manage_photos", &["owner", "admin", "editor"]),
    ("search_faces", &["owner", "admin", "photographer", "editor"]),
    ("erase_faces", RUNNING),
    ("export_event", RUNNING),
    ("manage_guests", &["owner", "admin", "editor"]),
];
const RUNNING: &[&str] = &["owner", "admin"];
const LOOKING: &[&str] = &["owner", "admin", "photographer", "editor", "viewer"];

/// Why it is not clear who may use `operation`; `None` where it is.
pub fn unclear(operation: &Operation) -> Option<String> {
    let name = operation.name();
    let Some(access) = &operation.access else { return Some(format!("{name} has no x-access")) };
    match (access.scope.as_str(), access.action.as_str()) {
        ("open" | "signed_in", "") => None,
        ("album", "view" | "annotate") => None,
        ("guest", "registered" | "verified") => None,
        (scope @ ("studio" | "event"), action) => {
            let roles = TABLE.iter().find(|(known, _)| *known == action);
            let Some((_, roles)) = roles else {
                return Some(format!("{name}: this test does not know the action '{action}'"));
            };
            let (mut said, mut expected) = (access.roles.clone(), roles.to_vec());
            said.sort();
            expected.sort_unstable();
            if said != expected {
                return Some(format!(
                    "{name}: {action} is for {expected:?}, x-access says {said:?}"
                ));
            }
            if !operation.parameters().contains(&scope) {
                return Some(format!("{name}: the address names no {scope}"));
            }
            // Whoever may only look must not be let through to a change.
            let changes = !matches!(operation.method.as_str(), "GET" | "HEAD");
            (changes && action.starts_with("read_"))
                .then(|| format!("{name} changes something under {action}"))
        }
        (scope, action) => Some(format!("{name}: unknown scope '{scope}' with action '{action}'")),
    }
}

/// Whether `caller` may use `operation` on things that lie in `place`.
pub fn may(operation: &Operation, caller: &Caller, place: Place) -> bool {
    let access = operation.access.as_ref().expect("an operation with a rule");
    let grants = |role: &str| {
        TABLE.iter().any(|(action, roles)| *action == access.action && roles.contains(&role))
    };
    match (access.scope.as_str(), caller.standing) {
        ("open", _) => true,
        (_, Standing::Nobody) => false,
        ("album", Standing::Visitor { annotates }) => {
            place == Place::Own && (annotates || access.action == "view")
        }
        ("guest", Standing::Guest { verified }) => {
            place == Place::Own && (verified || access.action == "registered")
        }
        ("album" | "guest", _) | (_, Standing::Visitor { .. } | Standing::Guest { .. }) => false,
        ("signed_in", _) => caller.person.is_some() && place == Place::Own,
        (_, _) if place != Place::Own => false,
        (_, Standing::Foreign) => false,
        (_, Standing::Studio(role)) => grants(role),
        ("event", Standing::Event(role)) => grants(role),
        // Whoever has a part in one event may know the studio that it belongs to.
        (_, Standing::Event(_)) => access.action == "read_studio",
    }
}

/// Whether `caller` shows nothing that a route of this scope looks at.
pub fn shows_nothing(operation: &Operation, caller: &Caller) -> bool {
    let scope = operation.access.as_ref().map_or("", |access| access.scope.as_str());
    match caller.standing {
        Standing::Nobody => true,
        Standing::Visitor { .. } => scope != "album",
        Standing::Guest { .. } => scope != "guest",
        _ => ["album", "guest"].contains(&scope),
    }
}
