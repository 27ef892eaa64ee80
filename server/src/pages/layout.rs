//! What all pages have in common: head, banner, main part.
//!
//! Knows no page.

use maud::{DOCTYPE, Markup, html};

/// A page called `title` that runs `script`.
pub fn layout(title: &str, script: &str, signed_in: bool, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · PicPick" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                script type="module" src=(script) {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.banner {
                    a.brand href="/studio" { img src="/assets/icon.svg" alt="" width="28" height="28"; "PicPick" }
                    @if signed_in {
                        nav aria-label="Account" {
                            a #who href="/studio/me" title="My account" { "My account" }
                            button #sign-out .quiet type="button" { "Sign out" }
                        }
                    }
                }
                p #page-trouble .outcome.bad.narrow role="alert" {}
                // Until the script listens, nothing can be pressed that would get lost.
                main #main tabindex="-1" inert { (main) }
                noscript { p.notice { "These pages need JavaScript." } }
            }
        }
    }
}

/// The pages of one event; the script of each says where they lead, for only the address names the event.
pub fn event_head(current: &str) -> Markup {
    let pages = [
        ("", "Photos"),
        ("guests", "Guests"),
        ("people", "People"),
        ("matching", "Matching"),
        ("coverage", "Coverage"),
        ("albums", "Albums"),
        ("settings", "Settings"),
    ];
    html! {
        p { a href="/studio" { "← All events" } }
        h1 #event-name { "Event" }
        p #event-about .hint {}
        nav.tabs aria-label="Pages of this event" {
            @for (page, name) in pages {
                a data-page=(page) href="/studio" aria-current=[(page == current).then_some("page")] { (name) }
            }
        }
    }
}

/// The pages of the studio itself.
pub fn studio_tabs(current: &str) -> Markup {
    let pages = [("", "Events"), ("/members", "Members"), ("/records", "Records")];
    html! {
        nav.tabs aria-label="Pages of the studio" {
            @for (page, name) in pages {
                a href=(format!("/studio{page}")) aria-current=[(page == current).then_some("page")] { (name) }
            }
        }
    }
}

/// Asks before something is done that cannot be undone; scripts fill it in.
pub fn sure() -> Markup {
    html! {
        dialog #ask-sure aria-labelledby="ask-title" {
            form method="dialog" {
                h2 #ask-title { "Are you sure?" }
                p #ask-text {}
                button value="no" autofocus { "No, keep it" } " "
                button #ask-yes .danger value="yes" { "Yes" }
            }
        }
    }
}

/// A labelled input.
pub fn field(label: &str, name: &str, kind: &str, autocomplete: &str, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) autocomplete=(autocomplete) required
                aria-describedby=[(!hint.is_empty()).then(|| format!("{name}-hint"))];
            @if !hint.is_empty() { p.hint id=(format!("{name}-hint")) { (hint) } }
        }
    }
}

/// Where a form says what went wrong, or that all went well.
pub fn outcome() -> Markup {
    html! { p.outcome role="status" aria-live="polite" {} }
}
