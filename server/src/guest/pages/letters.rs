//! The pages that letters lead to. The link's token stands behind its `#`, so that no server sees it in an address.
//!
//! A button uses it, not the page: programs that look at letters open links, and press none.

use maud::{Markup, html};

use super::layout::{Sheet, layout, said};
use crate::words::Language;
use crate::words::guest::Guest;

/// To come in without a camera.
pub fn enter(words: &Guest, language: Language) -> Markup {
    let letters = &words.letters;
    let texts = (letters.enter_title, letters.enter, letters.enter_button);
    page(words, language, "/g/enter", "enter", texts)
}

/// To confirm that letters are wanted.
pub fn notify(words: &Guest, language: Language) -> Markup {
    let letters = &words.letters;
    let texts = (letters.notify_title, letters.notify, letters.notify_button);
    page(words, language, "/g/notify", "notify", texts)
}

fn page(
    words: &Guest,
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
        (said(&[
            ("gone", words.letters.gone),
            ("notified", words.letters.notified),
            ("failed", words.door.failed),
            ("no_line", words.door.no_line),
        ]))
    };
    let sheet = Sheet { language, title, address, class: "quiet", script: "/assets/letters.js" };
    layout(words, &sheet, &main)
}
