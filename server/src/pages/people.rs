//! The people of an event, by their faces: who is one person, who is not, who is not listed.
//!
//! Shows nothing by itself: `people.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, layout, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("people"))
        section aria-labelledby="people-title" {
            h2 #people-title tabindex="-1" { "People" }
            p #no-people .hint hidden { "No face was found yet." }
            p #people-hint .hint { "Open a person to see their faces. Is somebody here twice? Tick both." }
            ul #people .faces {}
            button #more .quiet type="button" hidden { "Show more" }
            p.deeds {
                button #merge type="button" disabled { "They are one person" }
                label #hidden-choice .check hidden { input #show-hidden type="checkbox"; span #hidden-count {} }
            }
        }
        section #theirs hidden aria-labelledby="theirs-title" {
            h2 #theirs-title tabindex="-1" { "Person" }
            p.hint { "The face that fits worst comes first. Tick those that are somebody else's." }
            ul #their-faces .faces {}
            p #their-more .hint hidden {}
            p.deeds {
                button #split type="button" disabled { "Somebody else" }
                button #hide .quiet type="button" { "Leave out of the list" }
            }
            h3 #found-title { "Photos" }
            ul #found .photos {}
        }
        div.told {
            p #told .outcome role="status" aria-live="polite" {}
            button #undo .quiet type="button" hidden { "Undo" }
        }
        (sure())
    };
    layout("People", "/assets/people.js", true, &main)
}
