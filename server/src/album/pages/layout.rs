//! What an album's pages have in common: head, footer, addresses of photos, the notice.
//!
//! Knows no page.

use maud::{Markup, html};

use crate::album::photos::{AlbumPhoto, Choice};
use crate::error::Failure;
use crate::pages::visitors::{self, with};
use crate::words::Language;
use crate::words::gallery::Gallery;

/// The frame of a page.
pub struct Frame<'a> {
    pub words: &'a Gallery,
    pub language: Language,
    pub title: &'a str,
    /// The page's own address, without its language.
    pub address: &'a str,
    /// For the look of the whole page.
    pub class: &'a str,
}

pub fn layout(frame: &Frame<'_>, main: &Markup) -> Markup {
    let Frame { words, language, title, address, class } = *frame;
    let (skip, choice, script) = (words.skip, words.language, "/assets/gallery.js");
    visitors::layout(
        &visitors::Frame { skip, choice, language, title, address, class, script },
        main,
    )
}

/// A page that says one thing, with a way back where there is one.
pub fn notice(
    words: &Gallery,
    language: Language,
    title: &str,
    text: &str,
    back: Option<&str>,
) -> Markup {
    let frame = Frame { words, language, title, address: "", class: "quiet" };
    let main = html! {
        section.door {
            h1 { (title) }
            p role="status" { (text) }
            @if let Some(back) = back { p { a.button href=(back) { (words.back) } } }
        }
    };
    layout(&frame, &main)
}

/// What somebody is told who has to wait.
pub fn wait(words: &Gallery, failure: &Failure) -> String {
    match failure.retry_after_s {
        Some(seconds) => (words.wait)(seconds.div_ceil(60).max(1)),
        None => (words.downloads_left)(0),
    }
}

/// The query that keeps a choice of photos, and a page of it.
pub fn query(choice: &Choice, page: Option<i64>) -> String {
    let mut query = String::new();
    // Ids alone go into an address as they are; whatever else somebody has written there ends here.
    if crate::ids::is_id(&choice.folder) {
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

/// The address of a photo's file.
pub fn file(photo: &AlbumPhoto, kind: &str) -> String {
    format!("/api/v1/album/photos/{}/{kind}", photo.id)
}

/// The sizes that a photo comes in, with their widths as far as the file says them.
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
        let choice = Choice { folder: folder.clone(), picked: true };
        assert_eq!(query(&choice, Some(2)), format!("?folder={folder}&picked=1&page=2"));
        let choice = Choice { folder: "\"><script>".into(), picked: false };
        assert_eq!(query(&choice, Some(1)), "");
        assert_eq!(with("/a/x?page=2", "lang=hi"), "/a/x?page=2&lang=hi");
    }
}
