use maud::{Markup, html};

use super::layout::{GuestPageFrame, layout, string_data};
use super::{camera, code};
use crate::api::event::terms::Purpose;
use crate::api::guest::consent::{self, Consent, ConsentKind, ConsentNames};
use crate::i18n::Language;
use crate::i18n::guest::GuestTexts;
use crate::web::privacy;

/// The event that a guest link opens.
pub struct LinkTarget<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub ends_unix_s: i64,
    pub purpose: Purpose,
    /// The event's id, for the link to its privacy page.
    pub id: &'a str,
    /// Whether the event sends each guest a code.
    pub needs_code: bool,
    /// Whether no face of the event is analysed before the first search.
    pub first_search: bool,
    /// The path of the link, `/g/TOKEN`.
    pub address: &'a str,
}

impl LinkTarget<'_> {
    /// Returns the text of the consent of kind `way`.
    pub fn consent(&self, way: ConsentKind, language: Language) -> Consent {
        let Self { event, studio, ends_unix_s, purpose, .. } = *self;
        consent::text(way, language, ConsentNames { event, studio, ends_unix_s, purpose })
    }
}

/// The progress of a guest's registration for the event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EntryStage {
    New,
    /// The guest has consented, but has not passed the challenge.
    Registered,
    /// The guest has passed the challenge, but is not verified: the code is missing, or others come first.
    Passed,
    Verified,
}

/// Renders the page of a guest link in four steps: event, name and contact, consent, camera. `guest_entry.js`
/// shows one step at a time. Without JavaScript, the first step links to the form for access without a camera.
pub fn page(
    words: &GuestTexts,
    language: Language,
    behind: &LinkTarget<'_>,
    stage: EntryStage,
) -> Markup {
    let ask = format!("{}/ask", behind.address);
    let main = html! {
        div.way data-stage=(stage.name()) {
            header.mast {
                p.by { ((words.door.by_studio)(behind.studio)) }
                h1 { (behind.event) }
            }
            (about(words, &ask, stage, behind.needs_code))
            (privacy::link(language, behind.id))
            (you(words, behind.needs_code))
            (agree(words, language, behind))
            (camera::section(words, Some(&ask), true))
            (code::steps(words))
            (strings(words))
        }
    };
    let sheet = GuestPageFrame {
        language,
        title: behind.event,
        address: behind.address,
        class: "steps",
        script: "/assets/guest_entry.js",
    };
    layout(words, &sheet, &main)
}

impl EntryStage {
    fn name(self) -> &'static str {
        match self {
            Self::New | Self::Verified => "new",
            Self::Registered => "registered",
            Self::Passed => "passed",
        }
    }
}

/// Renders the texts of the entry page for its script.
pub fn strings(words: &GuestTexts) -> Markup {
    let door = &words.door;
    let own = [
        ("both_needed", door.both_needed),
        ("consent_changed", door.consent_changed),
        ("contact_wrong", door.contact_wrong),
        ("email_wrong", door.email_wrong),
        ("closed", door.closed),
        ("failed", door.failed),
        ("no_line", door.no_line),
    ];
    string_data(&[own.as_slice(), &code::strings(words)].concat())
}

fn about(words: &GuestTexts, ask: &str, stage: EntryStage, needs_code: bool) -> Markup {
    let door = &words.door;
    let [name, camera, photos] = door.steps;
    let steps = [name, if needs_code { door.step_with_code } else { camera }, photos];
    html! {
        section #about .step {
            p.lead { (door.lead) }
            ol.how { @for step in steps { li { span { (step) } } } }
            div.deeds {
                @if stage == EntryStage::Verified { a.button href="/g" { (door.go_on) } }
                button #begin .quiet[stage == EntryStage::Verified] type="button" hidden { (door.begin) }
                noscript { p { (door.no_script) } }
                a.button.quiet href=(ask) { (door.without_camera) }
            }
            p.hint { (door.neither) }
        }
    }
}

fn you(words: &GuestTexts, needs_code: bool) -> Markup {
    let door = &words.door;
    let (label, hint, kind) = match needs_code {
        true => (door.email, door.email_hint, "email"),
        false => (door.contact, door.contact_hint, "text"),
    };
    html! {
        form #you .step hidden data-code[needs_code] aria-labelledby="you-title" {
            h2 #you-title tabindex="-1" { (door.you_title) }
            label for="name" { (door.name) }
            input #name name="name" type="text" autocomplete="name" required maxlength="100";
            label for="contact" { (label) }
            input #contact name="contact" type=(kind) inputmode="email" autocomplete="email" autocapitalize="none"
                spellcheck="false" required maxlength="254" aria-describedby="contact-hint you-bad";
            p #contact-hint .hint { (hint) }
            p #you-bad .bad role="alert" {}
            div.deeds {
                button type="submit" { (door.next) }
                button.quiet type="button" data-back="about" { (door.back) }
            }
        }
    }
}

fn agree(words: &GuestTexts, language: Language, behind: &LinkTarget<'_>) -> Markup {
    let door = &words.door;
    let consent = behind.consent(ConsentKind::Camera, language);
    html! {
        form #consent .step hidden novalidate aria-labelledby="consent-title" data-version=(consent.version)
            data-ends=(consent.ends_unix_s) data-purpose=(consent.purpose.as_str()) {
            h2 #consent-title tabindex="-1" { (door.consent_title) }
            div.small { @for paragraph in &consent.text { p { (paragraph) } } }
            @if behind.first_search { p.hint { (door.first_search) } }
            (ticks(door.i_agree, door.i_am_adult))
            p #consent-bad .bad role="alert" {}
            div.deeds {
                button type="submit" { (door.next) }
                button.quiet type="button" data-back="you" { (door.back) }
            }
        }
    }
}

/// Renders the two checkboxes of a consent. The server stores nothing unless the guest ticks both.
pub fn ticks(i_agree: &str, i_am_adult: &str) -> Markup {
    html! {
        label.check { input #agree name="agree" type="checkbox" value="yes" required; span { (i_agree) } }
        label.check { input #adult name="adult" type="checkbox" value="yes" required; span { (i_am_adult) } }
    }
}
