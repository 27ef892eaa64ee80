//! The people of an event, by their faces.
//!
//! Shows nothing by itself: `people.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, layout, outcome};

pub fn page() -> Markup {
    let main = html! {
        (event_head("people"))
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
