//! An event's settings: its name and end, what visitors may take, the watermark; and its folders.
//!
//! Shows nothing by itself: `event_settings.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("settings"))
        section.card aria-labelledby="event-title" {
            h2 #event-title { "Event" }
            form #event .stack {
                (field("Name", "name", "text", "off", ""))
                (field("Ends on", "ends", "date", "off", "On that day all faces and photos are purged. Guests and albums end with it."))
                div.field {
                    label for="downloads" { "Guests and albums may download" }
                    (downloads("downloads", false))
                }
                div.field {
                    label for="watermark" { "Watermark" }
                    input #watermark name="watermark" type="text" maxlength="60" autocomplete="off" aria-describedby="watermark-hint";
                    p #watermark-hint .hint { "Drawn over what visitors see. With one, no originals can be taken. Empty: none." }
                }
                button type="submit" { "Save" }
                (outcome())
            }
        }
        section.card aria-labelledby="folders-title" {
            h2 #folders-title { "Folders" }
            p.hint { "A hidden folder is seen by nobody but the studio, neither in albums nor by guests." }
            ul #folders .rows {}
            form #new-folder .inline {
                (field("New folder", "folder-name", "text", "off", ""))
                button type="submit" { "Create" }
                (outcome())
            }
            template #folder-downloads { (downloads("", true)) }
        }
        (sure())
    };
    layout("Settings", "/assets/event_settings.js", true, &main)
}

/// A choice of what may be taken.
fn downloads(name: &str, in_folder: bool) -> Markup {
    html! {
        select id=[(!name.is_empty()).then_some(name)] name=[(!name.is_empty()).then_some(name)] {
            @if in_folder { option value="as_event" { "Downloads as the event says" } }
            option value="off" { "nothing" }
            option value="web" { "photos in screen size" }
            option value="original" { "originals" }
        }
    }
}
