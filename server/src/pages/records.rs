//! The studio's records: who did what, receipts of purges, and alerts.
//!
//! Shows nothing by itself: `records.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{layout, outcome, studio_tabs};

pub fn page() -> Markup {
    let main = html! {
        h1 #studio-name { "Studio" }
        (studio_tabs("/records"))
        (outcome())
        section aria-labelledby="receipts-title" {
            h2 #receipts-title { "Receipts" }
            p.hint { "Signed proofs of what was purged; “picpick receipt verify” checks one." }
            p #no-receipts .hint hidden { "Nothing was purged yet." }
            ul #receipts .rows {}
        }
        section aria-labelledby="alerts-title" {
            h2 #alerts-title { "Alerts" }
            p #no-alerts .hint hidden { "Nothing that looks like an attack." }
            ul #alerts .rows {}
        }
        section aria-labelledby="audit-title" {
            h2 #audit-title { "Who did what" }
            div.scroll tabindex="0" role="region" aria-labelledby="audit-title" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "About" } } }
                    tbody #audit {}
                }
            }
            button #more .quiet type="button" hidden { "Show more" }
        }
    };
    layout("Records", "/assets/records.js", true, &main)
}
