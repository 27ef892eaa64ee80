//! The pages that links in e-mails open. Browsers do not send the token: it is in the URL's fragment (`#`).
//!
//! A button uses the token, not the page's load: mail scanners open links but press no buttons.

use maud::{Markup, html};

use super::layout::{GuestPageFrame, layout, string_data};
use crate::i18n::Language;
use crate::i18n::guest::GuestTexts;

/// Renders the page for access without a camera.
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
