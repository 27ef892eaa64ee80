use maud::{Markup, html};

use super::layout::{event_head, layout, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("people"))
        section aria-labelledby="people-title" {
            h2 #people-title tabindex="-1" { "People" }
            p #no-people .hint hidden { "No faces found yet." }
            p #people-hint .hint { "Open a person to see their faces. If a person is listed twice, select both entries and merge them." }
            ul #people .faces {}
            button #more .quiet type="button" hidden { "Show more" }
            p.deeds {
                button #merge type="button" disabled { "Merge" }
                label #hidden-choice .check hidden { input #show-hidden type="checkbox"; span #hidden-count {} }
            }
        }
        section #theirs hidden aria-labelledby="theirs-title" {
            h2 #theirs-title tabindex="-1" { "Person" }
            p.hint { "The least similar face comes first. Select the faces of other people, then press “Not this person”." }
            ul #their-faces .faces {}
            p #their-more .hint hidden {}
            p.deeds {
                button #split type="button" disabled { "Not this person" }
                button #hide .quiet type="button" { "Hide person" }
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
