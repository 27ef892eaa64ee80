//! The albums of an event: PINs, end, folders, links, and what their visitors have picked and noted.
//!
//! Shows nothing by itself: `albums.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("albums"))
        section aria-labelledby="albums-title" {
            h2 #albums-title { "Albums" }
            p #no-albums .hint hidden { "No album yet. Make the first one below." }
            ul #albums .rows {}
            p #album-state .outcome role="status" aria-live="polite" {}
        }
        section.card aria-labelledby="new-title" {
            h2 #new-title { "New album" }
            form #new-album .stack {
                (field("Name", "name", "text", "off", ""))
                (pin("view_pin", "PIN to see it", "Six to twelve digits. Empty: the link is enough."))
                (pin("annotate_pin", "PIN to pick and note", "A second one. Empty: visitors look only."))
                div.field {
                    label for="ends" { "Closes on" }
                    input #ends name="ends" type="date" aria-describedby="ends-hint";
                    p #ends-hint .hint { "Empty: with the event." }
                }
                div.field {
                    label for="downloads_max" { "Downloads for one visitor" }
                    input #downloads_max name="downloads_max" type="number" min="1" max="1000000" inputmode="numeric" aria-describedby="max-hint";
                    p #max-hint .hint { "Empty: as many as they like, where downloads are open." }
                }
                fieldset #folders hidden { legend { "Folders in it; none ticked: all that are not hidden" } }
                button type="submit" { "Create" }
                (outcome())
            }
        }
        (edit())
        (sure())
    };
    layout("Albums", "/assets/albums.js", true, &main)
}

/// Changes an album; scripts fill it in.
fn edit() -> Markup {
    html! {
        dialog #edit .wide aria-labelledby="edit-title" {
            form #edit-album {
                h2 #edit-title { "Change the album" }
                (field("Name", "edit-name", "text", "off", ""))
                (field("Closes on", "edit-ends", "date", "off", "A day that has passed closes it at once."))
                (pin("edit-view_pin", "New PIN to see it", "Empty: it stays. With a new one, whoever is inside has to come in anew."))
                label.check { input name="edit-no-view_pin" type="checkbox"; "Take it away: the link is enough" }
                (pin("edit-annotate_pin", "New PIN to pick and note", "Empty: it stays. With a new one, whoever picks has to show it anew."))
                label.check { input name="edit-no-annotate_pin" type="checkbox"; "Take it away: visitors look only" }
                div.field {
                    label for="edit-downloads_max" { "Downloads for one visitor" }
                    input #edit-downloads_max name="edit-downloads_max" type="number" min="1" max="1000000" inputmode="numeric" aria-describedby="edit-max-hint";
                    p #edit-max-hint .hint { "Empty: as many as they like, where downloads are open." }
                }
                label.check { input name="edit-all" type="checkbox"; "All photos that are not hidden" }
                fieldset #edit-folders hidden { legend { "Or these folders only" } }
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
