//! One event's page: upload, progress, photos, search by a selfie, taking it along, deleting it.
//!
//! Shows nothing by itself: `event.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, layout, outcome};

pub fn page() -> Markup {
    let main = html! {
        (event_head(""))
        section.card aria-labelledby="upload-title" {
            h2 #upload-title { "Add photos" }
            label #drop .drop for="files" {
                strong { "Drop photos here" } " or choose them"
                span.hint { "JPEG, PNG or WebP. A photo that is here already costs nothing; a broken line goes on where it broke." }
            }
            input #files type="file" multiple accept="image/jpeg,image/png,image/webp";
            progress #upload-bar value="0" max="1" hidden aria-label="Upload" {}
            p #upload-state .outcome role="status" aria-live="polite" {}
        }
        section aria-labelledby="index-title" {
            h2 #index-title { "Finding faces" }
            progress #index-bar value="0" max="1" aria-label="Photos searched for faces" {}
            p #index-state role="status" aria-live="polite" { "…" }
            p {
                button #pause .quiet type="button" { "Pause" } " "
                button #retry .quiet type="button" hidden { "Try failed photos again" }
            }
            ul #failed {}
        }
        section.card aria-labelledby="search-title" {
            h2 #search-title { "Find somebody" }
            label for="selfie" { "A picture of one person" }
            input #selfie type="file" accept="image/jpeg,image/png,image/webp";
            p #search-state .outcome role="status" aria-live="polite" {}
            ul #found .photos {}
        }
        section aria-labelledby="photos-title" {
            h2 #photos-title { "Photos" }
            ul #photos .photos {}
            button #more .quiet type="button" hidden { "Show more" }
        }
        section.card aria-labelledby="end-title" {
            h2 #end-title { "Take it along, or end it" }
            p { a #export .button download { "Download everything" } }
            p { "Deleting purges every face and photo of this event for good. You get a signed receipt." }
            button #delete .danger type="button" { "Delete this event" }
            (outcome())
            pre #receipt hidden {}
        }
        dialog #sure aria-labelledby="sure-title" {
            form method="dialog" {
                h2 #sure-title { "Delete this event for good?" }
                p { "There is no way back: the key is destroyed first." }
                button value="no" autofocus { "Keep it" } " "
                button.danger value="yes" { "Delete it" }
            }
        }
    };
    layout("Event", "/assets/event.js", true, &main)
}
