use maud::{Markup, html};

use super::layout::{code, field, layout, outcome, secret_code};

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
            form #end-sessions .stack hidden {
                (field("Your password", "sessions-password", "password", "current-password", "To end a session on another device, enter your password first. Do that after a change of the second factor."))
                button .quiet type="submit" { "End all other sessions" }
                (outcome())
            }
            p #sessions-said .outcome role="status" aria-live="polite" {}
        }
        section aria-labelledby="kept-title" {
            h2 #kept-title { "Your data" }
            p.hint { "One file with your account, roles, sessions and recorded activity." }
            p { a.button.quiet href="/api/v1/me/export" download { "Download my data" } }
        }
    };
    layout("My account", "/assets/account.js", true, &main)
}

fn name() -> Markup {
    html! {
        section.card aria-labelledby="name-title" {
            h2 #name-title { "Name" }
            form #naming .stack {
                (field("Your name", "name", "text", "name", "Other members of your studios see this name."))
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
                (field("New address", "new-email", "email", "email", "We send a link to this address. Your address changes when you open the link and confirm."))
                (field("Your password", "email-password", "password", "current-password", ""))
                (code("email-code"))
                button type="submit" { "Change e-mail" }
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
                (field("Current password", "current", "password", "current-password", ""))
                (field("New password", "new", "password", "new-password", "At least 10 characters. A change ends all your other sessions."))
                (code("password-code"))
                button type="submit" { "Change password" }
                (outcome())
            }
        }
    }
}

fn second_factor() -> Markup {
    html! {
        section.card aria-labelledby="factor-title" {
            h2 #factor-title tabindex="-1" { "Two-step verification" }
            p #factor-state { "…" }
            form #factor-begin .stack hidden {
                (field("Your password", "begin-password", "password", "current-password", ""))
                button type="submit" { "Set up" }
                (outcome())
            }
            div #factor-new hidden {
                div.beside {
                    img #factor-qr .qr alt="QR code for your authenticator app" width="240" height="240";
                    div {
                        p { "Scan the QR code with your authenticator app, or type in this key. The key is shown once." }
                        p { code #factor-secret .secret {} }
                    }
                }
                form #factor-confirm .stack {
                    (digits("confirm-code", "6-digit code from your app"))
                    button type="submit" { "Turn on" }
                    (outcome())
                }
            }
            div #factor-codes hidden {
                p { strong { "Save these recovery codes now." } " Each works once in place of a code from your app. They are not shown again." }
                ul #recovery-codes .codes {}
            }
            form #factor-change .stack hidden {
                (field("Your password", "change-password", "password", "current-password", ""))
                (secret_code("change-code", true))
                div.buttons {
                    button.danger type="submit" value="remove" { "Turn off" }
                    button.quiet type="submit" value="renew" { "New recovery codes" }
                }
                (outcome())
            }
            p #factor-said .outcome role="status" aria-live="polite" {}
        }
    }
}

/// Renders a required field for a code of the authenticator app.
fn digits(name: &str, label: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type="text" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6" required;
        }
    }
}
