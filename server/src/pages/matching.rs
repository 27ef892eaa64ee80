//! How strictly an event's faces are matched, and what another strictness would take away.
//!
//! Shows nothing by itself: `matching.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, layout, outcome};

pub fn page() -> Markup {
    let main = html! {
        link rel="stylesheet" href="/assets/matching.css";
        (event_head("matching"))
        section.card aria-labelledby="now-title" {
            h2 #now-title { "How faces are matched" }
            p #now { "…" }
            p #own {}
            p #advice {}
            p.hint { "A photo is shown to somebody only when the face in it is alike enough. Stricter means fewer mistakes, and more photos that are missed. It can be made stricter than usual, never laxer." }
        }
        section aria-labelledby="scores-title" {
            h2 #scores-title { "How alike faces are in this event" }
            div #chart .chart {}
            p #legend .legend hidden {
                span.key-different { "Two people in one photo" }
                span.key-same { "One person in two photos" }
                span.key-bar { "What a face must reach" }
            }
            p #no-chart .hint hidden { "Nobody is seen twice yet, and no two people together." }
            details #table-box hidden {
                summary { "The same as a table" }
                div.scroll { table {
                    thead { tr { th scope="col" { "Alike" } th scope="col" { "Two people" } th scope="col" { "One person" } } }
                    tbody #table {}
                } }
            }
        }
        section.card aria-labelledby="try-title" {
            h2 #try-title { "Try a stricter one" }
            form #try {
                label for="stricter" { "How much more than usual" }
                div.slide {
                    input #stricter type="range" min="0" max="0.2" step="0.01" value="0" aria-describedby="would";
                    output #stricter-says for="stricter" { "0.00" }
                }
                p #would role="status" aria-live="polite" { "…" }
                p.deeds {
                    button #use type="submit" { "Use this" }
                    button #usual .quiet type="button" { "As usual" }
                }
                (outcome())
            }
        }
        section #gone hidden aria-labelledby="gone-title" {
            h2 #gone-title { "Faces that would be missed" }
            p #gone-about .hint {}
            ul #dropped .faces {}
        }
    };
    layout("Matching", "/assets/matching.js", true, &main)
}
