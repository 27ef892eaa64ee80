use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("albums"))
        section aria-labelledby="albums-title" {
            h2 #albums-title { "Albums" }
            p #no-albums .hint hidden { "Create your first album below." }
            ul #albums .rows {}
            p #album-state .outcome role="status" aria-live="polite" {}
        }
        section.card aria-labelledby="new-title" {
            h2 #new-title { "New album" }
            form #new-album .stack {
                (field("Name", "name", "text", "off", ""))
                (pin("view_pin", "PIN to view", "6 to 12 digits. Leave empty to let visitors open the album without a PIN."))
                (pin("annotate_pin", "PIN for picks and notes", "A different PIN, 6 to 12 digits. Leave empty to let visitors only view."))
                div.field {
                    label for="ends" { "Closes on" }
                    input #ends name="ends" type="date" aria-describedby="ends-hint";
                    p #ends-hint .hint { "Leave empty to close the album with the event." }
                }
                div.field {
                    label for="downloads_max" { "Downloads per visitor" }
                    input #downloads_max name="downloads_max" type="number" min="1" max="1000000" inputmode="numeric" aria-describedby="max-hint";
                    p #max-hint .hint { "Leave empty for no limit." }
                }
                fieldset #folders hidden { legend { "Folders in the album. Select none to include all photos except those in hidden folders." } }
                button type="submit" { "Create" }
                (outcome())
            }
        }
        (edit())
        (sure())
    };
    layout("Albums", "/assets/albums.js", true, &main)
}

/// Renders the dialog that edits an album; `album_edit.js` fills it in.
fn edit() -> Markup {
    html! {
        dialog #edit .wide aria-labelledby="edit-title" {
            form #edit-album {
                h2 #edit-title { "Edit album" }
                (field("Name", "edit-name", "text", "off", ""))
                (field("Closes on", "edit-ends", "date", "off", "A past date closes the album now."))
                (pin("edit-view_pin", "New PIN to view", "Leave empty to keep the current PIN. After a change, visitors must enter the new PIN."))
                label.check { input name="edit-no-view_pin" type="checkbox"; "Remove PIN: the link alone opens the album" }
                (pin("edit-annotate_pin", "New PIN for picks and notes", "Leave empty to keep the current PIN. After a change, visitors must enter the new PIN to pick photos and write notes."))
                label.check { input name="edit-no-annotate_pin" type="checkbox"; "Remove PIN: visitors can only view" }
                div.field {
                    label for="edit-downloads_max" { "Downloads per visitor" }
                    input #edit-downloads_max name="edit-downloads_max" type="number" min="1" max="1000000" inputmode="numeric" aria-describedby="edit-max-hint";
                    p #edit-max-hint .hint { "Leave empty for no limit." }
                }
                label.check { input name="edit-all" type="checkbox"; "All photos except those in hidden folders" }
                fieldset #edit-folders hidden { legend { "Only these folders" } }
                details #edit-cover {
                    summary { "Cover" }
                    ul #edit-covers .covers {}
                    button #edit-more .quiet type="button" hidden { "Show more" }
                }
                div.deeds {
                    button type="submit" { "Save" }
                    button #edit-cancel .quiet type="button" { "Cancel" }
                }
                (outcome())
            }
        }
    }
}

fn pin(name: &str, label: &str, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type="text" inputmode="numeric" autocomplete="off" pattern="[0-9]{6,12}"
                maxlength="12" aria-describedby=(format!("{name}-hint"));
            p.hint id=(format!("{name}-hint")) { (hint) }
        }
    }
}
