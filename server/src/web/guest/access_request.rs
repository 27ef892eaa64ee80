use maud::{Markup, html};

use super::entry::{LinkTarget, ticks};
use super::layout::{GuestPageFrame, layout};
use crate::api::guest::consent::ConsentKind;
use crate::i18n::Language;
use crate::i18n::guest::GuestTexts;

/// The values of a rejected form, and the reason for the rejection; all empty for a new form.
#[derive(Default)]
pub struct RejectedForm<'a> {
    pub name: &'a str,
    pub contact: &'a str,
    pub message: &'a str,
    pub why: &'a str,
}

/// Renders the form that requests access without a camera from the studio. It needs no script.
pub fn page(
    words: &GuestTexts,
    language: Language,
    behind: &LinkTarget<'_>,
    refused: &RejectedForm<'_>,
) -> Markup {
    let (door, ask) = (&words.door, &words.ask);
    let address = format!("{}/ask", behind.address);
    let consent = behind.consent(ConsentKind::Studio, language);
    let main = html! {
        div.way {
            header.mast {
                p.by { ((door.by_studio)(behind.studio)) }
                h1 { (behind.event) }
            }
            form.step method="post" action=(address) aria-labelledby="ask-title" {
                h2 #ask-title { (ask.title) }
                p { (ask.intro) }
                @if !refused.why.is_empty() { p.bad role="alert" { (refused.why) } }
                label for="name" { (door.name) }
                input #name name="name" type="text" autocomplete="name" required maxlength="100" value=(refused.name);
                label for="contact" { (ask.email) }
                input #contact name="contact" type="email" autocomplete="email" autocapitalize="none"
                    spellcheck="false" required maxlength="254" value=(refused.contact) aria-describedby="contact-hint";
                p #contact-hint .hint { (ask.email_hint) }
                label for="message" { (ask.message) }
                textarea #message name="message" rows="3" maxlength="1000" aria-describedby="message-hint" { (refused.message) }
                p #message-hint .hint { (ask.message_hint) }
                div.small { @for paragraph in &consent.text { p { (paragraph) } } }
                input type="hidden" name="version" value=(consent.version);
                input type="hidden" name="ends" value=(consent.ends_unix_s);
                input type="hidden" name="purpose" value=(consent.purpose.as_str());
                (ticks(ask.i_agree, door.i_am_adult))
                div.deeds {
                    button type="submit" { (ask.send) }
                    a.button.quiet href=(behind.address) { (ask.with_camera) }
                }
            }
        }
    };
    let sheet = GuestPageFrame {
        language,
        title: behind.event,
        address: &address,
        class: "steps",
        script: "",
    };
    layout(words, &sheet, &main)
}
