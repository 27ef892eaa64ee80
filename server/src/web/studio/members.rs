use maud::{Markup, html};

use super::layout::{field, layout, outcome, studio_tabs, sure};

/// The roles: name in the API, description.
const ROLES: [(&str, &str); 6] = [
    ("photographer", "Photographer: uploads and views photos"),
    ("editor", "Editor: manages photos, guests and albums"),
    ("viewer", "Viewer: views only"),
    ("accountant", "Accountant: views members and records"),
    ("admin", "Admin: everything except managing owners"),
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
            h2 #invite-title { "Invite a member" }
            form #invite .stack {
                (field("E-mail", "email", "email", "off", ""))
                div.field {
                    label for="role" { "Role" }
                    select #role name="role" { @for (role, text) in ROLES { option value=(role) { (text) } } }
                }
                button type="submit" { "Invite" }
                (outcome())
            }
            ul #invitations .rows {}
        }
        template #roles { select { @for (role, _) in ROLES { option value=(role) { (role) } } } }
        (sure())
    };
    layout("Members", "/assets/members.js", true, &main)
}
