//! Changes of an event: the right to each field, the notice to guests, and the consents that a change
//! does not cover.

use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::new_email;
use picpick_tests::album::Album;
use picpick_tests::guest::{CONSENT, let_in, letter, letters, new_link, wait_until, welcome};
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    each_field_needs_its_own_right,
    an_event_ends_earlier_with_notice_only,
    terms_are_closed_lists_and_the_basis_has_no_default,
    changes_are_audited_with_both_values,
    a_later_end_needs_a_new_consent,
    a_new_purpose_needs_a_new_consent,
    replaced_texts_move_to_the_audit,
);

const DAY_S: i64 = 86_400;
const ROLES: [&str; 6] = ["owner", "admin", "photographer", "editor", "accountant", "viewer"];

fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Returns the details of the studio's audit entries with `action`.
fn details(owner: &Person, action: &str) -> Vec<String> {
    let path = format!("/studios/{}/audit?limit=500", owner.studio());
    let entries = owner.client.get(&path).is(200).items();
    let ours = entries.iter().filter(|entry| entry["action"] == action);
    ours.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect()
}

fn each_field_needs_its_own_right(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let path = format!("/events/{event}");
    let usual = now_s() + 100 * DAY_S;
    let reset = format!(
        "UPDATE events SET name = 'Wedding', purpose = 'event_gallery', legal_basis = 'consent', \
         ends_unix_s = {usual}, downloads = 'off', watermark = NULL, analysis = 'at_upload' WHERE id = '{event}'"
    );
    let running: &[&str] = &["owner", "admin"];
    let managing: &[&str] = &["owner", "admin", "editor"];
    let table: [(Value, &[&str]); 10] = [
        (json!({ "name": "Other" }), managing),
        (json!({ "downloads": "web" }), managing),
        (json!({ "watermark": "W" }), managing),
        // An unchanged value is no change.
        (json!({ "name": "Other", "ends_unix_s": usual, "purpose": "event_gallery" }), managing),
        (json!({ "ends_unix_s": usual + DAY_S }), running),
        (json!({ "ends_unix_s": usual - DAY_S }), running),
        (json!({ "name": "Other", "purpose": "press" }), running),
        (json!({ "legal_basis": "contract" }), running),
        (json!({ "analysis": "at_first_search" }), running),
        (json!({ "name": "Other", "analysis": "at_upload" }), managing),
    ];
    for role in ROLES {
        let person = service.member(&owner, &studio, role, Some(&event)).client;
        let key = owner.new_key(&studio, role, Some(&event)).is(201).field("key");
        for client in [person, service.client().with_key(&key)] {
            for (change, allowed) in &table {
                assert_eq!(service.change_rows(&reset), 1);
                let before = owner.client.get(&path).is(200).document();
                let answer = client.patch(&path, change);
                let after = owner.client.get(&path).is(200).document();
                if !allowed.contains(&role) {
                    answer.fails(403, "forbidden");
                    assert_eq!(before, after, "{role} {change}");
                    continue;
                }
                assert_eq!(answer.is(200).document(), after);
                for (field, value) in change.as_object().unwrap() {
                    assert_eq!(&after[field], value, "{role} {change}");
                }
            }
        }
    }
}

fn an_event_ends_earlier_with_notice_only(service: Service) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let path = format!("/events/{event}");
    let ends = |unix_s: i64| owner.client.patch(&path, &json!({ "ends_unix_s": unix_s }));
    for soon in [now_s() + 2, now_s() + 7 * DAY_S - 60, now_s() - 1, 0] {
        ends(soon).fails(422, "invalid");
    }
    ends(now_s() + 8 * DAY_S).is(200);
    ends(now_s() + 1099 * DAY_S).fails(422, "invalid");
    owner.client.delete(&path).is(200);
}

fn terms_are_closed_lists_and_the_basis_has_no_default(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let events = format!("/studios/{studio}/events");
    owner.client.post(&events, &json!({ "name": "E" })).fails(422, "invalid");
    let editor = service.member(&owner, &studio, "editor", None);
    let path = format!("/studios/{studio}");
    editor.client.patch(&path, &json!({ "legal_basis": "consent" })).fails(403, "forbidden");
    owner.client.patch(&path, &json!({ "legal_basis": "whatever" })).fails(422, "invalid");
    assert_eq!(owner.client.get(&path).is(200).document().get("legal_basis"), None);
    // Set once, the studio's legal basis applies to requests without one, as of earlier clients.
    let set = owner.client.patch(&path, &json!({ "legal_basis": "contract" })).is(200);
    assert_eq!(
        (set.field("legal_basis"), set.field("name")),
        ("contract".into(), "First Light".into())
    );
    let made = owner.client.post(&events, &json!({ "name": "E" })).is(201);
    assert_eq!(made.field("legal_basis"), "contract");
    assert_eq!(made.field("purpose"), "event_gallery");
    let own = json!({ "name": "E", "purpose": "press", "legal_basis": "legitimate_interest" });
    let made = owner.client.post(&events, &own).is(201);
    assert_eq!(made.field("legal_basis"), "legitimate_interest");
    let event = format!("/events/{}", made.field("id"));
    for wrong in [json!({ "purpose": "train models" }), json!({ "legal_basis": "whatever" })] {
        owner.client.patch(&event, &wrong).fails(422, "invalid");
        let mut new = json!({ "name": "E", "legal_basis": "consent" });
        new.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        owner.client.post(&events, &new).fails(422, "invalid");
    }
    // Without a mail server no code arrives, so guests of a new event prove themselves by the face alone.
    assert_eq!(made.field("guest_proof"), "selfie");
    assert_eq!(details(&owner, "studio_change"), ["legal_basis: none to contract"]);
}

fn changes_are_audited_with_both_values(service: Service) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let path = format!("/events/{event}");
    let ends = owner.client.get(&path).is(200).document()["ends_unix_s"].as_i64().unwrap();
    let change = json!({ "ends_unix_s": ends + 5, "purpose": "personal", "legal_basis": "contract",
        "downloads": "web", "name": "Anna and Ben", "guest_proof": "guest_list",
        "analysis": "at_first_search" });
    owner.client.patch(&path, &change).is(200);
    let expected = format!(
        "ends_unix_s: {ends} to {}; purpose: event_gallery to personal; legal_basis: consent to contract; \
         downloads: off to web; guest_proof: selfie to guest_list; \
         analysis: at_upload to at_first_search; name",
        ends + 5
    );
    assert_eq!(details(&owner, "event_change"), [expected]);
    // A past end closes an album; a hidden folder and a threshold change what is seen.
    let albums = format!("{path}/albums");
    let album = owner.client.post(&albums, &json!({ "name": "A" })).is(201).field("id");
    let closed = json!({ "ends_unix_s": 1, "view_pin": "246813" });
    owner.client.patch(&format!("{albums}/{album}"), &closed).is(200);
    assert_eq!(
        details(&owner, "album_change"),
        [format!("ends_unix_s: {} to 1; view_pin", ends + 5)]
    );
    let folders = format!("{path}/folders");
    let folder = owner.client.post(&folders, &json!({ "name": "F" })).is(201).field("id");
    let hidden = json!({ "hidden": true, "downloads": "off" });
    owner.client.patch(&format!("{folders}/{folder}"), &hidden).is(200);
    assert_eq!(details(&owner, "folder_change"), ["hidden: false to true; downloads: none to off"]);
    owner.client.put(&format!("{path}/matching"), &json!({ "threshold_offset": 0.1 })).is(204);
    assert_eq!(details(&owner, "matching_change"), ["threshold_offset: 0.00 to 0.10"]);
}

/// An event with one photo, and the id of its face.
fn with_face(service: &Service) -> (Person, Album, String) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    album.upload("obama.jpg", &picture);
    album.wait_until_indexed();
    let found = album.search(&picture, "").is(200).document();
    let face = found["matches"][0]["face"].as_str().unwrap().to_owned();
    (owner, album, face)
}

fn a_later_end_needs_a_new_consent(mut service: Service) {
    let (owner, album, face) = with_face(&service);
    let path = album.path("");
    let ends = owner.client.get(&path).is(200).document()["ends_unix_s"].as_i64().unwrap();
    let kept = |client: &picpick_tests::Client| {
        let about = client.get("/guest").is(200).document();
        (about["kept_until_unix_s"].as_i64().unwrap(), about["ends_unix_s"].as_i64().unwrap())
    };
    let quiet = let_in(&service, &owner, &album.event, &face);
    let (link, email, head) = (new_link(&owner, &album.event), new_email(), head_of("obama3.jpg"));
    let guest = welcome(&service, &link, "Guest", &email, &head);
    assert_eq!(kept(&guest), (ends, ends));
    let on = format!(
        "UPDATE guests SET notify = 2 \
         WHERE id IN (SELECT guest_id FROM guest_consents WHERE version = '{CONSENT}')"
    );
    assert_eq!(service.change_rows(&on), 1);
    let later = ends + 30 * DAY_S;
    owner.client.patch(&path, &json!({ "ends_unix_s": later })).is(200);
    let mail = letter(&service, "An event with your photos was changed");
    assert!(mail.contains(&email), "only the guest with confirmed e-mails is notified: {mail}");
    assert_eq!((kept(&guest), kept(&quiet)), ((ends, later), (ends, later)));
    // Each announced change is an e-mail to every guest, so their number is limited.
    for more in [1, 2] {
        owner.client.patch(&path, &json!({ "ends_unix_s": later + more })).is(200);
    }
    let fourth = json!({ "ends_unix_s": later + 3 });
    owner.client.patch(&path, &fourth).fails(429, "too_many_requests");
    owner.client.patch(&path, &json!({ "name": "Renamed" })).is(200);
    assert_eq!(owner.client.get(&path).is(200).document()["ends_unix_s"], later + 2);
    // The guest agrees to the new text by the event's link, and stays the same guest.
    let again = welcome(&service, &link, "Guest", &email, &head);
    assert_eq!(kept(&again), (later + 2, later + 2));
    assert_eq!(owner.client.get(&album.path("/guests")).is(200).items().len(), 2);
    let consents = owner.client.get(&album.path("/guest-consents")).is(200).items();
    let until = |consent: &Value| consent["valid_until_unix_s"].as_i64().unwrap();
    assert_eq!(consents.iter().filter(|consent| until(consent) == ends).count(), 2);
    // At the end that the other guest agreed to, the guest loses access and is erased.
    let past = format!(
        "UPDATE guest_consents SET valid_until_unix_s = 1 WHERE valid_until_unix_s = {ends}"
    );
    assert_eq!(service.change_rows(&past), 2);
    quiet.get("/guest").fails(401, "unauthenticated");
    again.get("/guest").is(200);
    service.stop();
    service.restart();
    wait_until("the guest without a new consent is erased", || {
        service.number("SELECT COUNT(*) FROM guests") == 1
    });
    assert_eq!(service.number("SELECT COUNT(*) FROM receipts WHERE receipt LIKE '%person%'"), 1);
    again.get("/guest").is(200);
}

fn a_new_purpose_needs_a_new_consent(service: Service) {
    let (owner, album, face) = with_face(&service);
    let path = album.path("");
    let guest = let_in(&service, &owner, &album.event, &face);
    let kept = || guest.get("/guest").is(200).document()["kept_until_unix_s"].as_i64().unwrap();
    let usual = kept();
    let link = new_link(&owner, &album.event);
    let shown = service.client().post("/guest/invitation", &json!({ "token": link })).is(200);
    let shown = shown.document();
    assert_eq!(shown["consent"]["purpose"], "event_gallery");
    let purpose = |purpose: &str| {
        owner.client.patch(&path, &json!({ "purpose": purpose })).is(200);
    };
    purpose("press");
    let left = kept() - now_s();
    assert!((6 * DAY_S..=7 * DAY_S).contains(&left), "{left}");
    assert!(letters(&service, "An event with your photos").is_empty(), "no confirmed e-mail");
    // A guest who has read the text with the old purpose must read the new one.
    let mut body = picpick_tests::guest::registration(&link, "G", &new_email());
    body["consent_purpose"] = shown["consent"]["purpose"].clone();
    service.client().post("/guest/registrations", &body).fails(409, "conflict");
    body["consent_purpose"] = json!("press");
    service.client().post("/guest/registrations", &body).is(204);
    purpose("event_gallery");
    assert_eq!(kept(), usual, "the consent covers the old purpose");
    purpose("press");
    service.change_rows("UPDATE events SET purpose_changed_unix_s = 1");
    guest.get("/guest").fails(401, "unauthenticated");
}

fn replaced_texts_move_to_the_audit(mut service: Service) {
    let owner = service.owner();
    owner.new_event(&owner.studio(), "Wedding");
    service.stop();
    // As migration 15 leaves an event with a free text.
    service.change_rows("UPDATE events SET previous_terms = 'train models (whatever)'");
    service.restart();
    let expected = ["terms: train models (whatever) to event_gallery (consent)"];
    wait_until("the text is recorded", || details(&owner, "event_change") == expected);
    service.stop();
    service.restart();
    owner.client.get("/me").is(200);
    assert_eq!(service.number("SELECT COUNT(*) FROM events WHERE previous_terms IS NOT NULL"), 0);
    assert_eq!(details(&owner, "event_change"), expected);
}
