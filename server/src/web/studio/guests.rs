use maud::{Markup, html};

use super::layout::{event_head, field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        div.screen {
            (event_head("guests"))
            (links())
            (requests())
            (guest_list())
            section aria-labelledby="guests-title" {
                h2 #guests-title { "Guests" }
                p #no-guests .hint hidden { "No guests yet." }
                ul #guests .rows {}
                p #removed .outcome role="status" aria-live="polite" {}
            }
            details.card {
                summary { "Consents" }
                p.hint { "Shows which consent text each guest agreed to, and when a guest withdrew the consent. After a guest's data is deleted, the entry stays without a name." }
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
            p.hint { "Guests scan the QR code, show their face to their phone's camera and see the photos they are in. A link \
                      and its QR code are shown once. After you turn off a link, no new guests can use it." }
            form #new-link .inline {
                (field("Link name", "link-name", "text", "off", "For example: entrance, tables."))
                button type="submit" { "Create link" }
                (outcome())
            }
            ul #links .rows {}
            div #made hidden {
                h3 #made-title tabindex="-1" { "New link" }
                div.beside {
                    img #made-qr .qr alt="QR code of the link" width="240" height="240";
                    div {
                        p { a #made-url {} }
                        div.deeds {
                            button #print type="button" { "Print card" }
                            a #save-qr .button.quiet download="qr-code.svg" { "Save QR code (SVG)" }
                        }
                        p.hint { "For a PDF, choose “Save as PDF” as the printer." }
                    }
                }
            }
        }
    }
}

fn guest_list() -> Markup {
    html! {
        details #list-card .card {
            summary { "Guest list" }
            p #list-state .hint {}
            form #new-listed .stack {
                div.field {
                    label for="listed" { "E-mail addresses" }
                    textarea #listed name="contacts" rows="4" required aria-describedby="listed-hint" autocapitalize="none" spellcheck="false" {}
                    p #listed-hint .hint { "One for each line, or separated by commas. You can paste a column of a spreadsheet." }
                }
                button type="submit" { "Add to the list" }
                (outcome())
            }
            ul #listed-contacts .rows {}
        }
    }
}

fn requests() -> Markup {
    html! {
        section aria-labelledby="requests-title" {
            h2 #requests-title { "Requests without a camera" }
            p #no-requests .hint hidden { "No open requests." }
            ul #requests .rows {}
            p #request-state .outcome role="status" aria-live="polite" {}
        }
        dialog #choose .wide aria-labelledby="choose-title" {
            form method="dialog" {
                h2 #choose-title { "Choose the guest's face" }
                p #choose-about {}
                ul #choose-faces .faces {}
                p #choose-none .hint hidden { "No faces found in this event's photos yet." }
                button value="no" { "Cancel" }
            }
        }
    }
}

/// Renders the card with the QR code. In print, the style sheet hides all other content.
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
