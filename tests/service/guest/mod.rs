//! Guests over HTTP: registration, challenge, photos, e-mails, erasure. Each scenario runs on SQLite and on
//! PostgreSQL, with real photos and synthetic heads made from them.
//!
//! `PICPICK_TEST_FORGED` sets the number of forged tokens, links and ids (default: 300).

pub mod erasure;
mod light;
pub mod limits;
mod own_data;
mod proof;
mod replays;

use erasure::{
    an_event_that_cannot_be_opened_blocks_no_other, an_export_ends_with_its_session,
    orphaned_templates_are_erased, streams_end_with_their_session,
};
use light::{the_light_of_the_screen_is_recorded_and_decides_nothing, turns_and_tints_are_drawn};
use limits::{abandoned_challenges_are_limited, mails_and_requests_are_limited};
use proof::{
    a_face_alone_opens_no_photos, a_stricter_proof_applies_to_open_sessions,
    a_withdrawn_guest_gives_no_quota_back, many_faces_wait, strangers_do_not_take_a_contact_away,
    the_guest_list_is_not_disclosed, unproved_faces_leave_the_owner_room,
    wrong_and_used_codes_prove_nothing,
};
use replays::{frames_of_abandoned_challenges_are_remembered, stored_frames_pass_once};
use std::collections::BTreeSet;

use picpick_tests::accounts::new_email;
use picpick_tests::album::Album;
use picpick_tests::guest::{
    CONSENT, Shown, angles, camera_frame, letter, new_link, posed_frame, register, registration,
    request, send_frame, show, show_head, show_until_refused, sway, token_in, wait_until, welcome,
};
use picpick_tests::openapi::unknown_id;
use picpick_tests::pictures::Drawing;
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Answer, Client, Person, Rng, Service, on_both_databases, sample, times};
use serde_json::{Value, json};

on_both_databases!(
    a_guest_sees_only_their_own_photos,
    registration_requires_consent_and_a_link,
    presentation_attacks_are_rejected,
    a_contact_has_at_most_two_faces,
    a_number_has_at_most_two_faces,
    a_face_alone_opens_no_photos,
    wrong_and_used_codes_prove_nothing,
    the_guest_list_is_not_disclosed,
    strangers_do_not_take_a_contact_away,
    unproved_faces_leave_the_owner_room,
    a_stricter_proof_applies_to_open_sessions,
    many_faces_wait,
    a_withdrawn_guest_gives_no_quota_back,
    stored_frames_pass_once,
    frames_of_abandoned_challenges_are_remembered,
    the_light_of_the_screen_is_recorded_and_decides_nothing,
    turns_and_tints_are_drawn,
    new_photos_are_announced_on_the_page_and_by_mail,
    erasing_a_guest_leaves_no_data,
    the_studio_admits_guests_without_a_camera,
    a_group_finds_photos_of_all_its_members,
    forged_tokens_are_rejected,
    mails_and_requests_are_limited,
    abandoned_challenges_are_limited,
    streams_end_with_their_session,
    an_export_ends_with_its_session,
    an_event_that_cannot_be_opened_blocks_no_other,
    orphaned_templates_are_erased,
);

/// Two portraits of the man whose head is made from `obama3.jpg`, one of another man, and a party.
const PHOTOS: [&str; 4] = ["obama.jpg", "obama2.jpg", "biden.jpg", "sample4.jpg"];

/// An event with photos and a link for guests.
pub struct Scene {
    pub owner: Person,
    pub album: Album,
    pub token: String,
    /// The photos' ids, in the order of their names.
    pub ids: Vec<String>,
}

impl Scene {
    pub fn of(service: &Service, photos: &[&str]) -> Self {
        let owner = service.owner();
        let event = owner.new_event(&owner.studio(), "Wedding");
        let token = new_link(&owner, &event);
        let album = Album { client: owner.client.clone(), event };
        let ids = photos.iter().map(|name| add(&album, name)).collect();
        album.wait_until_indexed();
        Self { owner, album, token, ids }
    }

    fn allow(&self, downloads: &str) {
        let change = json!({ "downloads": downloads });
        self.owner.client.patch(&self.album.path(""), &change).is(200);
    }
}

fn add(album: &Album, name: &str) -> String {
    album.upload(name, &std::fs::read(sample(name)).unwrap())
}

fn photos(guest: &Client) -> BTreeSet<String> {
    let items = guest.get("/guest/photos").is(200).items();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

/// Returns the parts that could distinguish two responses: status, body, and headers except request id and
/// date.
fn comparable(answer: &Answer) -> (u16, Vec<u8>, Vec<String>) {
    let own = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Vec<String> = headers.map(|pair| format!("{pair:?}")).collect();
    headers.sort();
    (answer.status, answer.body.clone(), headers)
}

fn a_guest_sees_only_their_own_photos(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let mut guest = register(&service, &scene.token, "Guest", &new_email());
    let before = guest.get("/guest").is(200).document();
    assert_eq!((&before["event"], &before["verified"]), (&json!("Wedding"), &json!(false)));
    for path in ["/guest/photos", "/guest/faces", "/guest/photos.zip", "/guest/updates"] {
        guest.get(path).fails(403, "forbidden");
    }
    let unverified = guest.clone();
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::Passed);
    unverified.get("/guest").fails(401, "unauthenticated");
    let own = set(&scene.ids[..2]);
    assert_eq!(photos(&guest), own);
    assert_eq!(guest.get("/guest").is(200).document()["photos"], 2);
    let of = |photo: &str, kind: &str| guest.get(&format!("/guest/photos/{photo}/{kind}"));
    for photo in &own {
        for kind in ["thumb", "web"] {
            assert!(of(photo, kind).is(200).body.starts_with(&[0xff, 0xd8]), "a JPEG");
        }
        of(photo, "download").fails(403, "forbidden");
    }
    for kind in ["thumb", "web", "download"] {
        let foreign = of(&scene.ids[2], kind).is(404);
        assert_eq!(comparable(&foreign), comparable(&of(&unknown_id(), kind)), "{kind}");
    }
    guest.get("/guest/photos.zip").fails(403, "forbidden");
    scene.allow("original");
    let original = of(&scene.ids[0], "download").is(200);
    assert_eq!(original.body, std::fs::read(sample("obama.jpg")).unwrap());
    of(&scene.ids[2], "download").is(404);
    let zip = guest.get("/guest/photos.zip").is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names: BTreeSet<String> =
        (0..zip.len()).map(|n| zip.by_index(n).unwrap().name().unwrap().into_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["photos/obama.jpg", "photos/obama2.jpg"]);
    own_data::exports_are_complete(&scene, &guest);
    own_data::hidden_and_rejected_photos_are_missing(&scene, &guest);
    // A guest's session gives no access to the studio's routes, and a member's session none to a guest's.
    guest.get("/me").fails(401, "unauthenticated");
    guest.get(&scene.album.path("/photos")).fails(401, "unauthenticated");
    scene.owner.client.get("/guest/photos").fails(401, "unauthenticated");
}

fn registration_requires_consent_and_a_link(service: Service) {
    let scene = Scene::of(&service, &[]);
    let client = service.client();
    let invited = client.post("/guest/invitation", &json!({ "token": scene.token })).is(200);
    let invited = invited.document();
    assert_eq!(
        (&invited["event"], &invited["consent"]["version"]),
        (&json!("Wedding"), &json!(CONSENT))
    );
    assert!(invited["consent"]["text"].as_array().unwrap().len() >= 3);
    assert_eq!(invited["consent_without_camera"]["version"], "3-ask");
    let ends = &invited["consent"]["ends_unix_s"];
    let email = new_email();
    let with = |field: &str, value: Value| {
        let mut body = registration(&scene.token, "Guest", &email);
        body[field] = value;
        client.post("/guest/registrations", &body)
    };
    with("consent", json!("0")).fails(409, "conflict");
    with("consent", json!("3-ask")).fails(409, "conflict");
    // The consent text names the event's last day, so another day needs a new consent.
    with("consent_ends_unix_s", json!(ends.as_i64().unwrap() + 1)).fails(409, "conflict");
    with("adult", json!(false)).fails(422, "invalid");
    with("name", json!(" ")).fails(422, "invalid");
    with("contact", json!("not-an-address")).fails(422, "invalid");
    with("token", json!("ppq_wrong")).fails(410, "gone");
    assert_eq!(
        service.number("SELECT COUNT(*) FROM guests"),
        0,
        "nothing is stored without consent"
    );
    with("contact", json!("+91 98765 43210")).is(204);
    let list = |rest: &str| scene.owner.client.get(&scene.album.path(rest)).is(200).items();
    let guests = list("/guests");
    assert_eq!(
        (&guests[0]["name"], &guests[0]["contact"]),
        (&json!("Guest"), &json!("+919876543210"))
    );
    let consent = &list("/guest-consents")[0];
    assert_eq!((&consent["guest"], &consent["version"]), (&guests[0]["id"], &json!(CONSENT)));
    // The consent record keeps the last day that the guest read, although the studio changes that day.
    let later = json!({ "ends_unix_s": ends.as_i64().unwrap() + 86_400 });
    scene.owner.client.patch(&scene.album.path(""), &later).is(200);
    assert_eq!(&list("/guest-consents")[0]["event_ends_unix_s"], ends);
    // Names and contacts are sealed in the database.
    assert_eq!(
        service.number(
            "SELECT COUNT(*) FROM guests WHERE name LIKE '%Guest%' OR contact LIKE '%98765%'"
        ),
        0
    );
    let link = list("/guest-links")[0]["id"].as_str().unwrap().to_owned();
    scene.owner.client.delete(&scene.album.path(&format!("/guest-links/{link}"))).is(204);
    with("name", json!("Late")).fails(410, "gone");
    client.post("/guest/invitation", &json!({ "token": scene.token })).fails(410, "gone");
    scene
        .owner
        .client
        .delete(&scene.album.path(&format!("/guest-links/{link}")))
        .fails(404, "not_found");
}

fn presentation_attacks_are_rejected(service: Service) {
    let scene = Scene::of(&service, &["obama2.jpg"]);
    let (head, other) = (head_of("obama3.jpg"), head_of("biden.jpg"));
    let mut guest = register(&service, &scene.token, "Guest", &new_email());
    let replayed = show(&mut guest, |_, _, _| head.turned(0.0, 0.0, [0.0, 0.0]));
    assert_eq!(replayed, Shown::Failed("replay".into()));
    let taken_over = show(&mut guest, |guidance, waited, nth| match guidance {
        "look_straight" if nth == 0 => camera_frame(&head, guidance, waited),
        _ => camera_frame(&other, guidance, waited),
    });
    assert_eq!(taken_over, Shown::Failed("another_person".into()));
    let wrong_way = head_of("biden.jpg");
    let wrong = show(&mut guest, |guidance, waited, _| {
        let other = match guidance {
            "turn_left" => "turn_right",
            "look_straight" => guidance,
            "turn_right" => "turn_left",
            _ => "turn_right",
        };
        // The head turns by the largest angle in each frame.
        posed_frame(&wrong_way, angles(other, if other == guidance { waited } else { 3 }))
    });
    assert_eq!(wrong, Shown::Failed("wrong_turn".into()));
    let waved = show(&mut guest, |guidance, waited, nth| {
        let side = if angles(guidance, waited)[0] < 0.0 { -1.0 } else { 1.0 };
        let tilt = if guidance == "look_straight" { 0.0 } else { side * 54.0 };
        head.flat(tilt + nth as f32 / 3.0, 0.0, sway(nth))
    });
    let Shown::Failed(reason) = waved else { panic!("a tilted picture passed") };
    // The reason depends on the tilt. `tests/engine/liveness.rs` covers the reason `flat` with smaller tilts.
    assert!(
        ["flat", "wrong_turn", "attack", "another_person"].contains(&reason.as_str()),
        "{reason}"
    );
    let challenge = guest.json("POST", "/guest/challenges", None).is(201).field("id");
    // A challenge belongs to one session and is single-use.
    let another = register(&service, &scene.token, "Other", &new_email());
    let frame = || head.frame.to_jpeg(u32::MAX, 90).unwrap();
    send_frame(&another, &challenge, frame()).fails(404, "not_found");
    send_frame(&guest, &unknown_id(), frame()).fails(404, "not_found");
    send_frame(&guest, &challenge, b"no picture".to_vec()).fails(422, "not_a_photo");
    // A small file with as many pixels as a photo would take many times longer to analyse than a frame.
    let huge = picpick_tests::synthetic_head::drawn((2600, 1600), |_, _| [90.0; 3]);
    let huge = huge.to_jpeg(u32::MAX, 50).unwrap();
    assert!(huge.len() < 1 << 20);
    send_frame(&guest, &challenge, huge).fails(422, "not_a_photo");
    assert_eq!(send_frame(&guest, &challenge, frame()).is(200).document()["state"], "wait");
    assert_eq!(send_frame(&guest, &challenge, frame()).is(200).document()["reason"], "replay");
    send_frame(&guest, &challenge, frame()).fails(404, "not_found");
    // Five failures in a row delay the next challenge.
    let locked = guest.json("POST", "/guest/challenges", None).fails(429, "too_many_requests");
    assert!(locked.headers.contains_key("retry-after"));
    guest.get("/guest/photos").fails(403, "forbidden");
}

fn a_contact_has_at_most_two_faces(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let email = new_email();
    let (first, second) = (head_of("obama3.jpg"), head_of("biden.jpg"));
    welcome(&service, &scene.token, "One", &email, &first);
    let two = welcome(&service, &scene.token, "Two", &email, &second);
    assert_eq!(photos(&two), set(&scene.ids[2..3]));
    // A guest who registers again with the same face is the same guest.
    let again = welcome(&service, &scene.token, "One again", &email, &first);
    assert_eq!(photos(&again), set(&scene.ids[..2]));
    let guests = scene.owner.client.get(&scene.album.path("/guests")).is(200).items();
    assert_eq!(guests.len(), 2, "{guests:?}");
    let consents = scene.owner.client.get(&scene.album.path("/guest-consents")).is(200).items();
    assert_eq!(consents.len(), 3);
    // Verifying another guest's face on a guest's device moves no consents.
    let mut theirs = two.clone();
    assert_eq!(show_head(&mut theirs, &first), Shown::Passed);
    assert_eq!(photos(&theirs), set(&scene.ids[..2]));
    let consents = scene.owner.client.get(&scene.album.path("/guest-consents")).is(200).items();
    for guest in scene.owner.client.get(&scene.album.path("/guests")).is(200).items() {
        assert!(consents.iter().any(|consent| consent["guest"] == guest["id"]), "{guest}");
    }
    // A third face must prove that the address is its guest's (`proof.rs`); a telephone number cannot be proved.
    let mut third = register(&service, &scene.token, "Three", &email);
    assert_eq!(show_head(&mut third, &head_of("sample5.jpg")), Shown::CodeNeeded);
    third.get("/guest/photos").fails(403, "forbidden");
}

fn a_number_has_at_most_two_faces(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    for name in ["obama3.jpg", "biden.jpg"] {
        welcome(&service, &scene.token, "One", "+4915112345678", &head_of(name));
    }
    let third = register(&service, &scene.token, "Three", "+49 151 12345678");
    let refused = show_until_refused(&third, &head_of("sample5.jpg"));
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
}

fn new_photos_are_announced_on_the_page_and_by_mail(service: Service) {
    let scene = Scene::of(&service, &["biden.jpg"]);
    let guest = welcome(&service, &scene.token, "Guest", &new_email(), &head_of("obama3.jpg"));
    assert!(photos(&guest).is_empty());
    let wish = |on: bool| guest.put("/guest/notifications", &json!({ "on": on })).is(200);
    assert_eq!(wish(true).document()["notifications"], "pending");
    let ticket = token_in(&letter(&service, "g/notify#"), "ppt_");
    let confirm =
        || service.client().post("/guest/notifications/confirm", &json!({ "token": ticket }));
    confirm().is(204);
    confirm().fails(410, "gone");
    assert_eq!(guest.get("/guest").is(200).document()["notifications"], "on");
    add(&scene.album, "obama2.jpg");
    let mail = letter(&service, "there is 1 new photo");
    assert!(mail.contains("/g") && !mail.contains("obama"), "{mail}");
    wait_until("the page shows the new photo", || {
        guest.get("/guest").is(200).document()["photos"] == 1
    });
    assert_eq!(wish(false).document()["notifications"], "off");
    // A guest with a telephone number cannot turn on e-mails.
    let other = welcome(&service, &scene.token, "Other", "+4915112345678", &head_of("biden.jpg"));
    assert_eq!(other.get("/guest").is(200).document()["can_notify"], false);
    other.put("/guest/notifications", &json!({ "on": true })).fails(409, "conflict");
}

fn erasing_a_guest_leaves_no_data(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let email = new_email();
    let head = head_of("obama3.jpg");
    let guest = welcome(&service, &scene.token, "Guest", &email, &head);
    let receipt = guest.delete("/guest").is(200).field("receipt");
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        (&receipt["receipt"]["subject"], &receipt["receipt"]["residue"]),
        (&json!("person"), &json!(0))
    );
    guest.get("/guest").fails(401, "unauthenticated");
    guest.get("/guest/photos").fails(401, "unauthenticated");
    for table in ["guests", "guest_sessions", "guest_email_tokens"] {
        assert_eq!(service.number(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
    }
    let list = |rest: &str| scene.owner.client.get(&scene.album.path(rest)).is(200).items();
    assert!(list("/guests").is_empty());
    assert!(list("/guest-consents")[0]["withdrawn_unix_s"].is_i64());
    // Once the faces are hidden as well, a search of the event does not find the guest any more.
    let again = welcome(&service, &scene.token, "Again", &email, &head);
    assert_eq!(photos(&again).len(), 2);
    let erased = again.delete("/guest?faces=true").is(200);
    assert_eq!(erased.document()["faces_hidden"], 2);
    let receipt: Value = serde_json::from_str(&erased.field("receipt")).unwrap();
    assert_eq!(
        (&receipt["receipt"]["faces"], &receipt["receipt"]["residue"]),
        (&json!(0), &json!(0))
    );
    assert!(scene.album.found(&std::fs::read(sample("obama3.jpg")).unwrap()).is_empty());
    // The studio erases a guest at the guest's request.
    let third = welcome(&service, &scene.token, "Third", &email, &head_of("biden.jpg"));
    let id = list("/guests")[0]["id"].as_str().unwrap().to_owned();
    scene.owner.client.delete(&scene.album.path(&format!("/guests/{id}"))).is(200);
    third.get("/guest").fails(401, "unauthenticated");
    scene.owner.client.delete(&scene.album.path(&format!("/guests/{id}"))).fails(404, "not_found");
    let residue = service.run(&["--json", "scan"]);
    // The service has the collection open; its files are scanned nevertheless.
    assert_eq!(residue.document()["residue"], 0, "{residue:?}");
    // Deleting the event erases all its guests.
    let last = welcome(&service, &scene.token, "Last", &email, &head);
    scene.owner.client.delete(&scene.album.path("")).is(200);
    last.get("/guest").fails(401, "unauthenticated");
    assert_eq!(service.number("SELECT COUNT(*) FROM guests"), 0);
}

fn the_studio_admits_guests_without_a_camera(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let request = request(&scene.token, "Shy", &new_email(), "Red dress,\nsecond row");
    let outside = service.client();
    outside.post("/guest/requests", &request).is(204);
    let mut bad = request.clone();
    bad["contact"] = json!("+4915112345678");
    outside.post("/guest/requests", &bad).fails(422, "invalid");
    bad = request.clone();
    // Neither an unknown consent text nor the one for the camera applies to a request without a camera.
    for other in ["0", "1"] {
        bad["consent"] = json!(other);
        outside.post("/guest/requests", &bad).fails(409, "conflict");
    }
    let client = &scene.owner.client;
    let pending = client.get(&scene.album.path("/guest-requests")).is(200).items();
    assert_eq!((pending.len(), &pending[0]["message"]), (1, &json!("Red dress,\nsecond row")));
    let path = scene.album.path(&format!("/guest-requests/{}", pending[0]["id"].as_str().unwrap()));
    client.post(&path, &json!({ "face": unknown_id() })).fails(404, "not_found");
    let found =
        scene.album.search(&std::fs::read(sample("obama.jpg")).unwrap(), "").is(200).document();
    client.post(&path, &json!({ "face": found["matches"][0]["face"] })).is(204);
    client.post(&path, &json!({ "face": found["matches"][0]["face"] })).fails(404, "not_found");
    let ticket = token_in(&letter(&service, "g/enter#"), "ppt_");
    let enter = || outside.post("/guest/session", &json!({ "token": ticket }));
    let guest = outside.with_cookie(&enter().is(204).cookie());
    enter().fails(410, "gone");
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
    let consents = client.get(&scene.album.path("/guest-consents")).is(200).items();
    assert_eq!(consents[0]["version"], "3-ask");
    assert!(consents[0]["event_ends_unix_s"].as_i64().unwrap() > 0);
    outside.post("/guest/requests", &request).is(204);
    let pending = client.get(&scene.album.path("/guest-requests")).is(200).items();
    let path = scene.album.path(&format!("/guest-requests/{}", pending[0]["id"].as_str().unwrap()));
    client.delete(&path).is(204);
    client.delete(&path).fails(404, "not_found");
}

fn a_group_finds_photos_of_all_its_members(service: Service) {
    // One photo, composed from two others, shows both men.
    let scene = Scene::of(&service, &PHOTOS);
    let half = |name: &str| Drawing::open(&sample(name)).within(600);
    let both = half("obama2.jpg").beside(&half("biden.jpg"));
    let both = scene.album.upload("both.jpg", &both.jpeg());
    scene.album.wait_until_indexed();
    let one = welcome(&service, &scene.token, "One", &new_email(), &head_of("obama3.jpg"));
    let two = welcome(&service, &scene.token, "Two", &new_email(), &head_of("biden.jpg"));
    assert!(photos(&one).contains(&both) && photos(&two).contains(&both));
    let code = one.json("POST", "/guest/group", None).is(201).field("code");
    two.put("/guest/group", &json!({ "code": "WRONG" })).fails(401, "wrong_credentials");
    two.put("/guest/group", &json!({ "code": format!(" {} ", code.to_lowercase()) })).is(204);
    for guest in [&one, &two] {
        let together = guest.get("/guest/photos?together=true").is(200).items();
        assert_eq!(together.len(), 1, "{together:?}");
        assert_eq!(together[0]["id"], both.as_str());
        assert_eq!(guest.get("/guest").is(200).document()["group"], true);
    }
    two.delete("/guest/group").is(204);
    assert_eq!(one.get("/guest/photos?together=true").is(200).items().len(), 3);
    // An erased guest is removed from the group.
    two.put("/guest/group", &json!({ "code": code })).is(204);
    two.delete("/guest").is(200);
    assert_eq!(one.get("/guest/photos?together=true").is(200).items().len(), 3);
}

fn forged_tokens_are_rejected(service: Service) {
    let scene = Scene::of(&service, &["obama2.jpg", "biden.jpg"]);
    let head = head_of("obama3.jpg");
    let guest = welcome(&service, &scene.token, "Guest", &new_email(), &head);
    let own = photos(&guest).into_iter().next().unwrap();
    let stale = register(&service, &scene.token, "Gone", &new_email());
    stale.delete("/guest/session").is(204);
    // A malformed id gives the same response as an unknown one, on both databases.
    for no_id in ["%00", "x", "%00%00", "a%00b", "..%2f..", "'"] {
        for kind in ["thumb", "web", "download"] {
            guest.get(&format!("/guest/photos/{no_id}/{kind}")).fails(404, "not_found");
        }
        guest.get(&format!("/guest/faces/{no_id}")).fails(404, "not_found");
        let (client, path) = (&scene.owner.client, scene.album.path(&format!("/photos/{no_id}")));
        for kind in ["", "/thumb", "/web", "/original"] {
            client.get(&format!("{path}{kind}")).fails(404, "not_found");
        }
        client.patch(&path, &json!({ "name": "x.jpg" })).fails(404, "not_found");
        client.delete(&path).fails(404, "not_found");
    }
    let outside = service.client();
    let mut rng = Rng::new(1);
    let mut letters = |prefix: &str| -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let letter = |_| char::from(ALPHABET[rng.throw(64) as usize]);
        prefix.to_owned() + &(0..43).map(letter).collect::<String>()
    };
    for nth in 0..times("PICPICK_TEST_FORGED", 300) {
        let answer = match nth % 6 {
            0 => outside
                .with_cookie(&format!("picpick_guest={}", letters("ppg_")))
                .get("/guest/photos"),
            1 => outside.post("/guest/session", &json!({ "token": letters("ppt_") })),
            2 => outside.post("/guest/invitation", &json!({ "token": letters("ppq_") })),
            3 => stale.get(&format!("/guest/photos/{own}/web")),
            4 => guest.get(&format!("/guest/photos/{}/web", scene.ids[1])),
            _ => guest.get(&format!("/guest/photos/{}/thumb", unknown_id())),
        };
        // Frequent requests may also be rate-limited (429).
        assert!([401, 404, 410, 429].contains(&answer.status), "{answer:?}");
    }
    guest.get(&format!("/guest/photos/{own}/web")).is(200);
}
