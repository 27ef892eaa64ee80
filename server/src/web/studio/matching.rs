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
            p.hint { "A guest sees a photo only if a face in it is similar enough to reach the threshold. A higher threshold shows fewer wrong photos but misses more right ones. You can raise the threshold above the default, but not lower it." }
        }
        section aria-labelledby="scores-title" {
            h2 #scores-title { "Similarity of faces in this event" }
            div #chart .chart {}
            p #legend .legend hidden {
                span.key-different { "Two people in one photo" }
                span.key-same { "One person in two photos" }
                span.key-bar { "Threshold" }
            }
            p #no-chart .hint hidden { "No data yet: no photo shows two people, and no person appears in two photos." }
            details #table-box hidden {
                summary { "Show as a table" }
                div.scroll { table {
                    thead { tr { th scope="col" { "Similarity" } th scope="col" { "Two people" } th scope="col" { "One person" } } }
                    tbody #table {}
                } }
            }
        }
        section.card aria-labelledby="try-title" {
            h2 #try-title { "Try a higher threshold" }
            form #try {
                label for="threshold-offset" { "Added to the default threshold" }
                div.slide {
                    input #threshold-offset type="range" min="0" max="0.2" step="0.01" value="0" aria-describedby="would";
                    output #threshold-offset-value for="threshold-offset" { "0.00" }
                }
                p #would role="status" aria-live="polite" { "…" }
                p.deeds {
                    button #use type="submit" { "Apply" }
                    button #usual .quiet type="button" { "Reset to default" }
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
