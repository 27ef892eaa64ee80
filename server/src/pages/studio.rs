//! The studio's first page: its events, a new one, and keys for programs.
//!
//! Shows nothing by itself: `studio.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{field, layout, outcome, studio_tabs};

pub fn page() -> Markup {
    let main = html! {
        h1 #studio-name { "Studio" }
        (studio_tabs(""))
        section aria-labelledby="events-title" {
            h2 #events-title { "Events" }
            ul #events .tiles {}
            p #no-events .hint hidden { "No event yet. Make the first one below." }
            form #new-event .inline {
                (field("New event", "name", "text", "off", "Faces and photos are purged 180 days from now, unless you say otherwise."))
                button type="submit" { "Create" }
                (outcome())
            }
        }
        details.card {
            summary { "Upload from the command line" }
            p { "A key lets a program upload to this studio. It is shown once." }
            form #new-key .inline {
                (field("What the key is for", "key-name", "text", "off", ""))
                button type="submit" { "Make a key" }
                (outcome())
            }
            pre #key-shown hidden {}
        }
    };
    layout("Studio", "/assets/studio.js", true, &main)
}
