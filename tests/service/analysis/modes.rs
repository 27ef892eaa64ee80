use picpick_tests::Service;
use picpick_tests::accounts::new_email;
use picpick_tests::album::variant;
use picpick_tests::guest::{new_link, welcome};
use picpick_tests::synthetic_head::head_of;
use serde_json::{Value, json};

use super::{PHOTOS, WaitingEvent, picture};

fn mode(analysis: &str) -> Value {
    json!({ "analysis": analysis })
}

/// Which role may change the analysis is in `event.rs`; here, when it can change.
pub fn the_mode_changes_while_nothing_is_embedded(service: Service) {
    let scene = WaitingEvent::of(&service);
    let refused = |reason: &str| {
        let answer = scene.change(&mode("at_first_search")).fails(409, "conflict").document();
        assert!(answer["detail"].as_str().unwrap().contains(reason), "{answer}");
        assert_eq!(scene.get("")["analysis"], "at_upload");
    };
    scene.change(&mode("never")).fails(422, "invalid");
    scene.add(&PHOTOS[2..3]);
    scene.assert_waiting(1);
    // An unchanged value starts nothing and needs no check.
    scene.change(&json!({ "analysis": "at_first_search", "name": "Other" })).is(200);
    scene.assert_waiting(1);
    scene.change(&mode("at_upload")).is(200);
    assert_eq!(scene.album.wait_until_indexed()["done"], 1);
    assert_eq!(scene.get("/coverage")["faces"], 1);
    refused("1 photo was searched");
    let photo = scene.album.photos()[0]["id"].as_str().unwrap().to_owned();
    scene.album.client.delete(&scene.album.path(&format!("/photos/{photo}"))).is(200);
    // A photo that no worker has begun with, and one that a worker has begun with.
    scene.control("pause");
    scene.album.upload("biden.jpg", &variant(&picture("biden.jpg"), 1));
    scene.change(&mode("at_first_search")).is(200);
    scene.change(&mode("at_upload")).is(200);
    for begun in ["state = 'running', lease_unix_s = 9999999999", "attempts = 1"] {
        assert_eq!(service.change_rows(&format!("UPDATE jobs SET {begun}")), 1);
        refused("photos are being searched");
        service.change_rows("UPDATE jobs SET state = 'ready', attempts = 0, lease_unix_s = 0");
    }
    scene.change(&mode("at_first_search")).is(200);
    scene.control("resume");
    scene.album.wait_until_indexed();
    scene.assert_waiting(1);
    scene.album.client.post(&scene.album.path("/jobs"), &json!({ "action": "retry" })).is(200);
    scene.album.client.post(&scene.album.path("/jobs"), &json!({ "action": "cancel" })).is(200);
    scene.assert_waiting(1);
    let changes = scene.audit("event_change");
    let both = ["analysis: at_first_search to at_upload", "analysis: at_upload to at_first_search"];
    for detail in both {
        assert_eq!(changes.iter().filter(|(_, of)| of == detail).count(), 2, "{changes:?}");
    }
    let created = scene.audit("event_create").pop().unwrap().1;
    assert!(created.contains("analysis: at_first_search"), "{created}");
    // Once a guest has searched, nothing waits any more, whether there were photos or not.
    let event = scene.owner.new_event(&scene.owner.studio(), "Empty");
    let link = new_link(&scene.owner, &event);
    welcome(&service, &link, "Guest", &new_email(), &head_of("obama3.jpg"));
    let path = format!("/events/{event}");
    let late = scene.owner.client.patch(&path, &mode("at_first_search")).fails(409, "conflict");
    assert!(late.field("detail").contains("a guest has searched"));
}

/// The deletion of an event without faces is complete, and its export says what it waits for.
pub fn a_waiting_event_is_purged_and_exported(service: Service) {
    let scene = WaitingEvent::of(&service);
    scene.add(&PHOTOS[..2]);
    let export = scene.album.client.get(&scene.album.path("/export")).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(export)).unwrap();
    assert_eq!(zip.len(), 3, "two photos and the description");
    let event = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let about = &event["event"];
    assert_eq!(
        (&about["analysis"], &about["analysis_deferred"]),
        (&json!("at_first_search"), &json!(true))
    );
    let receipt = scene.owner.client.delete(&scene.album.path("")).is(200).field("receipt");
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["receipt"]["faces"], 0, "{receipt}");
    assert_eq!(service.run(&["--json", "scan"]).document()["residue"], 0);
    assert_eq!(service.number("SELECT COUNT(*) FROM jobs"), 0);
    let folder = service.sandbox.data().join("photos").join(&scene.album.event);
    assert!(!folder.exists() || folder.read_dir().unwrap().next().is_none());
}

/// A sibling: a restored collection holds no face either, and the event waits on.
pub fn a_restored_event_still_waits(mut service: Service) {
    let scene = WaitingEvent::of(&service);
    scene.add(&PHOTOS[..3]);
    let place = service.sandbox.path("place");
    let place = place.to_str().unwrap();
    assert_eq!(service.run(&["backup", place]).status, 0);
    assert_eq!(service.stop(), Some(0));
    let restored = service.run(&["restore", place, &scene.album.event, "--replace"]);
    assert_eq!(restored.status, 0, "{restored:?}");
    service.restart();
    scene.album.wait_until_indexed();
    scene.assert_waiting(3);
    assert_eq!(scene.stored(&mut service), (0, 0));
    scene.change(&mode("at_upload")).is(200);
    assert_eq!(scene.album.wait_until_indexed()["done"], 3);
    assert_eq!(scene.album.found(&picture("obama.jpg")).len(), 2);
    // A collection that is newer than the database has its photos already: they are not embedded again.
    let back = "UPDATE events SET analysis = 'at_first_search'";
    assert_eq!(service.change_rows(back), 1);
    service.change_rows("UPDATE jobs SET state = 'deferred'");
    let link = new_link(&scene.owner, &scene.album.event);
    let guest = welcome(&service, &link, "Guest", &new_email(), &head_of("obama3.jpg"));
    assert_eq!(scene.album.wait_until_indexed()["done"], 3);
    assert_eq!(super::photos(&guest).len(), 2);
    assert_eq!(scene.stored(&mut service), (3, 3));
}

/// Every page says that faces are not analysed yet, instead of showing an event without faces.
pub fn visitors_and_the_studio_are_told(service: Service) {
    let scene = WaitingEvent::of(&service);
    scene.add(&PHOTOS[..1]);
    let other = scene.owner.new_event(&scene.owner.studio(), "Other");
    let read = |path: &str| {
        let mut page = ureq::get(format!("{}{path}", service.address())).call().unwrap();
        page.body_mut().read_to_string().unwrap()
    };
    let outside = service.client();
    let told = "before a first guest has agreed";
    assert!(read(&format!("/privacy/{}", scene.album.event)).contains(told));
    assert!(!read(&format!("/privacy/{other}")).contains(told));
    let told = "no face is analysed until a guest searches";
    for (event, expected) in [(&scene.album.event, true), (&other, false)] {
        let link = new_link(&scene.owner, event);
        assert_eq!(read(&format!("/g/{link}")).contains(told), expected);
        let invitation = outside.post("/guest/invitation", &json!({ "token": link })).is(200);
        let analysis = if expected { "at_first_search" } else { "at_upload" };
        assert_eq!(invitation.field("analysis"), analysis);
    }
    for page in ["", "/people", "/coverage", "/matching", "/guests", "/settings"] {
        let path = format!("/studio/events/{}{page}", scene.album.event);
        assert!(read(&path).contains("id=\"event-deferred\""), "{page}");
    }
    let client = &scene.album.client;
    let no_face = picpick_tests::openapi::unknown_id();
    let searches = [
        ("/search/face", json!({ "face": no_face })),
        ("/compare", json!({ "a": no_face, "b": no_face })),
    ];
    for (path, body) in searches {
        let told = client.post(&scene.album.path(path), &body).fails(409, "conflict");
        assert!(told.field("detail").contains("at_upload"));
    }
    assert!(scene.audit("search_selfie").is_empty() && scene.audit("search_face").is_empty());
}
