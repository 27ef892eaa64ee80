//! What an erasure leaves outside the collection: in the memory of the service, in the database's files, and in
//! written mails.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use picpick_engine::{DecodeLimits, Picture};
use picpick_tests::accounts::new_email;
use picpick_tests::album::Album;
use picpick_tests::guest::{letter, letters, new_link, register, request, welcome};
use picpick_tests::memory_scan::{MemoryImage, Needles, VectorPlaces};
use picpick_tests::synthetic_head::{head_of, studio};
use picpick_tests::{Database, Person, Service, on_both_databases, sample, service};
use serde_json::json;

on_both_databases!(
    a_purge_leaves_no_face_photo_or_name_in_memory,
    a_withdrawal_leaves_no_template_in_memory,
    a_removed_photo_leaves_no_face_in_memory,
    written_mails_go_with_their_recipient_or_expire,
);

const EVENT: &str = "Quokka festival of Zanzibar";
const ALBUM: &str = "Walruses in the morning mist";
const VISITOR: &str = "Zephyrine Quillfeather";
const COMMENT: &str = "The pangolin in the third row laughs";
const GUEST: &str = "Thaddeus Wobblethorpe";
const FILES: [&str; 2] = ["narwhal-before-the-cake.jpg", "okapi-under-the-lanterns.jpg"];
const PINS: [&str; 2] = ["904817263551", "730195528846"];

fn read(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

/// Returns the embedding of the largest face of a sample photo.
fn embedding(name: &str) -> Vec<f32> {
    let faces = studio().pipeline.analyse(&read(name)).unwrap().faces;
    faces.into_iter().max_by_key(|face| face.bbox[3]).unwrap().embedding
}

/// Returns the memory of the service; `None` where the system does not show it.
fn memory(service: &Service) -> Option<MemoryImage> {
    let id = u32::try_from(service.process_id().as_raw_nonzero().get()).unwrap();
    let image = MemoryImage::of(id);
    if image.is_none() {
        eprintln!("not tested: this system does not show the memory of the service");
    }
    image
}

fn total(places: VectorPlaces) -> usize {
    places.floats + places.codes
}

/// An event with photos, a searched selfie, an album with a comment, and a guest without a template.
struct PurgeScene {
    owner: Person,
    album: Album,
    needles: Needles,
}

impl PurgeScene {
    fn of(service: &Service) -> Self {
        let owner = service.owner();
        let event = owner.new_event(&owner.studio(), EVENT);
        let album = Album { client: owner.client.clone(), event };
        let mut needles = Needles::default();
        let names = [EVENT, ALBUM, VISITOR, COMMENT, GUEST];
        names.iter().chain(&FILES).chain(&PINS).for_each(|text| needles.text(text));
        let photos = ["obama2.jpg", "obama3.jpg"].map(read);
        let ids: Vec<String> =
            FILES.iter().zip(&photos).map(|(name, bytes)| album.upload(name, bytes)).collect();
        album.wait_until_indexed();
        assert_eq!(album.found(&read("obama.jpg")).len(), 2);
        for (id, bytes) in ids.iter().zip(&photos) {
            needles.pieces("a photo", bytes);
            let picture = Picture::decode(bytes, &DecodeLimits::default()).unwrap();
            needles.pieces("decoded pixels", picture.pixels());
            for kind in ["thumb", "web", "original"] {
                let path = album.path(&format!("/photos/{id}/{kind}"));
                needles.pieces(kind, &owner.client.get(&path).is(200).body);
            }
        }
        comment(service, &owner, &album, &ids[0]);
        let contact = new_email();
        needles.text(&contact);
        register(service, &new_link(&owner, &album.event), GUEST, &contact);
        Self { owner, album, needles }
    }
}

/// Creates an album with both PINs. A visitor comments on a photo of it.
fn comment(service: &Service, owner: &Person, album: &Album, photo: &str) {
    let new = json!({ "name": ALBUM, "view_pin": PINS[0], "annotate_pin": PINS[1] });
    let id = owner.client.post(&album.path("/albums"), &new).is(201).field("id");
    let links = album.path(&format!("/albums/{id}/links"));
    let token = owner.client.post(&links, &json!({ "name": "Family" })).is(201).field("token");
    let entry = json!({ "token": token, "pin": PINS[0] });
    let client = service.client();
    let client = client.with_cookie(&client.post("/album/session", &entry).is(204).cookie());
    let named = json!({ "pin": PINS[1], "name": VISITOR });
    let client = client.with_cookie(&client.put("/album/annotator", &named).is(204).cookie());
    let comments = format!("/album/photos/{photo}/comments");
    client.post(&comments, &json!({ "text": COMMENT })).is(201);
    client.get(&comments).is(200);
}

/// Creates an event with a photo of another man, and opens its collection by a search.
fn other_event(owner: &Person) {
    let event = owner.new_event(&owner.studio(), "Another event");
    let album = Album { client: owner.client.clone(), event };
    album.upload("other.jpg", &read("biden.jpg"));
    album.wait_until_indexed();
    assert_eq!(album.found(&read("biden.jpg")).len(), 1);
}

fn a_purge_leaves_no_face_photo_or_name_in_memory(service: Service) {
    let scene = PurgeScene::of(&service);
    other_event(&scene.owner);
    let (purged, kept) = (embedding("obama2.jpg"), embedding("biden.jpg"));
    let Some(before) = memory(&service) else { return };
    assert!(total(before.vectors(&purged)) > 0, "the scan finds the person before the purge");
    drop(before);
    let receipt = scene.owner.client.delete(&scene.album.path("")).is(200).field("receipt");
    let Some(after) = memory(&service) else { return };
    assert_eq!(after.vectors(&purged), VectorPlaces::default());
    assert!(total(after.vectors(&kept)) > 0, "the scan finds a person who was not purged");
    assert_eq!(after.find(&scene.needles), [].into());
    for named in ["\"key_exports\":[]", "\"library_buffers\"", "\"foreign_copies\""] {
        assert!(receipt.contains(named), "{receipt}");
    }
    assert!(!receipt.contains("freed_memory") || cfg!(not(target_env = "gnu")), "{receipt}");
}

fn a_withdrawal_leaves_no_template_in_memory(service: Service) {
    let owner = service.owner();
    other_event(&owner);
    let event = owner.new_event(&owner.studio(), EVENT);
    let (token, contact) = (new_link(&owner, &event), new_email());
    let head = head_of("obama3.jpg");
    let guest = welcome(&service, &token, GUEST, &contact, &head);
    let (own, kept) = (embedding("obama3.jpg"), embedding("biden.jpg"));
    let mut needles = Needles::default();
    needles.text(GUEST);
    needles.text(&contact);
    let Some(before) = memory(&service) else { return };
    assert!(total(before.vectors(&own)) > 0, "the scan finds the guest before the withdrawal");
    drop(before);
    guest.delete("/guest").is(200);
    let Some(after) = memory(&service) else { return };
    assert_eq!(after.vectors(&own), VectorPlaces::default());
    assert!(total(after.vectors(&kept)) > 0, "the scan finds another person");
    assert_eq!(after.find(&needles), [].into());
}

fn a_removed_photo_leaves_no_face_in_memory(service: Service) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    let photo = album.upload(FILES[0], &read("obama2.jpg"));
    album.upload("other.jpg", &read("biden.jpg"));
    album.wait_until_indexed();
    assert_eq!(album.found(&read("obama.jpg")), std::slice::from_ref(&photo));
    let (removed, kept) = (embedding("obama2.jpg"), embedding("biden.jpg"));
    let mut needles = Needles::default();
    needles.text(FILES[0]);
    needles.pieces("the photo", &read("obama2.jpg"));
    let Some(before) = memory(&service) else { return };
    assert!(total(before.vectors(&removed)) > 0);
    drop(before);
    owner.client.delete(&album.path(&format!("/photos/{photo}"))).is(200);
    let Some(after) = memory(&service) else { return };
    assert_eq!(after.vectors(&removed), VectorPlaces::default());
    assert!(total(after.vectors(&kept)) > 0);
    assert_eq!(after.find(&needles), [].into());
}

/// Returns the texts that a file of the data folder contains, with the file.
fn in_files(folder: &Path, texts: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(in_files(&path, texts));
            continue;
        }
        // SQLite removes its log while the folder is listed.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let holds =
            |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().filter(holds).map(|text| (path.clone(), (*text).to_owned())));
    }
    found
}

#[test]
fn the_files_of_sqlite_hold_no_name_of_a_purged_event() {
    let service = service!(Database::Sqlite);
    let scene = PurgeScene::of(&service);
    let data = service.sandbox.data();
    let texts = [EVENT, ALBUM, VISITOR, COMMENT, GUEST, FILES[0], FILES[1], PINS[0], PINS[1]];
    let before = in_files(&data, &texts);
    for text in [EVENT, ALBUM, VISITOR, COMMENT, FILES[0]] {
        assert!(before.iter().any(|(_, found)| found == text), "the search finds '{text}'");
    }
    // A removed photo first: its name goes although the event stays.
    let photos = scene.album.photos();
    let removed = photos.iter().find(|photo| photo["name"] == FILES[0]).unwrap();
    let path = scene.album.path(&format!("/photos/{}", removed["id"].as_str().unwrap()));
    scene.owner.client.delete(&path).is(200);
    assert_eq!(in_files(&data, &[FILES[0]]), []);
    scene.owner.client.delete(&scene.album.path("")).is(200);
    assert_eq!(in_files(&data, &texts), []);
}

fn written_mails_go_with_their_recipient_or_expire(mut service: Service) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let token = new_link(&owner, &event);
    let album = Album { client: owner.client.clone(), event: event.clone() };
    album.upload("a.jpg", &read("obama2.jpg"));
    album.wait_until_indexed();
    let found = album.search(&read("obama.jpg"), "").is(200).document();
    let face = found["matches"][0]["face"].as_str().unwrap().to_owned();
    let contacts = [new_email(), new_email()];
    for contact in &contacts {
        service.client().post("/guest/requests", &request(&token, GUEST, contact, "Here")).is(204);
        let requests = format!("/events/{event}/guest-requests");
        let pending = owner.client.get(&requests).is(200).items();
        let id = pending[0]["id"].as_str().unwrap();
        owner.client.post(&format!("{requests}/{id}"), &json!({ "face": face })).is(204);
        letter(&service, contact);
    }
    // An invitation belongs to no guest.
    let (invited, late) = (new_email(), new_email());
    for email in [&invited, &late] {
        owner.invite(&owner.studio(), email, "viewer", None).is(201);
        letter(&service, email);
    }
    let guests = owner.client.get(&format!("/events/{event}/guests")).is(200).items();
    let first = guests.iter().find(|guest| guest["contact"] == contacts[0].as_str()).unwrap();
    let guest = format!("/events/{event}/guests/{}", first["id"].as_str().unwrap());
    owner.client.delete(&guest).is(200);
    assert!(letters(&service, &contacts[0]).is_empty());
    assert_eq!(letters(&service, &contacts[1]).len(), 1);
    owner.client.delete(&format!("/events/{event}")).is(200);
    assert!(letters(&service, &contacts[1]).is_empty());
    assert_eq!(letters(&service, &invited).len(), 1);
    // The service removes mails of more than 14 days at its start.
    service.stop();
    let old = SystemTime::now() - Duration::from_secs(15 * 86_400);
    for entry in std::fs::read_dir(service.sandbox.data().join("outbox")).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read_to_string(&path).unwrap().contains(&invited) {
            std::fs::File::options().append(true).open(path).unwrap().set_modified(old).unwrap();
        }
    }
    service.restart();
    picpick_tests::guest::wait_until("the old mail is removed", || {
        letters(&service, &invited).is_empty()
    });
    assert_eq!(letters(&service, &late).len(), 1);
}
