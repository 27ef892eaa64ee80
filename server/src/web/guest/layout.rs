use maud::{Markup, html};

use crate::i18n::Language;
use crate::i18n::guest::{GuestErrorText, GuestTexts};
use crate::web::visitor_layout::{self, Frame};

/// The layout parameters of a guest page. An empty `script` means none.
pub struct GuestPageFrame<'a> {
    pub language: Language,
    pub title: &'a str,
    pub address: &'a str,
    pub class: &'a str,
    pub script: &'a str,
}

pub fn layout(words: &GuestTexts, sheet: &GuestPageFrame<'_>, main: &Markup) -> Markup {
    let GuestPageFrame { language, title, address, class, script } = *sheet;
    let (skip, choice) = (words.door.skip, words.door.language);
    visitor_layout::layout(&Frame { skip, choice, language, title, address, class, script }, main)
}

/// Renders a page with one message and, if `back` is given, a link back.
pub fn notice(
    words: &GuestTexts,
    language: Language,
    (title, text): (&str, &str),
    back: Option<&str>,
) -> Markup {
    let sheet = GuestPageFrame { language, title, address: "", class: "quiet", script: "" };
    let main = html! {
        section.door {
            h1 { (title) }
            p role="status" { (text) }
            @if let Some(back) = back { p { a.button href=(back) { (words.door.back) } } }
        }
    };
    layout(words, &sheet, &main)
}

/// Renders the page for an ended session. Its script links to the guest link that the browser has stored.
pub fn signed_out(words: &GuestTexts, language: Language) -> Markup {
    let photos = &words.photos;
    let sheet = GuestPageFrame {
        language,
        title: photos.signed_out_title,
        address: "/g",
        class: "quiet",
        script: "/assets/session_ended.js",
    };
    let main = html! {
        section.door {
            h1 { (photos.signed_out_title) }
            p role="status" { (photos.signed_out) }
            p { a #again .button href="/g" hidden { (photos.come_again) } }
        }
    };
    layout(words, &sheet, &main)
}

/// Renders pairs of name and text for the page's script, in a `template` element: browsers do not display it,
/// and screen readers ignore it.
pub fn string_data(all: &[(&str, &str)]) -> Markup {
    html! {
        template #words {
            @for (name, text) in all { p data-name=(name) { (text) } }
        }
    }
}

/// Renders pairs of name and error text for the page's script.
pub fn error_data<'a>(all: impl Iterator<Item = (&'a str, &'a GuestErrorText)>) -> Markup {
    html! {
        template #troubles {
            @for (name, trouble) in all {
                div data-name=(name) {
                    p { (trouble.what) }
                    p { (trouble.remedy) }
                }
            }
        }
    }
}
