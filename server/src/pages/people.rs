//! The people of an event, by their faces, and how many faces will hardly be found.
//!
//! Shows nothing by itself: `people.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, layout, outcome};

pub fn page() -> Markup {
    let main = html! {
        (event_head("people"))
        section.card aria-labelledby="coverage-title" {
            h2 #coverage-title { "What will be found" }
            p #coverage { "…" }
            meter #coverage-bar min="0" max="1" value="0" aria-labelledby="coverage-title" {}
            p.hint { "Faces that are too small, blurred or turned away are often missed by a search." }
        }
        section aria-labelledby="people-title" {
            h2 #people-title { "People" }
            p #no-people .hint hidden { "No face was found yet." }
            ul #people .faces {}
            button #more .quiet type="button" hidden { "Show more" }
        }
        section #theirs hidden aria-labelledby="theirs-title" {
            h2 #theirs-title tabindex="-1" { "Photos of this person" }
            (outcome())
            ul #found .photos {}
        }
    };
    layout("People", "/assets/people.js", true, &main)
}
