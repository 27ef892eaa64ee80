use maud::{DOCTYPE, Markup, html};

/// Renders a studio page with the script at the address `script`.
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
                // Inert until the script has registered its handlers: an earlier click or input would be lost.
                main #main tabindex="-1" inert { (main) }
                noscript { p.notice { "PicPick needs JavaScript. Turn it on and reload the page." } }
            }
        }
    }
}

/// Renders the heading and tabs of an event's page. `studio_common.js` sets the tabs' addresses, because only
/// the page's address contains the event's id.
pub fn event_head(current: &str) -> Markup {
    let pages = [
        ("", "Photos"),
        ("guests", "Guests"),
        ("people", "People"),
        ("matching", "Matching"),
        ("coverage", "Coverage"),
        ("albums", "Albums"),
        ("privacy", "Privacy"),
        ("settings", "Settings"),
    ];
    html! {
        p { a href="/studio" { "← All events" } }
        h1 #event-name { "Event" }
        p #event-about .hint {}
        p #event-deferred .hint hidden { "No face in this event’s photos is analysed until a guest who has agreed searches. Owners and admins can change that in Settings." }
        nav.tabs aria-label="Pages of this event" {
            @for (page, name) in pages {
                a data-page=(page) href="/studio" aria-current=[(page == current).then_some("page")] { (name) }
            }
        }
    }
}

/// Renders the tabs of the studio's own pages.
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

/// Renders the confirmation dialog, which `sure` of `studio_common.js` fills in and opens.
pub fn sure() -> Markup {
    html! {
        dialog #ask-sure aria-labelledby="ask-title" {
            form method="dialog" {
                h2 #ask-title { "Are you sure?" }
                p #ask-text {}
                button value="no" autofocus { "Cancel" } " "
                button #ask-yes .danger value="yes" { "Yes" }
            }
        }
    }
}

/// Renders a required input with its label and, unless `hint` is empty, a hint.
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

/// Renders a hidden field for a code. The script shows the field if the account has a second factor.
pub fn code(name: &str) -> Markup {
    html! { div data-code hidden { (secret_code(name, false)) } }
}

/// Renders a field for a code of the authenticator app or a recovery code.
pub fn secret_code(name: &str, required: bool) -> Markup {
    html! {
        div.field {
            label for=(name) { "Code from your authenticator app, or a recovery code" }
            input id=(name) name=(name) type="text" autocomplete="one-time-code" autocapitalize="characters" maxlength="40" required[required];
        }
    }
}

/// Renders the element in which a form's script shows the error or success message.
pub fn outcome() -> Markup {
    html! { p.outcome role="status" aria-live="polite" {} }
}
