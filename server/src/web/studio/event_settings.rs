use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        (event_head("settings"))
        section.card aria-labelledby="event-title" {
            h2 #event-title { "Event" }
            form #event .stack {
                (field("Name", "name", "text", "off", ""))
                (field("Ends on", "ends", "date", "off", "On that day all photos and face data are deleted, and guest pages and albums close. Only owners and admins can change it; an earlier day must be at least 7 days away. Guests are notified."))
                div.field {
                    label for="downloads" { "Downloads by guests and album visitors" }
                    (downloads("downloads", false))
                }
                div.field {
                    label for="watermark" { "Watermark" }
                    input #watermark name="watermark" type="text" maxlength="60" autocomplete="off" aria-describedby="watermark-hint";
                    p #watermark-hint .hint { "Drawn over the photos that visitors open, not over the small previews. With a watermark, visitors cannot download originals. Leave empty for no watermark." }
                }
                (guest_proof())
                (analysis())
                (terms())
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

/// Renders a choice of `options`, each with its value and text, with a hint. The id of the list is `name` with
/// hyphens.
fn choice(label: &str, name: &str, options: &[(&str, &str)], hint: &str) -> Markup {
    let id = name.replace('_', "-");
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) aria-describedby=(format!("{id}-hint")) {
                @for (value, text) in options { option value=(value) { (text) } }
            }
            p.hint id=(format!("{id}-hint")) { (hint) }
        }
    }
}

/// Renders the choice of how guests prove who they are.
fn guest_proof() -> Markup {
    choice(
        "How guests show who they are",
        "guest_proof",
        &[
            ("contact_code", "Face, and a code by e-mail (recommended)"),
            ("guest_list", "Face, and a code by e-mail, for your guest list only"),
            ("selfie", "Face only (weaker)"),
        ],
        "No web page can tell for sure that a camera is real: someone with a photo of a guest may pass as that guest. With a code, only a person with an e-mail address of their own, and only a few faces for each address, can look for photos. With the guest list, only addresses that you enter on the page Guests get a code. Face only is the fastest for guests, and the service slows down when many different faces come. Only owners and admins can change this.",
    )
}

/// Renders the choice of when faces are analysed.
fn analysis() -> Markup {
    choice(
        "When faces are analysed",
        "analysis",
        &[
            ("at_upload", "After each upload"),
            ("at_first_search", "Only once a guest who has agreed searches"),
        ],
        "Analysing a face makes a template of it, also of people who never agreed. With the second choice no face is analysed before the first guest has agreed and passed the camera check: people, coverage and your own search stay empty until then, and the first guest waits while the photos are searched. Albums and downloads work at once. It can be chosen only while no face was analysed; changing back analyses all photos. Only owners and admins can change this.",
    )
}

/// Renders the choices of purpose and legal basis.
fn terms() -> Markup {
    html! {
        (choice("Purpose of processing faces", "purpose", &[
            ("event_gallery", "Guests find their own photos"),
            ("press", "Press: find people at a public event"),
            ("personal", "Personal: sort photos for private use"),
        ], "Only owners and admins can change purpose and legal basis. Guests are notified, and guests who do not agree to a new purpose within 7 days are deleted."))
        div.field {
            label for="legal-basis" { "Legal basis" }
            select #legal-basis name="legal_basis" { (legal_bases()) }
        }
    }
}

/// Renders the options of the legal basis.
pub fn legal_bases() -> Markup {
    html! {
        option value="consent" { "Consent" }
        option value="contract" { "Contract" }
        option value="legal_obligation" { "Legal obligation" }
        option value="legitimate_interest" { "Legitimate interest" }
    }
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
