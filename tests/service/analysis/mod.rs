//! The analysis at the first search: no face is detected before a guest with a consent is verified, and nothing is
//! lost or embedded twice afterwards.

mod modes;
mod orders;

use std::collections::BTreeSet;
use std::time::Duration;

use modes::{
    a_restored_event_still_waits, a_waiting_event_is_purged_and_exported,
    the_mode_changes_while_nothing_is_embedded, visitors_and_the_studio_are_told,
};
use orders::nothing_is_embedded_early_in_any_order;
use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, variant};
use picpick_tests::guest::{
    Shown, finish, mailed_code, new_link, register, send_code, show_head, wait_until, welcome,
};
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Client, Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    photos_wait_for_the_first_search,
    a_kill_loses_nothing_and_embeds_nothing_early,
    erasures_hold_in_the_late_analysis,
    the_mode_changes_while_nothing_is_embedded,
    a_waiting_event_is_purged_and_exported,
    a_restored_event_still_waits,
    visitors_and_the_studio_are_told,
    nothing_is_embedded_early_in_any_order,
);

/// Two portraits of the man whose head is made from `obama3.jpg`, one of another man, and a party of several people.
const PHOTOS: [&str; 4] = ["obama.jpg", "obama2.jpg", "biden.jpg", "sample4.jpg"];

/// An event that waits for its first search.
struct WaitingEvent {
    owner: Person,
    album: Album,
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

impl WaitingEvent {
    fn of(service: &Service) -> Self {
        let owner = service.owner();
        let new = json!({ "name": "Wedding", "legal_basis": "consent", "guest_proof": "selfie",
            "analysis": "at_first_search" });
        let events = format!("/studios/{}/events", owner.studio());
        let made = owner.client.post(&events, &new).is(201);
        assert_eq!(made.document()["analysis_deferred"], true);
        let album = Album { client: owner.client.clone(), event: made.field("id") };
        Self { owner, album }
    }

    /// Uploads photos and waits until the worker has done with them. Returns their ids.
    fn add(&self, names: &[&str]) -> Vec<String> {
        let ids = names.iter().map(|name| self.album.upload(name, &picture(name))).collect();
        self.album.wait_until_indexed();
        ids
    }

    fn get(&self, rest: &str) -> Value {
        self.album.client.get(&self.album.path(rest)).is(200).document()
    }

    fn change(&self, change: &Value) -> picpick_tests::Answer {
        self.album.client.patch(&self.album.path(""), change)
    }

    /// Pauses or resumes the worker.
    fn control(&self, action: &str) {
        self.album.client.post(&self.album.path("/jobs"), &json!({ "action": action })).is(200);
    }

    /// Asserts that `photos` photos wait, and that the event has no face.
    fn assert_waiting(&self, photos: usize) {
        assert_eq!(self.get("")["analysis_deferred"], true);
        let counts = self.album.counts();
        assert_eq!((&counts["deferred"], &counts["done"]), (&json!(photos), &json!(0)), "{counts}");
        let coverage = self.get("/coverage");
        for (field, expected) in
            [("photos", photos), ("deferred", photos), ("indexed", 0), ("faces", 0), ("pending", 0)]
        {
            assert_eq!(coverage[field], expected, "{field}: {coverage}");
        }
        let people = self.get("/people?hidden=true");
        assert_eq!(people["people"].as_array().map(Vec::len), Some(0), "{people}");
    }

    /// Returns the details of the studio's audit entries with `action`, with the actors.
    fn audit(&self, action: &str) -> Vec<(String, String)> {
        let path = format!("/studios/{}/audit?limit=500", self.owner.studio());
        let entries = self.owner.client.get(&path).is(200).items();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let ours = entries.iter().filter(|entry| entry["action"] == action);
        ours.map(|entry| (text(entry, "actor"), text(entry, "detail"))).collect()
    }

    /// Stops the service, and returns the numbers of photos and faces in the event's collection, read from the store.
    fn stored(&self, service: &mut Service) -> (u64, u64) {
        assert_eq!(service.stop(), Some(0));
        let shown = service.run(&["--json", "collections", "show", &self.album.event]).document();
        service.restart();
        (shown["photos"].as_u64().unwrap(), shown["faces"].as_u64().unwrap())
    }
}

fn photos(guest: &Client) -> BTreeSet<String> {
    let items = guest.get("/guest/photos").is(200).items();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

/// Issue 13: bystanders have no template until a guest with a consent, a passed challenge and, where the event asks for
/// it, a proved contact searches. That guest finds exactly their photos.
fn photos_wait_for_the_first_search(mut service: Service) {
    let scene = WaitingEvent::of(&service);
    scene.change(&json!({ "guest_proof": "contact_code", "downloads": "original" })).is(200);
    let ids = scene.add(&PHOTOS);
    scene.assert_waiting(4);
    let derivatives =
        std::fs::read_dir(service.sandbox.data().join("photos").join(&scene.album.event));
    assert_eq!(derivatives.unwrap().count(), 12, "originals, screen versions and thumbnails");
    assert_eq!(scene.stored(&mut service), (0, 0));
    for photo in scene.album.photos() {
        assert_eq!(photo["indexing"], "deferred");
    }
    // Albums and downloads do not need faces.
    let new = json!({ "name": "All" });
    let album = scene.owner.client.post(&scene.album.path("/albums"), &new).is(201).field("id");
    let links = scene.album.path(&format!("/albums/{album}/links"));
    let token =
        scene.owner.client.post(&links, &json!({ "name": "Family" })).is(201).field("token");
    let entered =
        service.client().post("/album/session", &json!({ "token": token, "pin": "" })).is(204);
    let visitor = service.client().with_cookie(&entered.cookie());
    assert_eq!(visitor.get("/album/photos").is(200).items().len(), 4);
    for kind in ["thumb", "web", "download"] {
        visitor.get(&format!("/album/photos/{}/{kind}", ids[0])).is(200);
    }
    // Neither a search by the studio, nor a registration, nor a face without its code starts anything.
    scene.album.search(&picture("obama.jpg"), "").fails(409, "conflict");
    let (link, contact) = (new_link(&scene.owner, &scene.album.event), new_email());
    register(&service, &link, "Other", &new_email());
    let mut guest = register(&service, &link, "Guest", &contact);
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::CodeNeeded);
    guest.json("POST", "/guest/verification", None).fails(409, "conflict");
    send_code(&guest, "000000").fails(401, "wrong_credentials");
    scene.album.wait_until_indexed();
    scene.assert_waiting(4);
    assert_eq!(guest.get("/guest").is(200).document()["searching"], false);
    // The code was for the same contact; the face is held in memory.
    send_code(&guest, &mailed_code(&service, &contact)).is(204);
    finish(&mut guest);
    assert_eq!(scene.get("")["analysis_deferred"], false);
    wait_until("the photos are searched", || {
        guest.get("/guest").is(200).document()["searching"] == false
    });
    let counts = scene.album.counts();
    assert_eq!((&counts["done"], &counts["deferred"]), (&json!(4), &json!(0)), "{counts}");
    assert_eq!(photos(&guest), set(&ids[..2]));
    let started = scene.audit("analysis_start");
    assert_eq!(started.len(), 1);
    assert!(started[0].0.starts_with("guest:") && started[0].1 == "photos: 4", "{started:?}");
    // From now on photos are embedded at upload, and a second guest starts nothing again.
    let more = scene.album.upload("more.jpg", &variant(&picture("obama2.jpg"), 1));
    assert_eq!(scene.album.wait_until_indexed()["done"], 5);
    assert!(photos(&guest).contains(&more));
    assert_eq!(
        scene.album.search(&picture("biden.jpg"), "").is(200).document()["matches"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    scene.change(&json!({ "guest_proof": "selfie" })).is(200);
    let second = welcome(&service, &link, "Guest", &new_email(), &head_of("sample5.jpg"));
    assert!(photos(&second).is_empty());
    assert_eq!(scene.audit("analysis_start").len(), 1);
}

/// Kills before the first search embed nothing, and kills after it lose nothing.
fn a_kill_loses_nothing_and_embeds_nothing_early(mut service: Service) {
    let scene = WaitingEvent::of(&service);
    let mut ids = Vec::new();
    for number in 0..12 {
        let name = PHOTOS[number % 3];
        ids.push(scene.album.upload(&format!("{number}.jpg"), &variant(&picture(name), number)));
        if number % 5 == 4 {
            service.kill();
            service.restart();
        }
    }
    scene.album.wait_until_indexed();
    scene.assert_waiting(12);
    let link = new_link(&scene.owner, &scene.album.event);
    let guest = welcome(&service, &link, "Guest", &new_email(), &head_of("obama3.jpg"));
    for wait_ms in [0, 1500, 400] {
        std::thread::sleep(Duration::from_millis(wait_ms));
        service.kill();
        service.restart();
        assert_eq!(scene.get("")["analysis_deferred"], false);
    }
    let counts = scene.album.wait_until_indexed();
    assert_eq!((&counts["done"], &counts["deferred"]), (&json!(12), &json!(0)), "{counts}");
    let own = ids.into_iter().enumerate().filter(|(number, _)| number % 3 < 2);
    assert_eq!(photos(&guest), own.map(|(_, id)| id).collect());
    assert_eq!(scene.stored(&mut service), (12, 12));
}

/// A sibling of the issue: who leaves and opts out between the first search and the analysis has no face stored, a
/// deleted photo does not come back, and an erased face stays erased.
fn erasures_hold_in_the_late_analysis(mut service: Service) {
    let scene = WaitingEvent::of(&service);
    let ids = scene.add(&PHOTOS[..3]);
    scene.control("pause");
    let link = new_link(&scene.owner, &scene.album.event);
    let guest = welcome(&service, &link, "Guest", &new_email(), &head_of("obama3.jpg"));
    assert_eq!(scene.album.counts()["ready"], 3);
    assert_eq!(guest.get("/guest").is(200).document()["searching"], false, "the studio has paused");
    guest.delete("/guest?faces=true&opt_out=true").is(200);
    assert_eq!(service.stop(), Some(0));
    service.change_rows("UPDATE erasures SET due_unix_s = 1 WHERE state = 'hidden'");
    service.restart();
    let open = "SELECT COUNT(*) FROM erasures WHERE closed_unix_s IS NULL";
    wait_until("the erasure is done", || service.number(open) == 0);
    scene.album.client.delete(&scene.album.path(&format!("/photos/{}", ids[1]))).is(200);
    scene.control("resume");
    assert_eq!(scene.album.wait_until_indexed()["done"], 2);
    assert_eq!(scene.get("/coverage")["faces"], 1, "the other man");
    assert!(scene.album.found(&picture("obama.jpg")).is_empty());
    assert_eq!(scene.stored(&mut service), (2, 1), "the face of who opted out is in no row");
    let found = scene.album.search(&picture("biden.jpg"), "").is(200).document();
    let face = found["matches"][0]["face"].as_str().unwrap().to_owned();
    scene.album.client.post(&scene.album.path("/erasures"), &json!({ "face": face })).is(200);
    // The worker comes again, as after a lease that has expired.
    service.change_rows("UPDATE jobs SET state = 'ready', attempts = 0, due_unix_s = 0");
    service.kill();
    service.restart();
    scene.album.wait_until_indexed();
    assert_eq!(scene.stored(&mut service), (2, 0));
    assert_eq!(service.run(&["--json", "scan"]).document()["residue"], 0);
}
