//! Pages with one form: setup, sign-in, invitation, password reset, e-mail change.
//!
//! The token of a link is in the URL's fragment (after `#`), which browsers do not send, so that no server log
//! contains it.

use maud::{Markup, html};

use super::layout::{field, layout, outcome};

const SCRIPT: &str = "/assets/forms.js";
const PASSWORD_HINT: &str =
    "At least 10 characters. Use several uncommon words, or a password manager.";

fn form(title: &str, intro: &str, action: &str, fields: &Markup, button: &str) -> Markup {
    let main = html! {
        section.card.narrow {
            h1 { (title) }
            @if !intro.is_empty() { p { (intro) } }
            form method="post" data-action=(action) {
                (fields)
                button type="submit" { (button) }
                (outcome())
            }
        }
    };
    layout(title, SCRIPT, false, &main)
}

/// Renders the page of the setup link, which the server prints at each start until the first account exists.
pub fn setup() -> Markup {
    let fields = html! {
        (field("Name of your studio", "studio", "text", "organization", ""))
        (field("Your name", "name", "text", "name", ""))
        (field("E-mail", "email", "email", "email", ""))
        (field("Password", "password", "password", "new-password", PASSWORD_HINT))
    };
    form(
        "Welcome",
        "Create your studio. You will be its owner and can invite your team later.",
        "setup",
        &fields,
        "Create studio",
    )
}

pub fn sign_in() -> Markup {
    let fields = html! {
        (field("E-mail", "email", "email", "username", ""))
        (field("Password", "password", "password", "current-password", ""))
        div.field {
            label for="code" { "Code from your app, or a recovery code, if two-step verification is on" }
            input id="code" name="code" type="text" autocomplete="one-time-code" autocapitalize="characters" maxlength="40";
        }
    };
    form("Sign in", "", "sign-in", &fields, "Sign in")
}

/// Renders the page of an invitation link.
pub fn invitation() -> Markup {
    let fields = html! {
        p #invitation-own hidden { "You are signed in as " strong #invitation-email { "…" } "." }
        fieldset #invitation-fields {
            legend { "Create your account" }
            (field("Your name", "name", "text", "name", ""))
            (field("Password", "password", "password", "new-password", PASSWORD_HINT))
        }
        p #invitation-account { "Do you have a PicPick account? " a href="/sign-in" { "Sign in" } " to join with it." }
    };
    form("You are invited", "Join a studio on PicPick.", "invitation", &fields, "Join")
}

/// Renders the page of a password reset link.
pub fn reset() -> Markup {
    let fields = field("New password", "password", "password", "new-password", PASSWORD_HINT);
    form(
        "New password",
        "Choose a new password for your account.",
        "reset",
        &fields,
        "Set password",
    )
}

/// Renders the page of the link that confirms a new e-mail address. The user confirms with a button, because
/// mail scanners open links but press no buttons.
pub fn email() -> Markup {
    form(
        "New e-mail address",
        "Confirm the address that received this link. From then on, you sign in with this address.",
        "email",
        &html! {},
        "Confirm address",
    )
}
