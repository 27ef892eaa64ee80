//! Names of files, folders and people: what a name becomes in downloads, archives and lists.

use std::io::Cursor;

use picpick_tests::album::{header, variant};
use picpick_tests::guest::{new_link, register};
use picpick_tests::pictures::Drawing;
use picpick_tests::{Database, service};
use serde_json::json;

use crate::album::studio::{Studio, visitor};

/// Names that a file may be uploaded under, and the names that it leaves the service under.
const NAMES: [(&str, &str); 6] = [
    ("\";filename=evil.html", "\";filename=evil_html.jpg"),
    ("evil.exe", "evil_exe.jpg"),
    ("evil.hta.jpg", "evil_hta.jpg"),
    ("photo\u{202e}gpj.exe", "photogpj_exe.jpg"),
    ("Anna\u{200b}.PNG", "Anna.jpg"),
    ("IMG_1.JPG", "IMG_1.JPG"),
];

fn archived(bytes: Vec<u8>) -> Vec<String> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names = archive.file_names().map(|name| name.unwrap().into_owned());
    let mut names: Vec<String> = names.filter(|name| name != "event.json").collect();
    names.sort();
    names
}

#[test]
fn a_file_leaves_with_the_extension_of_its_media_type() {
    let service = service!(Database::Sqlite);
    let studio = Studio::new(&service);
    studio.rules(&json!({ "downloads": "original" }));
    let picture = Drawing::blank(64, 64).jpeg();
    let upload = |at: usize, name: &str| studio.upload(name, &variant(&picture, at), None);
    let photos: Vec<String> = (0..).zip(NAMES).map(|(at, (name, _))| upload(at, name)).collect();
    let client = visitor(&service, &studio);
    for (photo, (_, expected)) in photos.iter().zip(NAMES) {
        let stored = studio.owner.client.get(&studio.photos.path(&format!("/photos/{photo}")));
        assert_eq!(stored.is(200).field("name"), expected);
        let original = studio.photos.path(&format!("/photos/{photo}/original"));
        for answer in [
            client.get(&format!("/album/photos/{photo}/download")),
            studio.owner.client.get(&original),
        ] {
            let saved = header(&answer.is(200), "content-disposition");
            let plain = saved.replace("%22", "\"").replace("%3B", ";").replace("%3D", "=");
            assert_eq!(plain, format!("attachment; filename*=UTF-8''{expected}"));
        }
    }
    // Archives replace quotes too.
    let mut expected = NAMES.map(|(_, name)| format!("photos/{}", name.replace('"', "_")));
    expected.sort();
    assert_eq!(archived(client.get("/album/download").is(200).body), expected);
    let export = studio.owner.client.get(&studio.photos.path("/export")).is(200);
    assert_eq!(archived(export.body), expected);
}

#[test]
fn the_content_and_not_the_name_decides() {
    let service = service!(Database::Sqlite);
    let studio = Studio::new(&service);
    studio.rules(&json!({ "downloads": "original" }));
    let drawing = Drawing::blank(64, 64);
    for (name, bytes, expected) in
        [("a.jpg", drawing.png(), "a.png"), ("b.png", drawing.webp(), "b.webp")]
    {
        let photo = studio.upload(name, &bytes, None);
        let path = studio.photos.path(&format!("/photos/{photo}"));
        let shown = studio.owner.client.get(&path).is(200);
        assert_eq!(shown.field("name"), expected);
        // A change of the name does not change the extension.
        let renamed = studio.owner.client.patch(&path, &json!({ "name": "page.html" })).is(200);
        assert_eq!(renamed.field("name"), format!("page_html.{}", &expected[2..]));
        // Screens get a JPEG, whatever the original is.
        studio.rules(&json!({ "downloads": "web" }));
        let client = visitor(&service, &studio);
        let web = client.get(&format!("/album/photos/{photo}/download")).is(200);
        let saved = header(&web, "content-disposition");
        assert!(saved.ends_with("''page_html.jpg"), "{saved}");
    }
}

#[test]
fn names_have_no_invisible_characters() {
    let service = service!(Database::Sqlite);
    let studio = Studio::new(&service);
    let (owner, event) = (&studio.owner.client, studio.photos.path(""));
    let hidden = |name: &str| json!({ "name": format!("\u{202e}{name}\u{2066}\u{200b} ") });
    let named = |answer: picpick_tests::Answer, status| answer.is(status).field("name");
    assert_eq!(named(owner.patch(&event, &hidden("Wedding")), 200), "Wedding");
    let folders = studio.photos.path("/folders");
    assert_eq!(named(owner.post(&folders, &hidden("Party")), 201), "Party");
    assert_eq!(named(owner.patch(&studio.path(""), &hidden("Album")), 200), "Album");
    let own = format!("/studios/{}", studio.owner.studio());
    assert_eq!(named(owner.patch(&own, &hidden("Light")), 200), "Light");
    assert_eq!(named(owner.patch("/me", &hidden("Asha")), 200), "Asha");
    // Joiners that shape letters stay.
    let shaped = json!({ "name": "क्\u{200d}ष" });
    assert_eq!(named(owner.post(&folders, &shaped), 201), "क्\u{200d}ष");
    for nothing in ["\u{200b}", "\u{202e}\u{2060} ", "a\nb"] {
        owner.post(&folders, &json!({ "name": nothing })).fails(422, "invalid");
    }
    let token = new_link(&studio.owner, &studio.photos.event);
    let guest = register(&service, &token, "Be\u{200b}n\u{202e}", "ben@mail.example");
    assert_eq!(guest.get("/guest").is(200).field("name"), "Ben");
}
