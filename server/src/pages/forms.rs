//! Pages with one form: first account, sign-in, invitation, new password, new address.
//!
//! Tokens stand behind the `#` of a link, so that no server and no log ever sees them in an address. Checks
//! nothing: the API does.

use maud::{Markup, html};

use super::layout::{field, layout, outcome};

const SCRIPT: &str = "/assets/forms.js";
const PASSWORD_HINT: &str = "Ten characters or more.";

fn form(title: &str, intro: &str, action: &str, fields: &Markup, button: &str) -> Markup {
    let main = html! {
        section.card.narrow {
            h1 { (title) }
            p { (intro) }
            form method="post" data-action=(action) {
                (fields)
                button type="submit" { (button) }
                (outcome())
            }
        }
    };
    layout(title, SCRIPT, false, &main)
}

/// The link of the first start leads here.
pub fn setup() -> Markup {
    let fields = html! {
        (field("Your studio", "studio", "text", "organization", ""))
        (field("Your name", "name", "text", "name", ""))
        (field("E-mail", "email", "email", "email", ""))
        (field("Password", "password", "password", "new-password", PASSWORD_HINT))
    };
    form(
        "Welcome",
        "Make the first account of this PicPick. It owns the studio and can invite others.",
        "setup",
        &fields,
        "Create the studio",
    )
}

pub fn sign_in() -> Markup {
    let fields = html! {
        (field("E-mail", "email", "email", "username", ""))
        (field("Password", "password", "password", "current-password", ""))
        div.field {
            label for="code" { "Code of your authenticator app, if you use one" }
            input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="6";
        }
    };
    form("Sign in", "To your studio.", "sign-in", &fields, "Sign in")
}

/// The link of an invitation leads here.
pub fn invitation() -> Markup {
    let fields = html! {
        (field("Your name", "name", "text", "name", ""))
        (field("Password", "password", "password", "new-password", "If you have an account already: its password."))
    };
    form("You are invited", "Join a studio on PicPick.", "invitation", &fields, "Join")
}

/// The link for a new password leads here.
pub fn reset() -> Markup {
    let fields = field("New password", "password", "password", "new-password", PASSWORD_HINT);
    form(
        "New password",
        "Choose a new password for your account.",
        "reset",
        &fields,
        "Set the password",
    )
}

/// The link for another address leads here. It is confirmed by a person: programs that look at the links of
/// mails do not press buttons.
pub fn email() -> Markup {
    form(
        "New address",
        "Your account gets the address that this link was sent to. Sign in with it from then on.",
        "email",
        &html! {},
        "Confirm the address",
    )
}
