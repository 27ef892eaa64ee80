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
            h2 #search-title { "Find a person" }
            label for="selfie" { "Upload a selfie, or another photo of one person" }
            input #selfie type="file" accept="image/jpeg,image/png,image/webp";
            p #search-state .outcome role="status" aria-live="polite" {}
            ul #found .photos {}
        }
        (photos())
        section.card aria-labelledby="end-title" {
            h2 #end-title { "Export and delete" }
            p { a #export .button download { "Download everything" } }
            p { "Deleting removes all photos, faces, guests and albums of this event. This cannot be undone. You get a signed receipt." }
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
                span.hint { "JPEG, PNG or WebP. Duplicates are skipped. Interrupted uploads resume." }
            }
            div.field {
                label for="into" { "Upload to" }
                select #into {}
            }
            form #new-folder .inline hidden {
                (field("Name of the new folder", "folder-name", "text", "off", ""))
                button type="submit" { "Create" }
                (outcome())
            }
            progress #upload-bar value="0" max="1" hidden aria-label="Upload" {}
            p #upload-count hidden {}
            button #upload-stop .quiet type="button" hidden { "Stop" }
            p #upload-state .outcome role="status" aria-live="polite" {}
        }
        dialog #ask-folders aria-labelledby="ask-folders-title" {
            form method="dialog" {
                h2 #ask-folders-title { "Keep these folders?" }
                p #ask-folders-text {}
                ul #ask-folders-names {}
                div.deeds {
                    button #ask-folders-yes value="folders" { "Keep folders" }
                    button #ask-folders-one .quiet value="one" { "Put all in one place" }
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
                    button #clear .quiet type="button" { "Clear selection" }
                }
            }
            p #photos-state .outcome role="status" aria-live="polite" {}
            p #no-photos .hint hidden { "No photos here." }
            ul #photos .photos {}
            button #more .quiet type="button" hidden { "Show more" }
        }
    }
}
