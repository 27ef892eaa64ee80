use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("settings"))
        section.card aria-labelledby="event-title" {
            h2 #event-title { "Event" }
            form #event .stack {
                (field("Name", "name", "text", "off", ""))
                (field("Ends on", "ends", "date", "off", "On that day all photos and face data are deleted, and guest pages and albums close."))
                div.field {
                    label for="downloads" { "Downloads by guests and album visitors" }
                    (downloads("downloads", false))
                }
                div.field {
                    label for="watermark" { "Watermark" }
                    input #watermark name="watermark" type="text" maxlength="60" autocomplete="off" aria-describedby="watermark-hint";
                    p #watermark-hint .hint { "Drawn over the photos that visitors open, not over the small previews. With a watermark, visitors cannot download originals. Leave empty for no watermark." }
                }
                button type="submit" { "Save" }
                (outcome())
            }
        }
        section.card aria-labelledby="folders-title" {
            h2 #folders-title { "Folders" }
            p.hint { "Only the studio sees the photos in a hidden folder: albums and guest pages do not show them." }
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

/// Renders the choice of a download permission, for the event or, if `in_folder`, for one folder.
fn downloads(name: &str, in_folder: bool) -> Markup {
    let label = if in_folder { "Downloads: " } else { "" };
    html! {
        select id=[(!name.is_empty()).then_some(name)] name=[(!name.is_empty()).then_some(name)] {
            @if in_folder { option value="as_event" { "Downloads: Same as event" } }
            option value="off" { (label) "Off" }
            option value="web" { (label) "Web size" }
            option value="original" { (label) "Originals" }
        }
    }
}
