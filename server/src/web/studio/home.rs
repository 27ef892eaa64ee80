use maud::{Markup, html};

use super::event_settings::legal_bases;
use super::layout::{code, field, layout, outcome, studio_tabs};

pub fn page() -> Markup {
    let main = html! {
        h1 #studio-name { "Studio" }
        (studio_tabs(""))
        section aria-labelledby="events-title" {
            h2 #events-title { "Events" }
            ul #events .tiles {}
            p #no-events .hint hidden { "Create your first event below." }
            form #new-event .inline {
                (field("New event", "name", "text", "off", "Photos and face data are deleted after 180 days. You can change this in the event's settings."))
                div.field {
                    label for="legal-basis" { "Legal basis for processing faces" }
                    select #legal-basis name="legal_basis" required {
                        option value="" { "Please choose" }
                        (legal_bases())
                    }
                }
                button type="submit" { "Create" }
                (outcome())
            }
        }
        section #usage aria-labelledby="usage-title" hidden {
            h2 #usage-title { "Usage" }
            ul #limits .rows {}
        }
        details.card {
            summary { "Upload from the command line" }
            p { "An API key lets a program upload photos to this studio. The key is shown once." }
            form #new-key .inline {
                (field("Key name", "key-name", "text", "off", ""))
                (field("Your password", "key-password", "password", "current-password", ""))
                (code("key-code"))
                button type="submit" { "Create key" }
                (outcome())
            }
            pre #key-shown hidden {}
            ul #keys .rows {}
        }
    };
    layout("Studio", "/assets/studio.js", true, &main)
}
