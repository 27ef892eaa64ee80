use maud::{Markup, html};

use crate::i18n::guest::GuestTexts;

/// Renders the step in which the guest enters the code from the e-mail, and the step in which the guest waits
/// while many others come. `guest_entry.js` shows them after the head turns if the API asks for them.
pub fn steps(words: &GuestTexts) -> Markup {
    let code = &words.code;
    html! {
        form #code-step .step hidden novalidate aria-labelledby="code-title" {
            h2 #code-title tabindex="-1" { (code.title) }
            p { (code.intro) }
            label for="code" { (code.label) }
            input #code .pin name="code" type="text" inputmode="numeric" autocomplete="one-time-code"
                required maxlength="12" aria-describedby="code-bad code-hint";
            p #code-bad .bad role="alert" {}
            div.deeds {
                button type="submit" { (code.send) }
                button #code-again .quiet type="button" { (code.again) }
            }
            p #code-said role="status" {}
            p #code-hint .hint { (code.not_come) }
        }
        section #queue .step hidden aria-labelledby="queue-title" {
            h2 #queue-title tabindex="-1" { (code.queue_title) }
            p role="status" { (code.queue) }
        }
    }
}

/// Returns the texts of the steps for the page's script.
pub fn strings(words: &GuestTexts) -> [(&'static str, &'static str); 4] {
    let code = &words.code;
    [
        ("code_wrong", code.wrong),
        ("code_too_many", code.too_many),
        ("code_too_soon", code.too_soon),
        ("code_sent_again", code.sent_again),
    ]
}
