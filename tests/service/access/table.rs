//! The expected access rules, written independently of the service, so that an error in its own table or in
//! its API description is detected.

use picpick_tests::openapi::Operation;

use super::fixtures::{Caller, Place, Standing};

pub const ROLES: [&str; 6] = ["owner", "admin", "photographer", "editor", "accountant", "viewer"];

/// Each action with the roles that may perform it. Roles that work with photos may search faces, the
/// accountant may read members and audit, and owner and admin manage members and keys.
const TABLE: [(&str, &[&str]); 21] = [
    ("read_studio", &ROLES),
    ("manage_studio", RUNNING),
    ("read_members", &["owner", "admin", "accountant"]),
    ("manage_members", RUNNING),
    ("manage_keys", RUNNING),
    ("read_audit", &["owner", "admin", "accountant"]),
    ("create_event", RUNNING),
    ("read_event", LOOKING),
    ("manage_event", &["owner", "admin", "editor"]),
    ("change_event_terms", RUNNING),
    ("change_guest_proof", RUNNING),
    ("delete_event", RUNNING),
    ("read_photos", LOOKING),
    ("upload_photos", &["owner", "admin", "photographer", "editor"]),
    ("manage_photos", &["owner", "admin", "editor"]),
    ("search_faces", &["owner", "admin", "photographer", "editor"]),
    ("search_below_threshold", RUNNING),
    ("erase_faces", RUNNING),
    ("undo_erasures", RUNNING),
    ("export_event", RUNNING),
    ("manage_guests", &["owner", "admin", "editor"]),
];
/// The roles that run the studio.
const RUNNING: &[&str] = &["owner", "admin"];
/// The roles that may see photos.
const LOOKING: &[&str] = &["owner", "admin", "photographer", "editor", "viewer"];

/// Returns the reason why the operation's `x-access` does not agree with the table; `None` if it does.
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
                return Some(format!(
                    "{name}: the action '{action}' is not in the table of this test"
                ));
            };
            let (mut described, mut expected) = (access.roles.clone(), roles.to_vec());
            described.sort();
            expected.sort_unstable();
            if described != expected {
                return Some(format!(
                    "{name}: {action} is for {expected:?}, x-access lists {described:?}"
                ));
            }
            if !operation.parameters().contains(&scope) {
                return Some(format!("{name}: the address names no {scope}"));
            }
            // An action that only permits reading must not guard an operation that writes.
            let changes = !matches!(operation.method.as_str(), "GET" | "HEAD");
            (changes && action.starts_with("read_"))
                .then(|| format!("{name} changes something under {action}"))
        }
        (scope, action) => Some(format!("{name}: unknown scope '{scope}' with action '{action}'")),
    }
}

/// Returns whether `caller` may use `operation` on resources in `place`.
pub fn may(operation: &Operation, caller: &Caller, place: Place) -> bool {
    let access = operation.access.as_ref().expect("an operation with a rule");
    let grants = |role: &str| {
        TABLE.iter().any(|(action, roles)| *action == access.action && roles.contains(&role))
    };
    match (access.scope.as_str(), caller.standing) {
        ("open", _) => true,
        (_, Standing::Anonymous) => false,
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
        // Only users change members, invitations and API keys.
        (_, Standing::Studio(_) | Standing::Event(_))
            if caller.person.is_none()
                && operation.method != "GET"
                && ["manage_members", "manage_keys"].contains(&access.action.as_str()) =>
        {
            false
        }
        (_, Standing::Studio(role)) => grants(role),
        ("event", Standing::Event(role)) => grants(role),
        // A role in one event also permits reading the studio of that event.
        (_, Standing::Event(_)) => access.action == "read_studio",
    }
}

/// Returns whether `caller` has no credentials that the operation's scope accepts.
pub fn lacks_credentials(operation: &Operation, caller: &Caller) -> bool {
    let scope = operation.access.as_ref().map_or("", |access| access.scope.as_str());
    match caller.standing {
        Standing::Anonymous => true,
        Standing::Visitor { .. } => scope != "album",
        Standing::Guest { .. } => scope != "guest",
        _ => ["album", "guest"].contains(&scope),
    }
}
