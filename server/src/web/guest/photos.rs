use maud::{Markup, html};

use super::layout::{GuestPageFrame, layout, string_data};
use super::{camera, code, entry};
use crate::i18n::Language;
use crate::i18n::guest::{GuestTexts, PhotosTexts};

/// The event's data in the page that the server renders.
pub struct PhotosPage<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub ends_unix_s: i64,
    /// The time at which the guest's data is erased, at most `ends_unix_s`.
    pub kept_until_unix_s: i64,
}

/// Renders the page of a guest's photos, without the guest's data: `guest_photos.js` loads it through the API.
pub fn page(words: &GuestTexts, language: Language, about: &PhotosPage<'_>) -> Markup {
    let (photos, day) = (&words.photos, language.day(about.kept_until_unix_s));
    let kept = match about.kept_until_unix_s < about.ends_unix_s {
        true => (photos.kept_until)(&day, &language.day(about.ends_unix_s)),
        false => (photos.open_until)(&day),
    };
    let tell_intro = (photos.tell_intro)(&day);
    let main = html! {
        header.heading {
            p.by { ((words.door.by_studio)(about.studio)) }
            h1 { (about.event) }
            p #count .facts role="status" { (photos.looking) }
        }
        section #asked .card hidden aria-labelledby="asked-title" {
            h2 #asked-title tabindex="-1" { (photos.also_me) }
            p.hint { (photos.also_me_hint) }
            ul #faces .faces {}
            p #asked-said .unseen role="status" {}
        }
        nav #whose .parts hidden aria-label=(photos.group_title) {
            ul {
                li { button #mine type="button" aria-pressed="true" { (photos.all) } }
                li { button #together type="button" aria-pressed="false" { (photos.together) } }
            }
        }
        p #searching .centre role="status" hidden { (photos.searching) }
        div #none .empty hidden {
            p { strong { (photos.none) } }
            p { (photos.none_hint) }
        }
        ul #photos .grid.steady {}
        p #trouble .bad .centre role="alert" {}
        button #news .pill type="button" hidden {}
        p #news-said .unseen role="status" aria-live="polite" {}
        div #take .take-all hidden {
            a #all .button href="/api/v1/guest/photos.zip" download { (photos.download_all) }
            p #no-take .hint hidden { (photos.no_downloads) }
        }
        (tell(photos, &tell_intro))
        (group(photos))
        (data(photos, &kept))
        (viewer(photos))
        (sure(photos))
        (words_of(words, &tell_intro))
    };
    let sheet = GuestPageFrame {
        language,
        title: photos.title,
        address: "/g",
        class: "gallery",
        script: "/assets/guest_photos.js",
    };
    layout(words, &sheet, &main)
}

/// Renders the camera step and the code step, for a guest who has consented but is not verified. `passed` is
/// whether the guest has passed the challenge.
pub fn unverified(
    words: &GuestTexts,
    language: Language,
    about: &PhotosPage<'_>,
    passed: bool,
) -> Markup {
    let main = html! {
        div.way data-stage=(if passed { "passed" } else { "registered" }) {
            header.mast {
                p.by { ((words.door.by_studio)(about.studio)) }
                h1 { (about.event) }
            }
            (camera::section(words, None, passed))
            (code::steps(words))
            (entry::strings(words))
        }
    };
    let sheet = GuestPageFrame {
        language,
        title: about.event,
        address: "/g",
        class: "steps",
        script: "/assets/guest_entry.js",
    };
    layout(words, &sheet, &main)
}

fn tell(photos: &PhotosTexts, intro: &str) -> Markup {
    html! {
        section #tell .card aria-labelledby="tell-title" {
            h2 #tell-title { (photos.tell_title) }
            p #tell-state { (intro) }
            div.deeds {
                button #tell-on type="button" hidden { (photos.tell) }
                button #tell-off .quiet type="button" hidden { (photos.tell_stop) }
            }
            p #tell-said role="status" {}
        }
    }
}

fn group(photos: &PhotosTexts) -> Markup {
    html! {
        details.card {
            summary { h2 #group-title { (photos.group_title) } }
            p { (photos.group_intro) }
            div #no-group {
                form #join .row {
                    div {
                        label for="code" { (photos.group_code) }
                        input #code name="code" type="text" autocomplete="off" autocapitalize="characters" spellcheck="false"
                            required maxlength="40" aria-describedby="code-hint";
                        p #code-hint .hint { (photos.group_code_hint) }
                    }
                    button type="submit" { (photos.group_join) }
                }
                button #make .quiet type="button" { (photos.group_make) }
            }
            div #in-group hidden {
                p #group-in { (photos.group_in) }
                button #part .quiet type="button" { (photos.group_leave) }
            }
            p #code-shown role="status" { span #code-said {} " " strong #code-text .code {} }
            p #group-bad .bad role="alert" {}
        }
    }
}

fn data(photos: &PhotosTexts, kept: &str) -> Markup {
    html! {
        section.card aria-labelledby="data-title" {
            h2 #data-title { (photos.data_title) }
            p { (photos.data_intro) " " (kept) }
            div.deeds {
                button #leave .quiet type="button" { (photos.leave) }
                button #delete .quiet.danger type="button" { (photos.delete) }
            }
        }
    }
}

/// Renders the viewer, which shows one photo on the whole screen.
fn viewer(photos: &PhotosTexts) -> Markup {
    html! {
        dialog #viewer .viewer aria-labelledby="viewer-title" {
            header.bar {
                button #viewer-close .quiet type="button" { (photos.close) }
                h2 #viewer-title aria-live="polite" {}
                a #viewer-take .button download hidden { (photos.download) }
            }
            figure.single { img #viewer-photo alt=""; }
            nav.neighbours aria-label=(photos.photo.replace(" {count}", "")) {
                button #viewer-previous .quiet type="button" aria-label=(photos.previous) { "←" }
                button #viewer-not-me .quiet type="button" { (photos.not_me) }
                button #viewer-next .quiet type="button" aria-label=(photos.next) { "→" }
            }
        }
    }
}

/// Renders the dialog that confirms the guest's erasure, and the section with the receipt.
fn sure(photos: &PhotosTexts) -> Markup {
    html! {
        dialog #sure .sheet aria-labelledby="sure-title" {
            form method="dialog" {
                h2 #sure-title { (photos.delete_title) }
                ul { @for what in photos.delete_what { li { (what) } } }
                label.check { input #with-faces type="checkbox"; span { (photos.delete_faces) } }
                p.hint { (photos.delete_faces_hint) }
                label.check { input #keep-out type="checkbox" disabled aria-describedby="keep-out-hint"; span { (photos.keep_out) } }
                p #keep-out-hint .hint { (photos.keep_out_hint) }
                div.deeds {
                    button value="keep" autofocus { (photos.keep) }
                    button.quiet.danger value="delete" { (photos.delete_now) }
                }
            }
        }
        section #gone .door hidden {
            h2 #gone-title tabindex="-1" { (photos.deleted_title) }
            p #gone-all { (photos.deleted) }
            p #gone-kept-out hidden { (photos.deleted_kept_out) }
            p { a #receipt-save .button download="receipt.json" { (photos.receipt_save) } }
            details { summary { (photos.receipt) } pre #receipt tabindex="0" {} }
        }
    }
}

fn words_of(words: &GuestTexts, tell_intro: &str) -> Markup {
    let photos = &words.photos;
    let [one, many] = photos.count;
    let [new_one, new_many] = photos.new;
    string_data(&[
        ("count_one", one),
        ("count_many", many),
        ("new_one", new_one),
        ("new_many", new_many),
        ("photo", photos.photo),
        ("position", photos.position),
        ("not_me", photos.not_me),
        ("taken_out", photos.taken_out),
        ("undo", photos.undo),
        ("face", photos.face),
        ("yes", photos.yes),
        ("no", photos.no),
        ("thanks", photos.thanks),
        ("tell_intro", tell_intro),
        ("tell_asked", photos.tell_asked),
        ("tell_on", photos.tell_on),
        ("tell_cannot", photos.tell_cannot),
        ("group_yours", photos.group_yours),
        ("group_wrong", photos.group_wrong),
        ("deleting", photos.deleting),
        ("failed", photos.failed),
        ("no_line", words.door.no_line),
    ])
}
