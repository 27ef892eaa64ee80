//! The guests of an event: the links behind its QR codes with a card to print, who asks to be let in, who is in.
//!
//! Shows nothing by itself: `guests.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        div.screen {
            (event_head("guests"))
            (links())
            (requests())
            section aria-labelledby="guests-title" {
                h2 #guests-title { "Guests" }
                p #no-guests .hint hidden { "Nobody has come yet." }
                ul #guests .rows {}
                p #removed .outcome role="status" aria-live="polite" {}
            }
            details.card {
                summary { "Consents" }
                p.hint { "What was agreed to, and when it was taken back. It stays without a name when a guest goes." }
                ul #consents .rows {}
            }
            (sure())
        }
        (card())
    };
    layout("Guests", "/assets/guests.js", true, &main)
}

fn links() -> Markup {
    html! {
        section.card aria-labelledby="links-title" {
            h2 #links-title { "Links for guests" }
            p.hint { "Guests scan the code, show their face to their phone's camera and see the photos they are in. A link and its \
                      code are shown once; withdraw one, and nobody new comes in by it." }
            form #new-link .inline {
                (field("Where it will hang", "link-name", "text", "off", "For example: at the entrance, on the tables."))
                button type="submit" { "Make a link" }
                (outcome())
            }
            ul #links .rows {}
            div #made hidden {
                h3 #made-title tabindex="-1" { "The new link" }
                div.beside {
                    img #made-qr .qr alt="QR code of the link" width="240" height="240";
                    div {
                        p { a #made-url {} }
                        div.deeds {
                            button #print type="button" { "Print the card" }
                            a #save-qr .button.quiet download="qr-code.svg" { "Save the code (SVG)" }
                        }
                        p.hint { "For a PDF, choose “Save as PDF” where you choose the printer." }
                    }
                }
            }
        }
    }
}

fn requests() -> Markup {
    html! {
        section aria-labelledby="requests-title" {
            h2 #requests-title { "Requests without a camera" }
            p #no-requests .hint hidden { "Nobody waits." }
            ul #requests .rows {}
            p #request-state .outcome role="status" aria-live="polite" {}
        }
        dialog #choose .wide aria-labelledby="choose-title" {
            form method="dialog" {
                h2 #choose-title { "Which face is it?" }
                p #choose-about {}
                ul #choose-faces .faces {}
                p #choose-none .hint hidden { "No face was found in this event's photos yet." }
                button value="no" { "Cancel" }
            }
        }
    }
}

/// What is printed: nothing else of the page is.
fn card() -> Markup {
    html! {
        section #card .print-card aria-hidden="true" {
            p #card-event .event {}
            img #card-qr alt="";
            p.line { "Scan, show your face, find your photos." }
            p.line lang="hi" { "स्कैन करें, चेहरा दिखाएँ, अपनी फ़ोटो पाएँ।" }
            p #card-studio .studio {}
        }
    }
}
