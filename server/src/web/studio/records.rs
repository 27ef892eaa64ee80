use maud::{Markup, html};

use super::layout::{layout, outcome, studio_tabs};

pub fn page() -> Markup {
    let main = html! {
        h1 #studio-name { "Studio" }
        (studio_tabs("/records"))
        (outcome())
        section aria-labelledby="receipts-title" {
            h2 #receipts-title { "Receipts" }
            p.hint { "Signed proofs of deletions. Check a receipt with the command “picpick receipt verify”." }
            p #no-receipts .hint hidden { "No deletions yet." }
            ul #receipts .rows {}
        }
        section aria-labelledby="alerts-title" {
            h2 #alerts-title { "Alerts" }
            p #no-alerts .hint hidden { "No security alerts." }
            ul #alerts .rows {}
        }
        section aria-labelledby="audit-title" {
            h2 #audit-title { "Activity" }
            div.scroll tabindex="0" role="region" aria-labelledby="audit-title" {
                table {
                    thead { tr { th scope="col" { "Time" } th scope="col" { "By" } th scope="col" { "Action" } th scope="col" { "Details" } } }
                    tbody #audit {}
                }
            }
            button #more .quiet type="button" hidden { "Show more" }
        }
    };
    layout("Records", "/assets/records.js", true, &main)
}
