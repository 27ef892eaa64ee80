//! Who is in the studio, with which role, and who is invited.
//!
//! Shows nothing by itself: `members.js` fills it through the API, which decides what is allowed.

use maud::{Markup, html};

use super::layout::{field, layout, outcome, studio_tabs, sure};

/// Roles, each with what it is for.
const ROLES: [(&str, &str); 6] = [
    ("photographer", "Photographer: brings photos in"),
    ("editor", "Editor: arranges, removes, guests and albums"),
    ("viewer", "Viewer: looks"),
    ("accountant", "Accountant: records"),
    ("admin", "Admin: everything but owners"),
    ("owner", "Owner: everything"),
];

pub fn page() -> Markup {
    let main = html! {
        h1 #studio-name { "Studio" }
        (studio_tabs("/members"))
        section aria-labelledby="members-title" {
            h2 #members-title { "Members" }
            ul #members .rows {}
            p #member-state .outcome role="status" aria-live="polite" {}
        }
        section.card aria-labelledby="invite-title" {
            h2 #invite-title { "Invite somebody" }
            form #invite .stack {
                (field("E-mail", "email", "email", "off", ""))
                div.field {
                    label for="role" { "Role" }
                    select #role name="role" { @for (role, text) in ROLES { option value=(role) { (text) } } }
                }
                button type="submit" { "Invite" }
                (outcome())
            }
            pre #invitation-link hidden tabindex="0" {}
            ul #invitations .rows {}
        }
        template #roles { select { @for (role, _) in ROLES { option value=(role) { (role) } } } }
        (sure())
    };
    layout("Members", "/assets/members.js", true, &main)
}
