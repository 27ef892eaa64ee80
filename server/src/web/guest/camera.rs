use maud::{Markup, html};

use super::layout::error_data;
use crate::i18n::guest::{CameraTexts, GUIDANCE, GuestTexts, REASONS};

/// Renders the camera step in three parts: introduction, live picture with instructions, and failure.
/// `camera.js` shows one part at a time. `ask` is the URL of the form for access without a camera; `None` if
/// the page does not know the guest link.
pub fn section(words: &GuestTexts, ask: Option<&str>, hidden: bool) -> Markup {
    let camera = &words.camera;
    let other_way = html! {
        @if let Some(ask) = ask { a.button.quiet href=(ask) { (words.door.without_camera) } }
    };
    html! {
        section #camera .step hidden[hidden] aria-labelledby="camera-title" {
            div #ready {
                h2 #camera-title tabindex="-1" { (camera.title) }
                (sketch())
                p { (camera.intro) }
                p #opening role="status" {}
                div.deeds {
                    button #open type="button" { (camera.open) }
                    (other_way)
                }
                label.check { input #vibrate type="checkbox"; span { (camera.vibrate) } }
            }
            (live(camera))
            div #failed hidden {
                h2 #failed-title tabindex="-1" { (camera.failed_title) }
                p #what .what {}
                p #remedy {}
                div.deeds {
                    button #again type="button" { (camera.try_again) }
                    (other_way)
                }
            }
            (words_of(camera))
        }
    }
}

/// Renders a drawing of a face in an oval, with an arrow on each side.
fn sketch() -> Markup {
    html! {
        svg.sketch viewBox="0 0 120 120" aria-hidden="true" {
            ellipse.rim cx="60" cy="60" rx="40" ry="52" {}
            path d="M48 50v5M72 50v5M60 54v14h-5M49 80q11 8 22 0" {}
            path.way d="M12 52l-8 8 8 8M108 52l8 8-8 8" {}
        }
    }
}

fn live(camera: &CameraTexts) -> Markup {
    html! {
        div #live .live hidden {
            p #guidance .guidance role="status" aria-live="polite" {}
            div.lens {
                video #preview autoplay muted playsinline aria-label=(camera.preview) {}
                svg.oval viewBox="0 0 300 400" preserveAspectRatio="xMidYMid slice" aria-hidden="true" {
                    path.veil d="M-600-600h1500v1600h-1500zM150 45a112 155 0 1 0 0 310a112 155 0 1 0 0-310z" {}
                    ellipse.rim cx="150" cy="200" rx="112" ry="155" {}
                }
                svg #arrow .arrow viewBox="0 0 100 100" aria-hidden="true" hidden {
                    path d="M62 14 26 50l36 36M28 50h66" {}
                }
            }
            div.below {
                ol #turns .turns aria-hidden="true" {}
                p #progress .unseen role="status" aria-live="polite" {}
                button #stop .quiet type="button" { (camera.cancel) }
            }
        }
    }
}

fn words_of(camera: &CameraTexts) -> Markup {
    let guidance = GUIDANCE.into_iter().zip(camera.guidance);
    let others =
        [("opening", camera.opening), ("progress", camera.progress), ("passed", camera.passed)];
    let reasons = REASONS.into_iter().zip(&camera.reasons);
    let camera_troubles = [
        ("refused", &camera.refused),
        ("absent", &camera.absent),
        ("busy", &camera.busy),
        ("insecure", &camera.insecure),
        ("wait", &camera.wait),
        ("many_people", &camera.many_people),
        ("needs_email", &camera.needs_email),
        ("ended", &camera.ended),
        ("failed", &camera.broken),
        ("no_line", &camera.no_line),
    ];
    html! {
        template #camera-words {
            @for (name, text) in guidance.chain(others) { p data-name=(name) { (text) } }
        }
        (error_data(reasons.chain(camera_troubles)))
    }
}
