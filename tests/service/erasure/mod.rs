//! Erasures that wait and can be undone, and people in photos who are no guests.
//!
//! `PICPICK_TEST_ERASURES` sets the number of operations of the random scenario (default 16).

mod orders;
mod people;

use std::collections::BTreeSet;

use orders::hidden_faces_appear_nowhere_in_any_order;
use people::{
    people_in_photos_are_taken_out_and_stay_out, removal,
    requests_of_people_are_answered_limited_and_logged,
};
use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, variant};
use picpick_tests::guest::{let_in, letter, letters, token_in, wait_until};
use picpick_tests::outbox::latest_to;
use picpick_tests::{Client, Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    a_face_alone_erases_nothing_for_good,
    a_proved_contact_gets_the_undo_link,
    an_interrupted_erasure_is_resumed_at_every_step,
    a_purge_ends_what_waits,
    people_in_photos_are_taken_out_and_stay_out,
    requests_of_people_are_answered_limited_and_logged,
    hidden_faces_appear_nowhere_in_any_order,
);

/// Three portraits of one man, and one of another man.
const PHOTOS: [&str; 4] = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"];

struct Scene {
    owner: Person,
    album: Album,
    ids: Vec<String>,
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

impl Scene {
    fn of(service: &Service) -> Self {
        let owner = service.owner();
        let event = owner.new_event(&owner.studio(), "Wedding");
        let album = Album { client: owner.client.clone(), event };
        let ids = PHOTOS.iter().map(|name| album.upload(name, &picture(name))).collect();
        album.wait_until_indexed();
        Self { owner, album, ids }
    }

    fn get(&self, rest: &str) -> Value {
        self.album.client.get(&self.album.path(rest)).is(200).document()
    }

    /// Returns the photos in which a search finds the man of the first three photos, or the other man.
    fn found(&self, name: &str) -> BTreeSet<String> {
        self.album.found(&picture(name)).into_iter().collect()
    }

    /// Returns a face of the man in `name`, which must be found.
    fn face(&self, name: &str) -> String {
        let found = self.album.search(&picture(name), "").is(200).document();
        found["matches"][0]["face"].as_str().expect("a face").to_owned()
    }

    /// Creates a guest with the face of the man in `name`.
    fn guest(&self, service: &Service, name: &str) -> Client {
        let_in(service, &self.owner, &self.album.event, &self.face(name))
    }

    fn erasures(&self) -> Vec<Value> {
        self.get("/erasures")["items"].as_array().unwrap().clone()
    }

    fn people(&self) -> Value {
        self.get("/people?hidden=true")
    }

    /// Returns the contents of the receipts of the event, oldest first.
    fn receipts(&self) -> Vec<Value> {
        let path = format!("/studios/{}/receipts", self.owner.studio());
        let all = self.owner.client.get(&path).is(200).items();
        let text = |item: &Value| item["receipt"].as_str().unwrap().to_owned();
        let read = |item: &Value| serde_json::from_str::<Value>(&text(item)).unwrap();
        all.iter().map(|item| read(item)["receipt"].clone()).collect()
    }
}

/// Lets the waiting time of all hidden faces pass: moves their due time into the past, and restarts the service,
/// which looks for due erasures when it starts.
fn pass_waiting_time(service: &mut Service) {
    assert_eq!(service.stop(), Some(0));
    service.change_rows("UPDATE erasures SET due_unix_s = 1 WHERE state = 'hidden'");
    service.restart();
    wait_until("due erasures are done", || open_erasures(service) == 0);
}

fn open_erasures(service: &Service) -> i64 {
    service.number("SELECT COUNT(*) FROM erasures WHERE closed_unix_s IS NULL")
}

/// Asserts that no search, list or guest finds the first man's faces, of which `face` is one. `other` is a guest with
/// that face.
fn assert_hidden(scene: &Scene, other: &Client, face: &str) {
    assert!(scene.found("obama2.jpg").is_empty());
    assert_eq!(scene.found("biden.jpg").len(), 1);
    assert_eq!(other.get("/guest").is(200).document()["photos"], 0);
    assert_eq!(scene.people()["faces"], 1);
    let by_face = json!({ "face": face });
    let (client, path) = (&scene.album.client, |rest: &str| scene.album.path(rest));
    client.post(&path("/search/face"), &by_face).fails(404, "not_found");
    client.get(&path(&format!("/people/{face}"))).fails(404, "not_found");
}

/// Finding S3: a face that may be forged hides the person's faces, and the studio can undo it for 72 hours.
fn a_face_alone_erases_nothing_for_good(mut service: Service) {
    let scene = Scene::of(&service);
    let admin = service.member(&scene.owner, &scene.owner.studio(), "admin", None);
    let editor = service.member(&scene.owner, &scene.owner.studio(), "editor", None);
    let both: BTreeSet<String> = scene.ids[..3].iter().cloned().collect();
    let face = scene.face("obama.jpg");
    assert_eq!(scene.found("obama2.jpg"), both);
    let other = scene.guest(&service, "obama2.jpg");
    let guest = scene.guest(&service, "obama.jpg");
    // The studio's link has proved the contact; a guest with a camera has not.
    service.change_rows("UPDATE guests SET contact_proved_unix_s = NULL");
    let left = guest.delete("/guest?faces=true").is(200).document();
    assert_eq!(left["faces_hidden"], 3);
    guest.get("/guest").fails(401, "unauthenticated");
    // The guest's own data is gone at once; the faces are in the store, and in no result.
    assert_eq!(service.number("SELECT COUNT(*) FROM guests"), 1);
    assert_hidden(&scene, &other, &face);
    let own = scene.receipts().pop().unwrap();
    assert_eq!((&own["faces"], &own["details"]["templates"]), (&json!(0), &json!(1)));
    assert_eq!(own["details"]["requested_by"], "guest");
    // A photo that is removed and uploaded again, another file of it, and a restart change nothing.
    scene.album.client.delete(&scene.album.path(&format!("/photos/{}", scene.ids[0]))).is(200);
    scene.album.upload("obama.jpg", &picture("obama.jpg"));
    scene.album.upload("again.jpg", &variant(&picture("obama2.jpg"), 1));
    scene.album.wait_until_indexed();
    assert!(scene.found("obama2.jpg").is_empty());
    service.kill();
    service.restart();
    assert!(scene.found("obama2.jpg").is_empty());
    // Owner and admin are told; no other member is.
    for told in [&scene.owner, &admin] {
        let text = latest_to(&service, &told.email, "3 faces in 3 photos");
        assert!(text.contains("/privacy"), "{text}");
    }
    assert_eq!(letters(&service, "g/undo#").len(), 0, "no link to a contact that is not proved");
    // Undoing has a right of its own.
    let one = scene.erasures()[0].clone();
    assert_eq!((&one["state"], &one["requested_by"]), (&json!("hidden"), &json!("guest")));
    let path = scene.album.path(&format!("/erasures/{}", one["id"].as_str().unwrap()));
    assert_eq!(editor.client.get(&scene.album.path("/erasures")).is(200).items().len(), 1);
    editor.client.delete(&path).fails(403, "forbidden");
    let waits = one["due_unix_s"].as_i64().unwrap() - one["requested_unix_s"].as_i64().unwrap();
    assert!((72 * 3600..72 * 3600 + 60).contains(&waits), "{waits}");
    admin.client.delete(&path).is(204);
    admin.client.delete(&path).fails(409, "conflict");
    assert_eq!(scene.found("obama2.jpg").len(), 4, "with the new file");
    assert_eq!(other.get("/guest").is(200).document()["photos"], 4);
    // The second time no member objects, and the faces are erased for good.
    let again = scene.guest(&service, "obama.jpg");
    assert_eq!(again.delete("/guest?faces=true").is(200).document()["faces_hidden"], 4);
    pass_waiting_time(&mut service);
    let erasures = scene.erasures();
    let done = erasures.iter().find(|erasure| erasure["state"] != "undone").unwrap();
    assert_eq!((&done["state"], &done["faces"]), (&json!("erased"), &json!(4)));
    let receipt = scene.receipts().pop().unwrap();
    assert_eq!((&receipt["faces"], &receipt["residue"]), (&json!(4), &json!(0)));
    assert_eq!(receipt["details"]["requested_by"], "guest");
    let path = scene.album.path(&format!("/erasures/{}", done["id"].as_str().unwrap()));
    scene.owner.client.delete(&path).fails(409, "conflict");
    scene.album.client.delete(&scene.album.path(&format!("/photos/{}", scene.ids[1]))).is(200);
    scene.album.upload("obama2.jpg", &picture("obama2.jpg"));
    scene.album.wait_until_indexed();
    assert!(scene.found("obama2.jpg").is_empty(), "erased faces do not come back");
    assert_eq!(service.run(&["--json", "scan"]).document()["residue"], 0);
}

/// A sibling of S3: the guest whose contact is proved can undo what another person did with a forged face, and the
/// contact is kept for that alone.
fn a_proved_contact_gets_the_undo_link(mut service: Service) {
    let scene = Scene::of(&service);
    let guest = scene.guest(&service, "obama.jpg");
    let contact = scene.get("/guests")["items"][0]["contact"].as_str().unwrap().to_owned();
    service.change_rows("UPDATE guests SET contact_proved_unix_s = 1");
    guest.delete("/guest?faces=true").is(200);
    assert!(scene.found("obama.jpg").is_empty());
    let sealed = "SELECT COUNT(*) FROM erasures WHERE contact IS NOT NULL";
    assert_eq!(service.number(sealed), 1);
    assert_eq!(
        service.number(&format!("SELECT COUNT(*) FROM erasures WHERE contact LIKE '%{contact}%'")),
        0,
        "the contact is sealed"
    );
    let text = letter(&service, "g/undo#");
    assert!(text.contains(&contact));
    let token = token_in(&text, "ppu_");
    service.remember(&token);
    let outside = service.client();
    let undo = |token: &str| outside.post("/guest/erasure-undo", &json!({ "token": token }));
    undo("ppu_wrong").fails(410, "gone");
    assert_eq!(undo(&token).is(200).document()["faces"], 3);
    undo(&token).fails(410, "gone");
    assert_eq!(scene.found("obama.jpg").len(), 3);
    assert_eq!(service.number(sealed), 0, "the contact is deleted with the closed erasure");
    assert_eq!(service.number("SELECT COUNT(*) FROM guests"), 0, "the guest stays erased");
    // A link is of no use once the faces are erased; a guest is told if the studio undoes their erasure.
    let guest = scene.guest(&service, "obama.jpg");
    service.change_rows("UPDATE guests SET contact_proved_unix_s = 1");
    guest.delete("/guest?faces=true").is(200);
    let erasures = scene.erasures();
    let hidden = erasures.iter().find(|erasure| erasure["state"] == "hidden").unwrap();
    let id = hidden["id"].as_str().unwrap();
    scene.owner.client.delete(&scene.album.path(&format!("/erasures/{id}"))).is(204);
    letter(&service, "Subject: The deletion of your face data was undone");
    let guest = scene.guest(&service, "obama.jpg");
    service.change_rows("UPDATE guests SET contact_proved_unix_s = 1");
    guest.delete("/guest?faces=true").is(200);
    wait_until("the third letter", || letters(&service, "g/undo#").len() == 3);
    let tokens = letters(&service, "g/undo#").into_iter().map(|text| token_in(&text, "ppu_"));
    let tokens: Vec<String> = tokens.collect();
    tokens.iter().for_each(|token| service.remember(token));
    pass_waiting_time(&mut service);
    let outside = service.client();
    for token in &tokens {
        outside.post("/guest/erasure-undo", &json!({ "token": token })).fails(410, "gone");
    }
    assert!(scene.found("obama.jpg").is_empty());
    assert_eq!(service.number(sealed), 0);
}

/// A crash may come between any two steps. Each state is set as a crash before its commit would leave it, and the next
/// start completes the erasure once.
fn an_interrupted_erasure_is_resumed_at_every_step(mut service: Service) {
    let scene = Scene::of(&service);
    let guest = scene.guest(&service, "obama.jpg");
    guest.delete("/guest?faces=true").is(200);
    let again = |service: &mut Service, state: &str| {
        service.kill();
        let text = format!(
            "UPDATE erasures SET state = '{state}', closed_unix_s = NULL WHERE kind = 'guest'"
        );
        assert_eq!(service.change_rows(&text), 1);
        service.restart();
    };
    let state = |service: &Service, wanted: &str| {
        let text = format!("SELECT COUNT(*) FROM erasures WHERE state = '{wanted}'");
        wait_until(wanted, || service.number(&text) == 1);
    };
    // Hidden in the engine, not yet in the database.
    again(&mut service, "requested");
    state(&service, "hidden");
    assert_eq!(scene.erasures()[0]["faces"], 3);
    assert!(scene.found("obama.jpg").is_empty());
    // Undone in the database, not yet in the engine; and once more, when the engine has done it.
    for _ in 0..2 {
        again(&mut service, "lifting");
        state(&service, "undone");
        assert_eq!(scene.found("obama.jpg").len(), 3);
    }
    let guest = scene.guest(&service, "obama.jpg");
    service.change_rows("DELETE FROM erasures");
    guest.delete("/guest?faces=true").is(200);
    // Due in the database, not yet erased; and once more, when the engine has erased.
    for _ in 0..2 {
        again(&mut service, "due");
        state(&service, "erased");
        assert!(scene.found("obama.jpg").is_empty());
    }
    let erased = scene.receipts().into_iter().filter(|it| it["faces"] == 3).count();
    assert_eq!(erased, 1, "one receipt");
    // A guest or an event that an earlier version had begun to erase has no row.
    let guest = scene.guest(&service, "biden.jpg");
    service.kill();
    service.change_rows("UPDATE guests SET erasing_unix_s = 1");
    service.restart();
    wait_until("the guest is erased", || service.number("SELECT COUNT(*) FROM guests") == 0);
    guest.get("/guest").fails(401, "unauthenticated");
    assert_eq!(scene.found("biden.jpg").len(), 1, "without the faces");
    service.kill();
    service.change_rows("UPDATE events SET deleting_unix_s = 1");
    service.restart();
    wait_until("the event is purged", || service.number("SELECT COUNT(*) FROM events") == 0);
    assert_eq!(open_erasures(&service), 0);
}

/// An event's purge during the 72 hours erases everything, hidden or not, at once.
fn a_purge_ends_what_waits(service: Service) {
    let scene = Scene::of(&service);
    let guest = scene.guest(&service, "obama.jpg");
    service.change_rows("UPDATE guests SET contact_proved_unix_s = 1");
    guest.delete("/guest?faces=true").is(200);
    let token = token_in(&letter(&service, "g/undo#"), "ppu_");
    service.remember(&token);
    let request = removal(&scene, &new_email());
    service.client().post("/privacy/requests", &request).is(204);
    let receipt = scene.owner.client.delete(&scene.album.path("")).is(200).field("receipt");
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    let receipt = &receipt["receipt"];
    assert_eq!(
        (&receipt["faces"], &receipt["details"]["requested_by"]),
        (&json!(4), &json!("studio"))
    );
    assert_eq!(open_erasures(&service), 0);
    for left in [
        "SELECT COUNT(*) FROM erasures WHERE contact IS NOT NULL OR undo_hash IS NOT NULL OR subject <> ''",
        "SELECT COUNT(*) FROM privacy_requests WHERE name IS NOT NULL OR contact IS NOT NULL \
         OR message IS NOT NULL OR contact_hash IS NOT NULL OR outcome IS NULL",
    ] {
        assert_eq!(service.number(left), 0, "{left}");
    }
    service.client().post("/guest/erasure-undo", &json!({ "token": token })).fails(410, "gone");
    service.client().post("/privacy/requests", &request).fails(404, "not_found");
    assert_eq!(service.run(&["--json", "scan"]).document()["residue"], 0);
    // The log outlives the event.
    let log = privacy_log(&scene);
    let outcomes: Vec<&str> = log.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.contains(&"erased") && outcomes.contains(&"event_ended"), "{outcomes:?}");
}

fn privacy_log(scene: &Scene) -> Vec<Value> {
    let path = format!("/studios/{}/privacy-log", scene.owner.studio());
    scene.owner.client.get(&path).is(200).items()
}
