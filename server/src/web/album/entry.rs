use maud::{Markup, html};

use super::context::PageContext;
use super::layout::{PageFrame, layout, wait, work};
use crate::error::{ApiError, ErrorKind, WorkChallenge};
use crate::web::privacy;

/// Renders the entry page: the names of the album and the studio, and the form for the PIN. It shows no photo. The
/// script solves `challenge` before it sends the form.
pub fn page(
    here: &PageContext,
    refused: Option<&ApiError>,
    challenge: Option<&WorkChallenge>,
) -> Markup {
    let (words, link) = (here.words(), &here.link);
    let message = refused.map(|failure| match failure.kind {
        ErrorKind::TooManyRequests => wait(words, failure),
        ErrorKind::ProofOfWorkRequired => words.enter_again.to_owned(),
        _ => words.wrong_pin.to_owned(),
    });
    let main = html! {
        section.door {
            p.by { ((words.by_studio)(&link.studio_name)) }
            h1 { (link.album_name) }
            form method="post" action=(here.path("")) data-challenge=[challenge.map(|it| &it.challenge)]
                data-bits=[challenge.map(|it| it.bits)] {
                @if link.asks_for_pin() {
                    p.lead { (words.pin_title) }
                    label for="pin" { (words.pin_label) }
                    input #pin .pin name="pin" type="text" inputmode="numeric" autocomplete="off" required
                        maxlength="20" autofocus aria-describedby=(if message.is_some() { "said pin-hint" } else { "pin-hint" })
                        aria-invalid=[message.is_some().then_some("true")];
                    @if let Some(message) = &message { p #said .bad role="alert" { (message) } }
                    p #pin-hint .hint { (words.pin_hint) }
                    (work(words, challenge))
                }
                button type="submit" { (words.open) }
            }
            (privacy::link(here.language(), &link.event))
        }
    };
    let frame = PageFrame {
        words,
        language: here.language(),
        title: &link.album_name,
        address: &here.path(""),
        class: "quiet",
    };
    layout(&frame, &main)
}
