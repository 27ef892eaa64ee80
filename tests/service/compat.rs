//! Runs the service on a data folder and a database that the version before the redesign wrote; the README of
//! the fixture describes both. Each scenario runs on SQLite and on PostgreSQL.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::album::{Album, header, sha256};
use picpick_tests::guest::{CONSENT, letter, registration, token_in, wait_until};
use picpick_tests::pictures::Drawing;
use picpick_tests::proof_of_work::send_with_work;
use picpick_tests::{Client, Database, Person, Request, Service, fixture, sandbox};
use serde_json::{Value, json};
use totp_rs::Totp;

use crate::audit_chain::recomputed;

macro_rules! on_both_databases_from_before {
    ($($scenario:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $scenario() {
                super::$scenario(super::Old::start(picpick_tests::Database::Sqlite));
            })*
        }
        mod on_postgres {
            $(#[test] fn $scenario() {
                super::$scenario(super::Old::start(picpick_tests::Database::Postgres));
            })*
        }
    };
}

on_both_databases_from_before!(
    accounts_sessions_links_and_keys_are_valid,
    failed_attempts_are_remembered,
    photos_people_and_matching_are_the_same,
    jobs_uploads_and_stored_responses_are_continued,
    albums_with_picks_and_comments_open,
    guests_keep_their_access_and_claims,
    the_audit_and_the_receipts_are_continued,
);

/// A service on the fixture.
struct Old {
    service: Service,
    /// Accounts, tokens and ids of the database.
    facts: Value,
    /// The owner, with a session that the old version created.
    owner: Person,
    /// The event, accessed by the owner.
    event: Album,
}

impl Old {
    fn start(database: Database) -> Self {
        let (service, facts) = fixture::service(sandbox!(), database);
        let owner = person(&service, &facts["owner"]);
        let event = Album { client: owner.client.clone(), event: text(&facts["event"]) };
        Self { service, facts, owner, event }
    }

    fn fact(&self, pointer: &str) -> String {
        text(self.facts.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}")))
    }

    fn studio(&self) -> String {
        self.fact("/studio")
    }

    /// Returns the ids of the four photos with faces.
    fn photos(&self) -> Vec<String> {
        texts(&self.facts["photos"])
    }

    /// Returns a client at an address of its own with a session that the old version created.
    fn session(&self, pointer: &str) -> Client {
        self.service.client().with_cookie(&self.fact(pointer))
    }

    /// Enters an album. Its old failures require a proof of work.
    fn enter_album(&self, album: &str, pin: &str) -> picpick_tests::Answer {
        let body = json!({ "token": self.fact(&format!("/{album}/link")), "pin": pin });
        send_with_work(&self.service.client(), ("POST", "/album/session"), &body, 20)
    }
}

fn person(service: &Service, facts: &Value) -> Person {
    Person {
        client: service.client().with_cookie(facts["session"].as_str().unwrap()),
        id: text(&facts["id"]),
        email: text(&facts["email"]),
        password: text(&facts["password"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(text).collect()
}

fn field(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|item| text(&item[name])).collect()
}

fn set(ids: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

fn accounts_sessions_links_and_keys_are_valid(old: Old) {
    let service = &old.service;
    let me = old.owner.client.get("/me").is(200).document();
    assert_eq!((&me["email"], &me["second_factor"]), (&json!(old.owner.email), &json!(true)));
    // The password alone does not suffice; the sealed secret of the second factor is readable.
    old.owner.try_sign_in(&old.owner.password, None).fails(401, "wrong_credentials");
    let code = code(&old.fact("/owner/totp_secret"));
    old.owner.try_sign_in("a wrong password", Some(&code)).fails(401, "wrong_credentials");
    let signed_in = old.owner.try_sign_in(&old.owner.password, Some(&code)).is(201);
    let client = old.owner.client.with_cookie(&signed_in.cookie());
    assert_eq!(client.get("/studios").is(200).items().len(), 1);
    let members = client.get(&format!("/studios/{}/members", old.studio())).is(200).items();
    assert_eq!(members.len(), 3);
    // The links in mails of the old version are valid.
    let outside = service.client();
    let helper = |name: &str| old.fact(&format!("/helper/{name}"));
    let reset = json!({ "token": helper("reset_token"), "password": "battery staple reset" });
    outside.put("/password-resets", &reset).is(204);
    let sign_in = json!({ "email": helper("email"), "password": "battery staple reset" });
    outside.post("/session", &sign_in).is(201);
    let member = old.session("/member/session");
    assert_eq!(member.get("/me").is(200).field("email"), old.fact("/member/email"));
    let confirmation = json!({ "token": old.fact("/member/email_token") });
    outside.post("/me/email/confirm", &confirmation).is(204);
    let password = "battery staple new";
    let token = old.fact("/invited/token");
    let invited = json!({ "token": token, "name": "Invited", "password": password });
    outside.post("/invitations/accept", &invited).is(204);
    let sign_in = json!({ "email": old.fact("/invited/email"), "password": password });
    outside.post("/session", &sign_in).is(201);
    // The API key is valid, and the revoked one is not.
    let keyed = outside.with_key(&old.fact("/key"));
    assert_eq!(keyed.get(&old.event.path("")).is(200).field("name"), "Wedding");
    let revoked = outside.with_key(&old.fact("/revoked_key"));
    revoked.get(&old.event.path("")).fails(401, "unauthenticated");
}

/// Returns the current code of an authenticator app with this secret.
fn code(secret: &str) -> String {
    let url = format!("otpauth://totp/PicPick:owner?secret={secret}&issuer=PicPick");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Totp::from_url(url).unwrap().generate(now).to_string()
}

fn failed_attempts_are_remembered(old: Old) {
    // Without the failures that the old version recorded, the first five attempts would not be delayed.
    let member = json!({ "email": old.fact("/member/email"), "password": "a wrong password" });
    let client = old.service.client();
    let answers = [0, 1].map(|_| client.post("/session", &member).status);
    assert_eq!(answers[1], 429, "{answers:?}");
    let entry = json!({ "token": old.fact("/guarded_album/link"), "pin": "111111" });
    let answers = [0, 1].map(|_| old.service.client().post("/album/session", &entry).status);
    assert!(answers.iter().all(|status| [428, 429].contains(status)), "{answers:?}");
    let alerts = old.owner.client.get(&format!("/studios/{}/alerts", old.studio())).is(200).items();
    assert!(alerts.len() >= 2, "{alerts:?}");
    assert!(field(&alerts, "pattern").iter().all(|pattern| pattern == "account_guessing"));
}

fn photos_people_and_matching_are_the_same(old: Old) {
    let event = old.event.client.get(&old.event.path("")).is(200).document();
    assert_eq!((&event["name"], &event["downloads"]), (&json!("Wedding"), &json!("web")));
    let folders = old.event.client.get(&old.event.path("/folders")).is(200).items();
    assert_eq!(set(field(&folders, "name")), set(["Party".into(), "Backstage".into()]));
    let photos = old.event.photos();
    assert_eq!(photos.len(), 6, "four with faces, one unreadable, one pending");
    assert!(!field(&photos, "id").contains(&old.fact("/erased_photo")));
    for (photo, hash) in old.photos().iter().zip(texts(&old.facts["sha256"])) {
        let get = |kind: &str| {
            old.event.client.get(&old.event.path(&format!("/photos/{photo}/{kind}"))).is(200).body
        };
        assert_eq!(sha256(&get("original")), hash);
        assert!(get("web").starts_with(&[0xff, 0xd8]) && get("thumb").starts_with(&[0xff, 0xd8]));
    }
    let get = |path: &str| old.event.client.get(&old.event.path(path)).is(200).document();
    let people = get("/people");
    let mut sizes: Vec<u64> = people["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["faces"].as_u64().unwrap())
        .collect();
    sizes.sort_unstable();
    assert_eq!((json!(sizes), &people["hidden"]), (old.facts["seen"]["people"].clone(), &json!(1)));
    let offset = get("/matching")["threshold_offset"].as_f64().unwrap();
    assert!((offset - 0.05).abs() < 1e-6, "{offset}");
    let search = |face: &str| {
        let found =
            old.event.client.post(&old.event.path("/search/face"), &json!({ "face": face }));
        let found = found.is(200).document();
        field(found["matches"].as_array().unwrap(), "photo")
    };
    for (name, expected) in old.facts["seen"]["search_by_face"].as_object().unwrap() {
        assert_eq!(search(&old.fact(&format!("/faces/{name}"))), texts(expected), "{name}");
    }
    // The owner can undo the corrections of people.
    let face = |name: &str| old.fact(&format!("/faces/{name}"));
    let post =
        |path: &str, body: &Value| old.event.client.post(&old.event.path(path), body).is(204);
    post("/people/hide", &json!({ "face": face("B0"), "hidden": false }));
    post("/people/merge", &json!({ "faces": [face("A0"), face("A2")] }));
    assert_eq!(get("/people")["people"].as_array().unwrap().len(), 3);
    old.event.client.put(&old.event.path("/matching"), &json!({ "threshold_offset": 0.0 })).is(204);
}

fn jobs_uploads_and_stored_responses_are_continued(old: Old) {
    let counts = old.event.counts();
    let number = |state: &str| counts[state].as_u64().unwrap();
    assert_eq!((number("done"), number("failed"), number("ready")), (4, 1, 1), "{counts}");
    assert_eq!(counts["paused"], true);
    let failed = old.event.client.get(&old.event.path("/jobs/failed")).is(200).items();
    assert_eq!(field(&failed, "name"), ["damaged.png"]);
    // A repeated request gets the response that the old version stored.
    let repeated = old.owner.client.send(Request {
        method: "POST".into(),
        path: old.fact("/repeat/path"),
        headers: vec![("idempotency-key".into(), old.fact("/repeat/key"))],
        body: Some(("application/json".into(), old.fact("/repeat/body").into_bytes())),
    });
    assert_eq!(header(&repeated, "idempotency-replayed"), "true");
    assert_eq!(repeated.is(201).field("id"), old.fact("/folder"));
    // An upload that the old version began can be completed.
    let mut expected = 5;
    if let Some(place) = old.facts["upload"].as_str() {
        let offset = old.facts["upload_offset"].as_u64().unwrap() as usize;
        assert_eq!(old.event.offset(place), offset);
        let rest = std::fs::read(fixture::path("upload.rest")).unwrap();
        old.event.send(place, offset, &rest).unwrap().is(204);
        expected += 1;
    }
    let new = old.event.upload("new.jpg", &Drawing::blank(320, 240).jpeg());
    expected += 1;
    let resume = json!({ "action": "resume" });
    old.event.client.post(&old.event.path("/jobs"), &resume).is(200);
    let counts = old.event.wait_until_indexed();
    assert_eq!((&counts["done"], &counts["failed"]), (&json!(expected), &json!(1)), "{counts}");
    let thumb = old.event.path(&format!("/photos/{new}/thumb"));
    assert!(old.event.client.get(&thumb).is(200).body.starts_with(&[0xff, 0xd8]));
    let receipt = old.event.client.delete(&old.event.path(&format!("/photos/{new}"))).is(200);
    assert!(receipt.field("receipt").contains("\"photos\":1"));
}

fn albums_with_picks_and_comments_open(old: Old) {
    let photos = old.photos();
    // The visitor's old session is valid, and a new session of the visitor has the same picks.
    let inside = old.session("/album/visit");
    let shown = inside.get("/album").is(200).document();
    assert_eq!((&shown["name"], &shown["visitor"]), (&json!("Asha & Ben"), &json!("Asha")));
    assert_eq!((&shown["downloads_left"], &shown["cover"]), (&json!(4), &json!(photos[1])));
    old.enter_album("album", "111111").fails(401, "wrong_credentials");
    old.enter_album("album", &old.fact("/album/annotate_pin")).fails(401, "wrong_credentials");
    let entered = old.enter_album("album", &old.fact("/album/view_pin")).is(204);
    let client = old.service.client().with_cookie(&entered.cookie());
    let named = json!({ "pin": old.fact("/album/annotate_pin"), "name": "ASHA" });
    let named = send_with_work(&client, ("PUT", "/album/annotator"), &named, 20).is(204);
    let client = client.with_cookie(&named.cookie());
    let picked = client.get("/album/photos?picked=true").is(200).items();
    assert_eq!(set(field(&picked, "id")), set(photos[..2].to_vec()));
    assert!(picked.iter().any(|it| it["id"] == photos[0].as_str() && it["important"] == true));
    let listed = client.get("/album/photos").is(200).items();
    assert!(!field(&listed, "id").contains(&photos[3]), "photo 3 is in a hidden folder");
    let comments = client.get(&format!("/album/photos/{}/comments", photos[0])).is(200).items();
    assert_eq!(field(&comments, "text"), ["Brighter, please", "Thank you"]);
    assert_eq!((&comments[0]["x"], &comments[0]["y"]), (&json!(0.25), &json!(0.5)));
    assert_eq!(comments[0].get("resolved_unix_s"), None);
    assert!(comments[1]["resolved_unix_s"].is_i64());
    let path = format!("/album/photos/{}/comments", photos[1]);
    client.post(&path, &json!({ "text": "New" })).is(201);
    let marked = client.get(&format!("/album/photos/{}/download", photos[1])).is(200);
    assert!(marked.body.starts_with(&[0xff, 0xd8]), "with the watermark");
    assert_eq!(client.get("/album").is(200).document()["downloads_left"], 3);
    // An album of one folder opens without a PIN, and the studio sees picks, comments and links.
    let entered = old.enter_album("open_album", "").is(204);
    let anyone = old.service.client().with_cookie(&entered.cookie());
    assert_eq!(field(&anyone.get("/album/photos").is(200).items(), "id"), [photos[1].clone()]);
    let album = old.event.path(&format!("/albums/{}", old.fact("/album/id")));
    let seen = |what: &str| old.owner.client.get(&format!("{album}/{what}")).is(200).items();
    assert_eq!((seen("picks").len(), seen("comments").len(), seen("links").len()), (2, 3, 1));
    old.owner.client.patch(&album, &json!({ "view_pin": "123456" })).is(200);
    old.enter_album("album", "123456").is(204);
}

fn guests_keep_their_access_and_claims(old: Old) {
    let photos = old.photos();
    let guest = old.session("/verified_guest/session");
    let status = guest.get("/guest").is(200).document();
    assert_eq!((&status["name"], &status["verified"]), (&json!("Verified"), &json!(true)));
    assert_eq!((&status["notifications"], &status["group"]), (&json!("pending"), &json!(true)));
    // The guest sees their photos, except the one that they rejected as not showing them.
    let seen = || field(&guest.get("/guest/photos").is(200).items(), "id");
    assert_eq!(seen(), [photos[0].clone()]);
    guest.get(&format!("/guest/photos/{}/web", photos[0])).is(200);
    let claim = format!("/guest/faces/{}", old.fact("/faces/A1"));
    guest.put(&claim, &json!({ "claim": "clear" })).is(204);
    assert_eq!(set(seen()), set(photos[..2].to_vec()));
    let token = json!({ "token": old.fact("/verified_guest/confirm_token") });
    old.service.client().post("/guest/notifications/confirm", &token).is(204);
    assert_eq!(guest.get("/guest").is(200).document()["notifications"], "on");
    let registered = old.session("/registered_guest/session");
    assert_eq!(registered.get("/guest").is(200).document()["verified"], false);
    registered.get("/guest/photos").fails(403, "forbidden");
    // The studio sees unsealed names and contacts.
    let list = |what: &str| old.owner.client.get(&old.event.path(what)).is(200).items();
    let names = set(field(&list("/guests"), "name"));
    assert_eq!(names, set(["Registered", "Second", "Verified"].map(str::to_owned)));
    assert!(field(&list("/guests"), "contact").contains(&old.fact("/verified_guest/contact")));
    let consents = list("/guest-consents");
    let withdrawn = consents.iter().filter(|consent| consent["withdrawn_unix_s"].is_i64());
    assert_eq!((consents.len(), withdrawn.count()), (4, 1));
    // The studio grants a pending request, and the old link registers new guests.
    let requests = list("/guest-requests");
    assert_eq!(field(&requests, "message"), ["By the window"]);
    let path = old.event.path(&format!("/guest-requests/{}", text(&requests[0]["id"])));
    old.owner.client.post(&path, &json!({ "face": old.fact("/faces/D0") })).is(204);
    let contact = text(&requests[0]["contact"]);
    let ticket = json!({ "token": token_in(&letter(&old.service, &contact), "ppt_") });
    let entered = old.service.client().post("/guest/session", &ticket).is(204);
    let admitted = old.service.client().with_cookie(&entered.cookie());
    let seen = field(&admitted.get("/guest/photos").is(200).items(), "id");
    assert!(seen.contains(&photos[2]), "{seen:?}");
    let new = registration(&old.fact("/guest_link"), "New", "new-guest@mail.example");
    assert_eq!(new["consent"], CONSENT);
    old.service.client().post("/guest/registrations", &new).is(204);
    let erased = guest.delete("/guest").is(200).field("receipt");
    assert_eq!(verify_receipt(&old.service, &erased), (0, json!(true)));
}

fn verify_audit(service: &Service) -> (i32, Value) {
    let outcome = service.run(&["--json", "audit", "verify"]);
    (outcome.status, outcome.document())
}

fn verify_receipt(service: &Service, receipt: &str) -> (i32, Value) {
    let file = service.sandbox.path("receipt.json");
    std::fs::write(&file, receipt).unwrap();
    let outcome = service.run(&["--json", "receipt", "verify", file.to_str().unwrap()]);
    (outcome.status, outcome.document()["valid"].clone())
}

fn the_audit_and_the_receipts_are_continued(mut old: Old) {
    let studio = old.studio();
    let (status, verdict) = verify_audit(&old.service);
    assert_eq!((status, &verdict["broken_at"]), (0, &Value::Null), "{verdict}");
    let entries = |old: &Old| {
        let path = format!("/studios/{studio}/audit?limit=500");
        old.owner.client.get(&path).is(200).items()
    };
    let before = entries(&old).len() as u64;
    assert!(before > old.facts["seen"]["audit_entries"].as_u64().unwrap());
    let receipts =
        |old: &Old| old.owner.client.get(&format!("/studios/{studio}/receipts")).is(200).items();
    let earlier = receipts(&old);
    assert!(field(&earlier, "event").contains(&old.fact("/deleted_event")));
    for receipt in field(&earlier, "receipt") {
        assert_eq!(verify_receipt(&old.service, &receipt), (0, json!(true)));
    }
    // Mails that the old version could not send are sent: an invitation and a password reset.
    letter(&old.service, "second-invited@");
    let member = old.fact("/member/email");
    let reset = token_in(&letter(&old.service, &member), "ppr_");
    let body = json!({ "token": reset, "password": "battery staple again" });
    old.service.client().put("/password-resets", &body).is(204);
    wait_until("no mail is pending", || old.service.number("SELECT COUNT(*) FROM mails") == 0);
    // After its deletion, no data of the event is left.
    let event = old.event.event.clone();
    let receipt = old.owner.client.delete(&old.event.path("")).is(200).field("receipt");
    assert_eq!(verify_receipt(&old.service, &receipt), (0, json!(true)));
    assert!(receipt.contains("\"faces\":8"), "{receipt}");
    old.owner.client.get(&old.event.path("")).fails(404, "not_found");
    assert_eq!(receipts(&old).len(), earlier.len() + 1);
    let left = old.service.run(&["--json", "collections", "list"]).document();
    assert!(!left.to_string().contains(&event), "{left}");
    assert!(!old.service.sandbox.data().join("photos").join(&event).exists());
    assert_eq!(old.service.stop(), Some(0));
    old.service.restart();
    let (status, verdict) = verify_audit(&old.service);
    assert_eq!((status, &verdict["broken_at"]), (0, &Value::Null), "{verdict}");
    assert_eq!(verdict["entries"], old.service.number("SELECT COUNT(*) FROM audit"));
    assert!(
        entries(&old).len() as u64 >= before + 2,
        "the new entries are chained to the old ones"
    );
    // The first entry with an authentication code covers the entries from before the log had a key.
    let plain = old.service.number("SELECT COUNT(*) FROM audit WHERE mac = ''");
    assert!(plain > 2, "{plain} entries are from before the key");
    assert_eq!(old.service.stop(), Some(0));
    let forged = recomputed(&old.service, 2, "actor", "user:forged");
    old.service.run_script(&forged);
    let (status, verdict) = verify_audit(&old.service);
    assert_eq!((status, &verdict["broken_at"]), (1, &json!(plain + 1)), "{verdict}");
}
