//! The pages that links in e-mails open. The token is in the URL's fragment (`#`), which browsers do not send.
//!
//! A page uses its token only when the guest presses the button, because mail scanners open links but press no
//! buttons.

use maud::{Markup, html};

use super::layout::{GuestPageFrame, layout, string_data};
use crate::i18n::Language;
use crate::i18n::guest::GuestTexts;

/// Renders the page that signs in a guest after the studio has accepted the access request.
pub fn enter(words: &GuestTexts, language: Language) -> Markup {
    let letters = &words.letters;
    let texts = (letters.enter_title, letters.enter, letters.enter_button);
    page(words, language, "/g/enter", "enter", texts)
}

/// Renders the page that confirms e-mails about new photos.
pub fn notify(words: &GuestTexts, language: Language) -> Markup {
    let letters = &words.letters;
    let texts = (letters.notify_title, letters.notify, letters.notify_button);
    page(words, language, "/g/notify", "notify", texts)
}

/// Renders the page that undoes the erasure of the guest's faces.
pub fn undo(words: &GuestTexts, language: Language) -> Markup {
    let letters = &words.letters;
    let texts = (letters.undo_title, letters.undo, letters.undo_button);
    page(words, language, "/g/undo", "undo", texts)
}

fn page(
    words: &GuestTexts,
    language: Language,
    address: &str,
    what: &str,
    (title, text, button): (&str, &str, &str),
) -> Markup {
    let main = html! {
        section.door {
            h1 { (title) }
            p #text { (text) }
            noscript { p.bad { (words.letters.needs_script) } }
            div.deeds {
                button #use type="button" data-what=(what) { (button) }
                a #on .button href="/g" hidden { (words.door.go_on) }
            }
            p #outcome role="status" {}
        }
        (string_data(&[
            ("gone", words.letters.gone),
            ("notified", words.letters.notified),
            ("undone", words.letters.undone),
            ("failed", words.door.failed),
            ("no_line", words.door.no_line),
        ]))
    };
    let sheet = GuestPageFrame {
        language,
        title,
        address,
        class: "quiet",
        script: "/assets/email_links.js",
    };
    layout(words, &sheet, &main)
}
