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
                            span #who {}
                            button #sign-out .quiet type="button" { "Sign out" }
                        }
                    }
                }
                main #main tabindex="-1" { (main) }
                noscript { p.notice { "These pages need JavaScript." } }
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
