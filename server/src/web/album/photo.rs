use maud::{Markup, html};

use super::context::PageContext;
use super::layout::{PageFrame, file, layout, query, sizes};
use crate::api::album::annotations::Comment;
use crate::api::album::photos::{AlbumPhoto, AlbumSettings, PhotoFilter};
use crate::api::photo_policy::Download;

/// Centres of the nine fields of the comment form, `x,y` from 0 to 1, row by row.
const SPOTS: [&str; 9] = [
    "0.17,0.17",
    "0.5,0.17",
    "0.83,0.17",
    "0.17,0.5",
    "0.5,0.5",
    "0.83,0.5",
    "0.17,0.83",
    "0.5,0.83",
    "0.83,0.83",
];

/// The content of a photo's page.
pub struct PhotoPage {
    pub about: AlbumSettings,
    pub choice: PhotoFilter,
    pub photo: AlbumPhoto,
    /// The photo's number among the photos that `choice` selects, from 1.
    pub number: i64,
    /// Number of photos that `choice` selects.
    pub of: i64,
    /// Number of the gallery page that contains the photo, from 1.
    pub page: i64,
    /// Id of the photo before this one.
    pub previous: Option<String>,
    /// Id of the photo after this one.
    pub next: Option<String>,
    /// Number of photos that the visitor may still download; `None` if unlimited.
    pub downloads_left: Option<i64>,
    pub comments: Vec<Comment>,
}

pub fn page(here: &PageContext, shown: &PhotoPage) -> Markup {
    let (words, photo) = (here.words(), &shown.photo);
    let annotates = shown.about.visitor.is_some();
    let main = html! {
        header.bar {
            a href=(here.path(&query(&shown.choice, Some(shown.page)))) { "← " (words.back) }
            h1 { ((words.position)(shown.number, shown.of)) }
            (download(here, shown))
        }
        figure.single {
            div.frame data-spot=[annotates.then_some("")] {
                img src=(file(photo, "web")) srcset=(sizes(photo)) sizes="100vw"
                    alt=((words.photo)(shown.number)) width=(photo.width) height=(photo.height) fetchpriority="high";
                @if annotates { (pins(shown)) }
            }
        }
        (neighbours(here, shown))
        @if annotates {
            div.aside {
                (picks(here, shown))
                (notes(here, shown))
            }
        }
    };
    let title = format!("{} · {}", (words.photo)(shown.number), shown.about.name);
    let address = here.path(&own(shown));
    let frame = PageFrame {
        words,
        language: here.language(),
        title: &title,
        address: &address,
        class: "one",
    };
    layout(&frame, &main)
}

/// Returns the path of this photo's page, relative to the link.
fn own(shown: &PhotoPage) -> String {
    format!("/photos/{}{}", shown.photo.id, query(&shown.choice, None))
}

fn download(here: &PageContext, shown: &PhotoPage) -> Markup {
    let words = here.words();
    if shown.photo.download == Download::Off || shown.downloads_left == Some(0) {
        return html! { span {} };
    }
    html! {
        span.take {
            @if let Some(left) = shown.downloads_left { span.hint { ((words.downloads_left)(left)) } " " }
            a.button href=(file(&shown.photo, "download")) download { (words.download) }
        }
    }
}

fn neighbours(here: &PageContext, shown: &PhotoPage) -> Markup {
    let words = here.words();
    let to = |photo: &String| here.path(&format!("/photos/{photo}{}", query(&shown.choice, None)));
    html! {
        nav.neighbours aria-label=(words.pages) {
            @if let Some(previous) = &shown.previous {
                a.button.quiet rel="prev" href=(to(previous)) { "← " (words.previous) }
            } @else { span {} }
            @if let Some(next) = &shown.next {
                a.button.quiet rel="next" href=(to(next)) { (words.next) " →" }
            }
        }
    }
}

/// Renders a number at the point of each open comment, as SVG: it needs no inline styles, which the content
/// security policy forbids.
fn pins(shown: &PhotoPage) -> Markup {
    let percent = |part: f64| format!("{:.2}%", part * 100.0);
    html! {
        svg.pins aria-hidden="true" {
            @for (number, comment) in (1..).zip(&shown.comments) {
                @if let (Some(x), Some(y), None) = (comment.x, comment.y, comment.resolved_unix_s) {
                    svg x=(percent(x)) y=(percent(y)) overflow="visible" {
                        circle r="13" {}
                        text text-anchor="middle" dy="5" { (number) }
                    }
                }
            }
        }
    }
}

/// Renders a form with one button, labelled `text`, for the action `what`. `comment` is the id of the action's
/// comment, or empty.
fn button(
    here: &PageContext,
    shown: &PhotoPage,
    what: &str,
    text: &str,
    comment: &str,
    quiet: bool,
) -> Markup {
    html! {
        form method="post" action=(here.path(&own(shown))) {
            @if !comment.is_empty() { input type="hidden" name="comment" value=(comment); }
            button.quiet[quiet] type="submit" name="do" value=(what) { (text) }
        }
    }
}

fn picks(here: &PageContext, shown: &PhotoPage) -> Markup {
    let (words, photo) = (here.words(), &shown.photo);
    html! {
        section #picks aria-label=(words.my_picks) {
            div.row {
                @if photo.picked {
                    p.state { (if photo.important { "★ " } else { "✓ " }) (if photo.important { words.important } else { words.picked }) }
                    @if photo.important {
                        (button(here, shown, "unimportant", words.not_important, "", true))
                    } @else {
                        (button(here, shown, "important", words.mark_important, "", true))
                    }
                    (button(here, shown, "unpick", words.unpick, "", true))
                } @else {
                    (button(here, shown, "pick", words.pick, "", false))
                    (button(here, shown, "important", words.mark_important, "", true))
                }
            }
        }
    }
}

fn notes(here: &PageContext, shown: &PhotoPage) -> Markup {
    let words = here.words();
    html! {
        section.card #notes aria-labelledby="notes-title" {
            h2 #notes-title { (words.comments) }
            @if shown.comments.is_empty() { p.hint { (words.no_comment) } }
            ol.notes {
                @for comment in &shown.comments { (note(here, shown, comment)) }
            }
            form method="post" action=(here.path(&own(shown))) {
                label for="text" { (words.comment_label) }
                textarea #text name="text" rows="3" required maxlength="1000" {}
                input #exact type="hidden" name="exact" value="";
                fieldset.spots {
                    legend { (words.spot) }
                    label.whole { input type="radio" name="spot" value="" checked; " " (words.whole_photo) }
                    div.nine {
                        @for (spot, name) in SPOTS.iter().zip(words.spots) {
                            label { input type="radio" name="spot" value=(spot); span.unseen { (name) } }
                        }
                    }
                    p #spot-hint .hint hidden { (words.spot_hint) }
                }
                button type="submit" name="do" value="comment" { (words.send) }
            }
        }
    }
}

fn note(here: &PageContext, shown: &PhotoPage, comment: &Comment) -> Markup {
    let words = here.words();
    let resolved = comment.resolved_unix_s.is_some();
    html! {
        li.resolved[resolved] {
            p { strong { (comment.visitor) } @if resolved { " · " (words.resolved) } }
            p { (comment.text) }
            div.row {
                @if resolved {
                    (button(here, shown, "reopen", words.reopen, &comment.id, true))
                } @else {
                    (button(here, shown, "resolve", words.resolve, &comment.id, true))
                }
                @if comment.own { (button(here, shown, "delete", words.delete, &comment.id, true)) }
            }
        }
    }
}
