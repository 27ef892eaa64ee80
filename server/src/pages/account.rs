//! One's own account: name, address, password, second factor, sessions.
//!
//! Shows nothing by itself: `account.js` fills it through the API.

use maud::{Markup, html};

use super::layout::{field, layout, outcome, sure};

pub fn page() -> Markup {
    let main = html! {
        p { a href="/studio" { "← Studio" } }
        h1 { "My account" }
        (name())
        (email())
        (password())
        (second_factor())
        section aria-labelledby="sessions-title" {
            h2 #sessions-title { "Where you are signed in" }
            ul #sessions .rows {}
            p #sessions-said .outcome role="status" aria-live="polite" {}
            button #end-others .quiet type="button" hidden { "End all others" }
        }
        section aria-labelledby="kept-title" {
            h2 #kept-title { "What is kept about you" }
            p.hint { "Your account, roles and sessions, and what the records say you did." }
            p { a.button.quiet href="/api/v1/me/export" download { "Download it" } }
        }
        (sure())
    };
    layout("My account", "/assets/account.js", true, &main)
}

fn name() -> Markup {
    html! {
        section.card aria-labelledby="name-title" {
            h2 #name-title { "Name" }
            form #naming .stack {
                (field("Your name", "name", "text", "name", "As others in your studios see it."))
                button type="submit" { "Save" }
                (outcome())
            }
        }
    }
}

fn email() -> Markup {
    html! {
        section.card aria-labelledby="email-title" {
            h2 #email-title { "E-mail" }
            p { "You sign in with " strong #address { "…" } "." }
            form #mailing .stack {
                (field("New address", "new-email", "email", "email", "A mail with a link goes there; the address changes when it is used."))
                (field("Your password", "email-password", "password", "current-password", ""))
                (code("email-code"))
                button type="submit" { "Ask for the change" }
                (outcome())
            }
        }
    }
}

fn password() -> Markup {
    html! {
        section.card aria-labelledby="password-title" {
            h2 #password-title { "Password" }
            form #password .stack {
                (field("The one you have", "current", "password", "current-password", ""))
                (field("New password", "new", "password", "new-password", "Ten characters or more. All your other sessions end."))
                (code("password-code"))
                button type="submit" { "Change it" }
                (outcome())
            }
        }
    }
}

fn second_factor() -> Markup {
    html! {
        section.card aria-labelledby="factor-title" {
            h2 #factor-title tabindex="-1" { "Second factor" }
            p #factor-state { "…" }
            button #factor-begin type="button" hidden { "Set it up" }
            div #factor-new hidden {
                div.beside {
                    img #factor-qr .qr alt="QR code for your authenticator app" width="240" height="240";
                    div {
                        p { "Scan the code with an authenticator app, or type this in. It is shown once." }
                        p { code #factor-secret .secret {} }
                    }
                }
                form #factor-confirm .stack {
                    (digits("confirm-code", "The code that the app shows now"))
                    button type="submit" { "Turn it on" }
                    (outcome())
                }
            }
            form #factor-remove .stack hidden {
                (digits("remove-code", "A last code of the app"))
                button.danger type="submit" { "Turn it off" }
                (outcome())
            }
            p #factor-said .outcome role="status" aria-live="polite" {}
        }
    }
}

/// A code, where the account asks for one; the script shows it then.
fn code(name: &str) -> Markup {
    html! {
        div.field data-code hidden {
            label for=(name) { "Code of your authenticator app" }
            input id=(name) name=(name) type="text" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6";
        }
    }
}

fn digits(name: &str, label: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type="text" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6" required;
        }
    }
}
