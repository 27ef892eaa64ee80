//! The pages in a real browser: a guest in front of a camera, a studio, and visitors of an album.
//!
//! The scripts in this folder drive Chromium. The tests here start a service and prepare photos and the
//! pictures of the camera. Each page is checked with axe-core and saved as screenshots.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_engine::Picture;
use picpick_tests::album::{Album, variant};
use picpick_tests::degrade::{self, Defect};
use picpick_tests::poses::Poses;
use picpick_tests::synthetic_head::{FRAME, drawn, head_of, sample as colour_at};
use picpick_tests::{Database, Person, Sandbox, Service, browser, sample, service};
use serde_json::{Value, json};

/// The photo from which the guest's head is made.
const GUEST: &str = "obama2.jpg";
/// The turn of the head made from `GUEST` that some challenges refuse as flat, because the photo has too little
/// depth.
const TOO_FLAT: &str = "turn_left";
/// A photo of another person.
const OTHER: &str = "biden.jpg";
/// The event's photos that show the guest.
const THEIRS: [&str; 3] = ["obama.jpg", "obama2.jpg", "obama3.jpg"];
/// The event's photos that do not show the guest.
const OTHERS: [&str; 3] = [OTHER, "sample1.jpg", "sample2.jpg"];

/// Returns a picture of two people next to each other.
fn two(left: &Picture, right: &Picture) -> Picture {
    let (middle, quarter) = (FRAME.0 as f32 / 2.0, FRAME.0 as f32 / 4.0);
    drawn(FRAME, |u, v| match u < middle {
        true => colour_at(left, u + quarter, v),
        false => colour_at(right, u - quarter, v),
    })
}

/// Writes the pictures for the camera and returns the paths of their files.
fn poses(sandbox: &Sandbox) -> Value {
    let poses = Poses::new(&sandbox.path("poses"));
    let (guest, other) = (head_of(GUEST), head_of(OTHER));
    let still = [0.0, 0.0];
    let mut guest_poses = poses.all("guest", |yaw, pitch| guest.turned(yaw, pitch, still));
    guest_poses.as_object_mut().unwrap().remove(TOO_FLAT);
    json!({
        "guest": guest_poses,
        "other": poses.all("other", |yaw, pitch| other.turned(yaw, pitch, still)),
        // A flat picture is tilted further than a head turns, because it has no depth. At 44 degrees each of
        // 24 challenges, with pictures at random positions, failed as flat in three frames. At 56 degrees the
        // landmarks are so inaccurate that 7 of 12 challenges did not fail within 11 frames.
        "flat": poses.all("flat", |yaw, pitch| {
            guest.flat((2.4 * yaw).clamp(-44.0, 44.0), 2.0 * pitch, still)
        }),
        "blank": [poses.keep("blank", drawn(FRAME, |u, v| [90.0 + u / 20.0, 110.0, 120.0 + v / 20.0]))],
        "two": [poses.keep("two", two(&guest.frame, &other.frame))],
    })
}

/// Uploads photos and returns their sorted ids.
fn uploaded(photos: &Album, names: &[&str]) -> Vec<String> {
    let one = |name: &&str| photos.upload(name, &std::fs::read(sample(name)).unwrap());
    let mut ids: Vec<String> = names.iter().map(one).collect();
    ids.sort();
    ids
}

#[test]
fn guests_find_only_their_own_photos() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Asha & Ben");
    let photos = Album { client: owner.client.clone(), event: event.clone() };
    owner.client.patch(&photos.path(""), &json!({ "downloads": "original" })).is(200);
    let (theirs, others) = (uploaded(&photos, &THEIRS), uploaded(&photos, &OTHERS));
    photos.wait_until_indexed();
    let made = owner.client.post(&photos.path("/guest-links"), &json!({ "name": "Door" })).is(201);
    let link = made.field("url");
    let (_, token) = link.split_once("/g/").unwrap();
    service.remember(token);
    let more = service.sandbox.path("more.jpg");
    std::fs::write(&more, variant(&std::fs::read(sample(THEIRS[0])).unwrap(), 1)).unwrap();
    let params = json!({
        "address": service.address(),
        "link": format!("/g/{token}"),
        "email": owner.email,
        "password": owner.password,
        "event": event,
        "poses": poses(&service.sandbox),
        "live": service.sandbox.path("live.y4m"),
        "theirs": theirs,
        "others": others,
        "more": more,
        "outbox": service.sandbox.data().join("outbox"),
    });
    browser::run("guests", params);
}

/// Number of photos uploaded at once. Studios upload thousands.
const MANY: usize = 300;

/// Creates a small, different photo at each of `paths` in `folder`.
fn small_photos(folder: &Path, paths: impl Iterator<Item = String>) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let grey = drawn((96, 64), |u, v| [u, 2.0 * v, 80.0]).to_jpeg(96, 80).unwrap();
    for path in paths {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, variant(&grey, NEXT.fetch_add(1, Ordering::SeqCst))).unwrap();
    }
}

/// Adds to `more` the fields with which a script signs in as `owner`.
fn signing_in(service: &Service, owner: &Person, mut more: Value) -> Value {
    more["address"] = Value::from(service.address());
    more["email"] = Value::from(owner.email.as_str());
    more["password"] = Value::from(owner.password.as_str());
    more
}

#[test]
fn photos_are_arranged_in_folders() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Asha & Ben");
    let folder = |name: &str| service.sandbox.path(name);
    let (tree, dropped, many, deep) =
        (folder("Shoot"), folder("Late"), folder("Many"), folder("Deep"));
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let nested = ["Ceremony/c.jpg", "Party/Dance/d.jpg", "loose.jpg"];
    small_photos(&tree, paths(&nested).into_iter());
    std::fs::write(tree.join("Party/notes.txt"), "Remember the cake.").unwrap();
    small_photos(&dropped, paths(&["l.jpg"]).into_iter());
    small_photos(&many, (0..MANY).map(|number| format!("m{number}.jpg")));
    small_photos(&deep, (0..60).map(|number| format!("{number}/x.jpg")));
    let params = json!({
        "event": event, "photos": [sample("obama.jpg")], "tree": tree, "dropped": dropped,
        "many": many, "deep": deep, "count": MANY,
    });
    browser::run("photo_grid", signing_in(&service, &owner, params));
}

#[test]
fn a_user_manages_their_account() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let params = json!({ "outbox": service.sandbox.data().join("outbox") });
    browser::run("account", signing_in(&service, &owner, params));
}

#[test]
fn secrets_are_entered_on_pages() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let albums = format!("/events/{event}/albums");
    let new = json!({ "name": "Asha & Ben", "view_pin": "482913", "annotate_pin": "570264" });
    let album = owner.client.post(&albums, &new).is(201).field("id");
    let links = format!("{albums}/{album}/links");
    let link = owner.client.post(&links, &json!({ "name": "Family" })).is(201).field("token");
    // One wrong PIN, and 119 more in the database: the difficulty is 19 bits.
    let wrong = json!({ "token": link, "pin": "000000" });
    service.client().post("/album/session", &wrong).fails(401, "wrong_credentials");
    service.change_rows(
        "UPDATE lockouts SET tat_unix_s = tat_unix_s + 119 * 900 WHERE subject LIKE '%:link:%'",
    );
    let params = json!({ "album": format!("{}/a/{link}", service.address()) });
    browser::run("secrets", signing_in(&service, &owner, params));
}

#[test]
fn people_in_photos_are_taken_out_on_request() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Asha & Ben");
    let photos = Album { client: owner.client.clone(), event: event.clone() };
    uploaded(&photos, &[GUEST, OTHER]);
    photos.wait_until_indexed();
    let params = json!({ "event": event, "studio": studio });
    browser::run("privacy", signing_in(&service, &owner, params));
}

#[test]
fn a_studio_works_from_setup_to_purge() {
    let service = service!(Database::Sqlite);
    let photos = ["obama.jpg", "obama2.jpg", "biden.jpg", "sample1.jpg"];
    let photos: Vec<PathBuf> = photos.iter().map(|name| sample(name)).collect();
    let names: Vec<_> = photos.iter().map(|path: &PathBuf| Path::to_string_lossy(path)).collect();
    let weak = [Defect::Small, Defect::Blurred, Defect::NoFace].map(|kind| {
        let path = service.sandbox.path(kind.file());
        std::fs::write(&path, degrade::jpeg(kind)).unwrap();
        path
    });
    let params = json!({
        "address": service.address(),
        "setup": service.setup_token(),
        "photos": names,
        "weak": weak,
    });
    browser::run("studio", params);
}
