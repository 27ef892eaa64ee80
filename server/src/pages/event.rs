//! One event's page: upload into folders, progress, search by a selfie, photos by folder, taking it along, deleting it.
//!
//! Shows nothing by itself: `event.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head(""))
        (adding())
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
        (photos())
        section.card aria-labelledby="end-title" {
            h2 #end-title { "Take it along, or end it" }
            p { a #export .button download { "Download everything" } }
            p { "Deleting purges every face and photo of this event for good. You get a signed receipt." }
            button #delete .danger type="button" { "Delete this event" }
            (outcome())
            pre #receipt hidden {}
        }
        (sure())
    };
    layout("Event", "/assets/event.js", true, &main)
}

fn adding() -> Markup {
    html! {
        section.card aria-labelledby="upload-title" {
            h2 #upload-title { "Add photos" }
            div #drop .drop {
                strong { "Drop photos or whole folders here" }
                div.deeds {
                    input #files .away type="file" multiple accept="image/jpeg,image/png,image/webp";
                    label.button for="files" { "Choose photos" }
                    input #whole .away type="file" webkitdirectory;
                    label.button.quiet for="whole" { "Choose a folder" }
                }
                span.hint { "JPEG, PNG or WebP. A photo that is here already costs nothing; a broken line goes on where it broke." }
            }
            div.field {
                label for="into" { "Into the folder" }
                select #into aria-describedby="into-hint" {}
                p #into-hint .hint { "Of a whole folder, its folders can become folders here; you are asked." }
            }
            form #new-folder .inline hidden {
                (field("The new folder's name", "folder-name", "text", "off", ""))
                button type="submit" { "Make it" }
                (outcome())
            }
            progress #upload-bar value="0" max="1" hidden aria-label="Upload" {}
            p #upload-count hidden {}
            button #upload-stop .quiet type="button" hidden { "Stop" }
            p #upload-state .outcome role="status" aria-live="polite" {}
        }
        dialog #ask-folders aria-labelledby="ask-folders-title" {
            form method="dialog" {
                h2 #ask-folders-title { "Make folders of them?" }
                p #ask-folders-text {}
                ul #ask-folders-names {}
                div.deeds {
                    button #ask-folders-yes value="folders" { "Make folders" }
                    button #ask-folders-one .quiet value="one" { "All without a folder" }
                    button.quiet value="" { "Cancel" }
                }
            }
        }
    }
}

fn photos() -> Markup {
    html! {
        section aria-labelledby="photos-title" {
            h2 #photos-title tabindex="-1" { "Photos" }
            div.tools {
                div {
                    label for="shown" { "Show" }
                    select #shown {}
                }
                button #select-all .quiet type="button" disabled { "Select all" }
            }
            div #chosen .chosen-bar hidden role="group" aria-label="The selected photos" {
                strong #chosen-count role="status" {}
                div.deeds {
                    select #move-to aria-label="Move the selected photos to" {}
                    button #move .quiet type="button" { "Move" }
                    button #remove .danger type="button" { "Delete" }
                    button #clear .quiet type="button" { "Clear" }
                }
            }
            p #photos-state .outcome role="status" aria-live="polite" {}
            p #no-photos .hint hidden { "No photo here." }
            ul #photos .photos {}
            button #more .quiet type="button" hidden { "Show more" }
        }
    }
}
