use maud::{Markup, html};

use super::layout::{event_head, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        div.screen {
            (event_head("privacy"))
            section aria-labelledby="hidden-title" {
                h2 #hidden-title { "Deletions of face data" }
                p.hint { "When a guest has their faces deleted, they are hidden at once and deleted after 72 hours. Until then an owner or admin can show them again: a face can be forged, so do it if you have reason to believe that another person asked." }
                p #no-erasures .hint hidden { "No deletions yet." }
                ul #erasures .rows {}
                p #erasure-state .outcome role="status" aria-live="polite" {}
            }
            section aria-labelledby="requests-title" {
                h2 #requests-title { "Requests to be taken out" }
                p.hint { "People in the photos write here, without an account and without a camera. Find their face and delete it, or decline. They get your answer by e-mail; call those who left a telephone number. Answer within a month." }
                p #no-requests .hint hidden { "No open requests." }
                ul #requests .rows {}
                button #pick .quiet type="button" { "Delete a person's face data without a request" }
                p #request-state .outcome role="status" aria-live="polite" {}
            }
            (notice())
            section aria-labelledby="log-title" {
                h2 #log-title { "Log" }
                p.hint { "All requests at the studio's events about personal data, without names and contacts: what was asked, when, and what came of it. Keep it as evidence for authorities." }
                button #log .quiet type="button" { "Save log (JSON)" }
                p #log-state .outcome role="status" aria-live="polite" {}
            }
            (sure())
            (choose())
        }
        (card())
    };
    layout("Privacy", "/assets/privacy.js", true, &main)
}

fn notice() -> Markup {
    html! {
        section.card aria-labelledby="notice-title" {
            h2 #notice-title { "Public notice" }
            p.hint { "A public page says what is collected at this event, why, for how long, and how to be taken out. Put its QR code up where you photograph, before you begin: it also speaks to people who are no guests, and to the parents of children." }
            div.beside {
                img #notice-qr .qr alt="QR code of the public notice" width="240" height="240";
                div {
                    p { a #notice-url {} }
                    div.deeds { button #print type="button" { "Print notice" } }
                }
            }
            form #notice .stack {
                div.field {
                    label for="text" { "Your own text on the page" }
                    textarea #text name="text" rows="6" maxlength="4000" aria-describedby="text-hint" {}
                    p #text-hint .hint { "For example: whom to ask, where no photos are taken, and what applies to children." }
                }
                button type="submit" { "Save" }
                (outcome())
            }
        }
    }
}

/// Renders the dialog in which the studio chooses the person.
fn choose() -> Markup {
    html! {
        dialog #choose .wide aria-labelledby="choose-title" {
            form method="dialog" {
                h2 #choose-title { "Choose the person" }
                p #choose-about {}
                label.check { input #opt-out type="checkbox"; span { "Also keep this person out of later photos. For that, the face template stays in the event, encrypted, until the event ends." } }
                ul #choose-faces .faces {}
                p #choose-none .hint hidden { "No faces found in this event's photos yet." }
                button value="no" { "Cancel" }
            }
        }
    }
}

/// Renders the notice for printing. In print, the style sheet hides all other content.
fn card() -> Markup {
    html! {
        section #card .print-card aria-hidden="true" {
            p #card-event .event {}
            p.line { "Photos are taken here, and faces are compared by computer so that guests find their photos." }
            p.line lang="hi" { "यहाँ फ़ोटो ली जाती हैं, और कंप्यूटर चेहरों की तुलना करता है, ताकि मेहमान अपनी फ़ोटो ढूँढ सकें।" }
            img #card-qr alt="";
            p.line { "What is kept, how long, and how to be taken out: scan the code." }
            p.line lang="hi" { "क्या रखा जाता है, कब तक, और फ़ोटो से कैसे हटें: कोड स्कैन करें।" }
            p #card-studio .studio {}
        }
    }
}
