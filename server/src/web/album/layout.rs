use maud::{Markup, html};

use crate::api::album::photos::{AlbumPhoto, PhotoFilter};
use crate::error::{ApiError, WorkChallenge};
use crate::i18n::Language;
use crate::i18n::album::AlbumTexts;
use crate::web::visitor_layout::{self, with};

/// The layout parameters of an album page.
pub struct PageFrame<'a> {
    pub words: &'a AlbumTexts,
    pub language: Language,
    pub title: &'a str,
    /// The page's URL without the parameter `lang`.
    pub address: &'a str,
    /// The CSS class of the page's body.
    pub class: &'a str,
}

pub fn layout(frame: &PageFrame<'_>, main: &Markup) -> Markup {
    let PageFrame { words, language, title, address, class } = *frame;
    let (skip, choice, script) = (words.skip, words.language, "/assets/album.js");
    visitor_layout::layout(
        &visitor_layout::Frame { skip, choice, language, title, address, class, script },
        main,
    )
}

/// Renders a page with one message and, if `back` is given, a link back.
pub fn notice(
    words: &AlbumTexts,
    language: Language,
    title: &str,
    text: &str,
    back: Option<&str>,
) -> Markup {
    let frame = PageFrame { words, language, title, address: "", class: "quiet" };
    let main = html! {
        section.door {
            h1 { (title) }
            p role="status" { (text) }
            @if let Some(back) = back { p { a.button href=(back) { (words.back) } } }
        }
    };
    layout(&frame, &main)
}

/// Returns the message for a refusal: the minutes to wait, or, if `failure` has no waiting time, that no
/// downloads are left.
pub fn wait(words: &AlbumTexts, failure: &ApiError) -> String {
    match failure.retry_after_s {
        Some(seconds) => (words.wait)(seconds.div_ceil(60).max(1)),
        None => (words.downloads_left)(0),
    }
}

/// Renders what a form with a challenge shows: the state of the work, or that it needs a script.
pub fn work(words: &AlbumTexts, challenge: Option<&WorkChallenge>) -> Markup {
    html! {
        @if challenge.is_some() {
            p.hint data-work role="status" hidden { (words.working) }
            noscript { p.bad { (words.work_needs_script) } }
        }
    }
}

/// Returns the query string for a filter and a page number.
pub fn query(choice: &PhotoFilter, page: Option<i64>) -> String {
    let mut query = String::new();
    // IDs need no escaping in a URL. Other values, which only an edited URL has, are dropped.
    if crate::infra::ids::is_id(&choice.folder) {
        query = with(&query, &format!("folder={}", choice.folder));
    }
    if choice.picked {
        query = with(&query, "picked=1");
    }
    match page {
        Some(page) if page > 1 => with(&query, &format!("page={page}")),
        _ => query,
    }
}

/// Returns the URL of a photo's file.
pub fn file(photo: &AlbumPhoto, kind: &str) -> String {
    format!("/api/v1/album/photos/{}/{kind}", photo.id)
}

/// Returns the `srcset` of a photo: thumbnail and screen version, each with its width, pixels. The widths are
/// computed from the photo's size.
pub fn sizes(photo: &AlbumPhoto) -> String {
    let width = |longer_px_max: i64| {
        let longer = photo.width.max(photo.height).max(1);
        let (wide, most) = (photo.width.max(1), longer_px_max.min(longer));
        (wide * most / longer).max(1)
    };
    let (thumb, web) = (width(480), width(2048));
    format!("{} {thumb}w, {} {web}w", file(photo, "thumb"), file(photo, "web"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_the_choice_and_take_in_nothing_else() {
        let folder = "0123456789abcdef0123456789abcdef".to_owned();
        let choice = PhotoFilter { folder: folder.clone(), picked: true };
        assert_eq!(query(&choice, Some(2)), format!("?folder={folder}&picked=1&page=2"));
        let choice = PhotoFilter { folder: "\"><script>".into(), picked: false };
        assert_eq!(query(&choice, Some(1)), "");
        assert_eq!(with("/a/x?page=2", "lang=hi"), "/a/x?page=2&lang=hi");
    }
}
