use maud::{Markup, html};

use super::context::PageContext;
use super::layout::{PageFrame, file, layout, query, sizes, work};
use crate::api::album::photos::{AlbumFolder, AlbumPhoto, AlbumSettings, PhotoFilter};
use crate::api::photo_policy::Download;
use crate::error::WorkChallenge;
use crate::web::privacy;

/// Limits the images of a page that load at once, 6 photos: about as many as are visible without scrolling.
/// The browser loads the other images when they come near the screen.
const EAGER: usize = 6;

/// The content of a gallery page.
pub struct GalleryPage {
    /// The challenge before the second PIN; `None` if no work is required.
    pub challenge: Option<WorkChallenge>,
    pub about: AlbumSettings,
    pub cover: Option<AlbumPhoto>,
    pub folders: Vec<AlbumFolder>,
    /// Number of photos in the whole album.
    pub all: i64,
    /// The filter that selects the photos.
    pub choice: PhotoFilter,
    pub photos: Vec<AlbumPhoto>,
    /// Number of the page's first photo among the selected photos, from 1.
    pub first: i64,
    /// Number of the page, from 1 to `pages`.
    pub page: i64,
    pub pages: i64,
}

pub fn page(here: &PageContext, shown: &GalleryPage) -> Markup {
    let about = &shown.about;
    let main = html! {
        @if shown.page == 1 { (hero(here, shown)) } @else { (heading(here, shown)) }
        (parts(here, shown))
        @if shown.photos.is_empty() {
            p.empty { (here.words().empty) }
        } @else {
            (grid(here, shown))
        }
        (pager(here, shown))
        // Albums that limit downloads have no ZIP download.
        @if about.downloads_max.is_none() && shown.photos.iter().any(|photo| photo.download != Download::Off) {
            p.all { a.button.quiet href="/api/v1/album/download" download { (here.words().download_all) } }
        }
        (annotate(here, shown))
        (privacy::link(here.language(), &here.link.event))
        form.leave method="post" action=(here.path("/leave")) {
            button.quiet type="submit" { (here.words().leave) }
        }
    };
    let address = here.path(&query(&shown.choice, Some(shown.page)));
    let frame = PageFrame {
        words: here.words(),
        language: here.language(),
        title: &about.name,
        address: &address,
        class: "gallery",
    };
    layout(&frame, &main)
}

fn hero(here: &PageContext, shown: &GalleryPage) -> Markup {
    let (words, about) = (here.words(), &shown.about);
    let bare = shown.cover.is_none();
    html! {
        header.hero.bare[bare] {
            @if let Some(cover) = &shown.cover {
                img src=(file(cover, "web")) srcset=(sizes(cover)) sizes="100vw" alt="" fetchpriority="high";
            }
            div.over {
                p.by { ((words.by_studio)(&about.studio)) }
                h1 { (about.name) }
                p.facts { ((words.photos)(shown.all)) " · " (until(here, about)) }
            }
        }
    }
}

fn until(here: &PageContext, about: &AlbumSettings) -> String {
    (here.words().open_until)(&here.language().day(about.ends_unix_s))
}

fn heading(here: &PageContext, shown: &GalleryPage) -> Markup {
    html! {
        header.heading {
            h1 { a href=(here.path("")) { (shown.about.name) } }
            p.facts { ((here.words().page)(shown.page, shown.pages)) }
        }
    }
}

/// Renders links to the album's folders and to the visitor's picks.
fn parts(here: &PageContext, shown: &GalleryPage) -> Markup {
    let (words, choice) = (here.words(), &shown.choice);
    let picks = shown.about.visitor.is_some();
    if shown.folders.is_empty() && !picks {
        return html! {};
    }
    let part = |name: &str, count: Option<i64>, of: &PhotoFilter| {
        let current = of.folder == choice.folder && of.picked == choice.picked;
        html! {
            li {
                a href=(here.path(&query(of, None))) aria-current=[current.then_some("page")] {
                    (name) @if let Some(count) = count { " " span.count { (count) } }
                }
            }
        }
    };
    html! {
        nav.parts aria-label=(words.folders) {
            ul {
                (part(words.all, Some(shown.all), &PhotoFilter::default()))
                @for folder in &shown.folders {
                    (part(&folder.name, Some(folder.photos), &PhotoFilter { folder: folder.id.clone(), picked: false }))
                }
                @if picks { (part(words.my_picks, None, &PhotoFilter { folder: String::new(), picked: true })) }
            }
        }
    }
}

fn grid(here: &PageContext, shown: &GalleryPage) -> Markup {
    let words = here.words();
    html! {
        ul.grid {
            @for (at, (number, photo)) in (shown.first..).zip(&shown.photos).enumerate() {
                li {
                    a href=(here.path(&format!("/photos/{}{}", photo.id, query(&shown.choice, None)))) {
                        img src=(file(photo, "thumb")) alt=((words.photo)(number)) width=(photo.width)
                            height=(photo.height) loading=(if at < EAGER { "eager" } else { "lazy" }) decoding="async";
                        @if photo.picked {
                            span.badge.important[photo.important] {
                                span aria-hidden="true" { (if photo.important { "★" } else { "✓" }) }
                                span.unseen { (if photo.important { words.important } else { words.picked }) }
                            }
                        }
                        @if photo.comments > 0 {
                            span.badge.notes {
                                span aria-hidden="true" { (photo.comments) }
                                span.unseen { (words.comments) ": " (photo.comments) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn pager(here: &PageContext, shown: &GalleryPage) -> Markup {
    let words = here.words();
    if shown.pages < 2 {
        return html! {};
    }
    let to = |page: i64| here.path(&query(&shown.choice, Some(page)));
    html! {
        nav.pager aria-label=(words.pages) {
            @if shown.page > 1 { a.button rel="prev" href=(to(shown.page - 1)) { "← " (words.earlier) } }
            span { ((words.page)(shown.page, shown.pages)) }
            @if shown.page < shown.pages { a.button rel="next" href=(to(shown.page + 1)) { (words.later) " →" } }
        }
    }
}

/// Renders the form for the second PIN or, once the visitor has entered that PIN, the visitor's name.
fn annotate(here: &PageContext, shown: &GalleryPage) -> Markup {
    let (words, about) = (here.words(), &shown.about);
    if !about.annotates {
        return html! {};
    }
    html! {
        section.card #annotate aria-labelledby="annotate-title" {
            h2 #annotate-title { (words.annotate_title) }
            @if let Some(visitor) = &about.visitor {
                p { ((words.annotating_as)(visitor)) }
            } @else {
                p { (words.annotate_intro) }
                @let challenge = shown.challenge.as_ref();
                form.row method="post" action=(here.path("/annotate")) data-challenge=[challenge.map(|it| &it.challenge)]
                    data-bits=[challenge.map(|it| it.bits)] {
                    div {
                        label for="name" { (words.your_name) }
                        input #name name="name" type="text" autocomplete="name" required maxlength="80";
                    }
                    div {
                        label for="second-pin" { (words.annotate_pin) }
                        input #second-pin .pin name="pin" type="text" inputmode="numeric" autocomplete="off" required maxlength="20";
                    }
                    button type="submit" { (words.begin) }
                    (work(words, challenge))
                }
            }
        }
    }
}
