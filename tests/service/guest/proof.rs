//! What one face may do: proof of the contact, the guest list, the quotas of different faces.

use picpick_tests::accounts::new_email;
use picpick_tests::guest::{
    Shown, finish, let_in, letters, mailed_code, register, registration, send_code, show_head,
    show_until_refused, welcome,
};
use picpick_tests::outbox::settled;
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Client, Service};
use serde_json::{Value, json};

use super::limits::face_of;
use super::{PHOTOS, Scene, photos, set};

fn scene_with(service: &Service, proof: &str) -> Scene {
    let scene = Scene::of(service, &PHOTOS);
    prove_by(&scene, proof);
    scene
}

fn prove_by(scene: &Scene, proof: &str) {
    let change = json!({ "guest_proof": proof });
    scene.owner.client.patch(&scene.album.path(""), &change).is(200);
}

/// Returns the status of a guest without the fields that the guest has entered.
fn status(guest: &Client) -> Value {
    let mut status = guest.get("/guest").is(200).document();
    status.as_object_mut().unwrap().remove("name");
    status
}

fn refused_everywhere(guest: &Client) {
    for path in
        ["/guest/photos", "/guest/faces", "/guest/photos.zip", "/guest/updates", "/guest/export"]
    {
        guest.get(path).fails(403, "forbidden");
    }
}

/// Finding S2: a program with one public photo of a person passes the challenge. Without a mailbox it sees no
/// photos and no count, and is told the same as with the face of a person who is in no photo.
pub fn a_face_alone_opens_no_photos(service: Service) {
    let scene = scene_with(&service, "contact_code");
    let outside = service.client();
    let number = registration(&scene.token, "Guest", "+4915112345678");
    outside.post("/guest/registrations", &number).fails(422, "invalid");
    let contacts = [new_email(), new_email()];
    let mut answers = Vec::new();
    let mut guests = Vec::new();
    // A man who is in two photos, and a stranger to the event.
    for (head, contact) in ["obama3.jpg", "sample5.jpg"].into_iter().zip(&contacts) {
        let mut guest = register(&service, &scene.token, "Guest", contact);
        assert_eq!(status(&guest)["contact_proof"], "needed");
        assert_eq!(show_head(&mut guest, &head_of(head)), Shown::CodeNeeded);
        refused_everywhere(&guest);
        guest.json("POST", "/guest/verification", None).fails(409, "conflict");
        answers.push(status(&guest));
        guests.push(guest);
    }
    assert_eq!(answers[0], answers[1]);
    let waiting = &answers[0];
    assert_eq!(
        (&waiting["verified"], &waiting["face_shown"], &waiting["photos"], &waiting["candidates"]),
        (&json!(false), &json!(true), &json!(0), &json!(0))
    );
    assert_eq!(service.number("SELECT COUNT(*) FROM guests WHERE verified_unix_s IS NOT NULL"), 0);
    // The owner of the mailbox gets in.
    let mut guest = guests.remove(0);
    let code = mailed_code(&service, &contacts[0]);
    send_code(&guest, &format!(" {} {} ", &code[..3], &code[3..])).is(204);
    finish(&mut guest);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
    guest.json("POST", "/guest/verification", None).fails(409, "conflict");
    // A guest in no photo is told what a guest is told whose photos have not come yet.
    let mut stranger = guests.remove(0);
    send_code(&stranger, &mailed_code(&service, &contacts[1])).is(204);
    finish(&mut stranger);
    assert!(photos(&stranger).is_empty());
    // A returning guest proves the contact again, and is the same guest.
    let mut again = register(&service, &scene.token, "Guest", &contacts[0]);
    send_code(&again, &mailed_code(&service, &contacts[0])).is(204);
    assert_eq!(show_head(&mut again, &head_of("obama3.jpg")), Shown::Passed);
    assert_eq!(photos(&again), set(&scene.ids[..2]));
    let listed = scene.owner.client.get(&scene.album.path("/guests")).is(200).items();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|guest| guest["contact_proved_unix_s"].is_i64()), "{listed:?}");
    // The erasure of a guest who has not entered the code leaves nothing to enter it for.
    let mut leaver = register(&service, &scene.token, "Guest", &new_email());
    assert_eq!(show_head(&mut leaver, &head_of("biden.jpg")), Shown::CodeNeeded);
    assert_eq!(leaver.delete("/guest").is(200).field("receipt"), "", "no template was stored");
    leaver.json("POST", "/guest/verification", None).fails(401, "unauthenticated");
}

pub fn wrong_and_used_codes_prove_nothing(service: Service) {
    let scene = scene_with(&service, "contact_code");
    let contacts = [new_email(), new_email()];
    let guests = contacts.each_ref().map(|it| register(&service, &scene.token, "Guest", it));
    let codes = contacts.each_ref().map(|it| mailed_code(&service, it));
    let other = if codes[0] == "000000" { "000001" } else { "000000" };
    for wrong in ["", "abc", other, codes[1].as_str()] {
        send_code(&guests[0], wrong).fails(401, "wrong_credentials");
    }
    // A newer code replaces the older one.
    guests[0].json("POST", "/guest/contact-code", None).is(204);
    settled(&service);
    let newer = mailed_code(&service, &contacts[0]);
    if newer != codes[0] {
        send_code(&guests[0], &codes[0]).fails(401, "wrong_credentials");
    }
    // The sixth attempt comes too soon, even with the right code.
    send_code(&guests[0], &newer).fails(429, "too_many_requests");
    send_code(&guests[1], &codes[1]).is(204);
    send_code(&guests[1], &codes[1]).fails(401, "wrong_credentials");
    // A code expires.
    let late = register(&service, &scene.token, "Late", &new_email());
    assert!(service.change_rows("UPDATE guest_contact_codes SET expires_unix_s = 1") > 0);
    send_code(&late, "123456").fails(401, "wrong_credentials");
    // A contact gets few codes, and one whose codes are used up can still register.
    let contact = new_email();
    let guest = register(&service, &scene.token, "Guest", &contact);
    let mut sent = 1;
    while guest.json("POST", "/guest/contact-code", None).status == 204 {
        sent += 1;
        assert!(sent < 20, "the codes of a contact are limited");
    }
    guest.json("POST", "/guest/contact-code", None).fails(429, "too_many_requests");
    register(&service, &scene.token, "Again", &contact);
    // Strangers in another network leave the owner codes. The earlier letters are written first, because the
    // order of those that wait is open.
    settled(&service);
    let owner = service.client();
    let body = registration(&scene.token, "Owner", &contact);
    let owner = owner.with_cookie(&owner.post("/guest/registrations", &body).is(204).cookie());
    send_code(&owner, &mailed_code(&service, &contact)).is(204);
    let plain =
        format!("SELECT COUNT(*) FROM guest_contact_codes WHERE code_hash LIKE '%{newer}%'");
    assert_eq!(service.number(&plain), 0);
    // A link in an e-mail proves the contact as well.
    let before = "SELECT COUNT(*) FROM guests WHERE contact_proved_unix_s IS NOT NULL";
    let proved = service.number(before);
    let guest = let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    assert_eq!(service.number(before), proved + 1);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
}

pub fn the_guest_list_is_not_disclosed(service: Service) {
    let scene = scene_with(&service, "guest_list");
    let [listed, unlisted] = [new_email(), new_email()];
    service.remember(&listed);
    let path = scene.album.path("/guest-list");
    let add = |contacts: &[&str]| scene.owner.client.post(&path, &json!({ "contacts": contacts }));
    add(&[]).fails(422, "invalid");
    add(&[&listed, "nonsense"]).fails(422, "invalid");
    add(&[&listed, "+4915112345678"]).fails(422, "invalid");
    assert_eq!(scene.owner.client.get(&path).is(200).items().len(), 0, "all or none");
    assert_eq!(add(&[&listed, &new_email()]).is(200).document(), json!({ "added": 2, "known": 0 }));
    let capitals = listed.to_uppercase();
    assert_eq!(add(&[&capitals]).is(200).document(), json!({ "added": 0, "known": 1 }));
    let sealed = format!("SELECT COUNT(*) FROM guest_list_entries WHERE contact LIKE '%{listed}%'");
    assert_eq!(service.number(&sealed), 0);
    let export = scene.owner.client.get(&scene.album.path("/export")).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(export)).unwrap();
    let export = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    assert!(export.contains(&listed));
    // Both contacts are answered alike at each step, and one of them gets no e-mail.
    let walk = |contact: &str| {
        let mut answers = Vec::new();
        let outside = service.client();
        let body = registration(&scene.token, "Guest", contact);
        let answer = outside.post("/guest/registrations", &body).is(204);
        let guest = outside.with_cookie(&answer.cookie());
        answers.push((answer.status, answer.body));
        let mut step = |answer: picpick_tests::Answer| answers.push((answer.status, answer.body));
        step(guest.get("/guest"));
        step(guest.json("POST", "/guest/contact-code", None));
        for code in ["111111", "22", "x"] {
            let wrong = send_code(&guest, code);
            assert_eq!(wrong.code(), "wrong_credentials");
            step(wrong);
        }
        (guest, answers)
    };
    let (mut guest, on_list) = walk(&listed);
    let (other, off_list) = walk(&unlisted);
    assert_eq!(on_list, off_list);
    settled(&service);
    assert_eq!(letters(&service, &format!("To: {unlisted}")).len(), 0);
    assert_eq!(letters(&service, &format!("To: {listed}")).len(), 2);
    send_code(&guest, &mailed_code(&service, &listed)).is(204);
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::Passed);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
    other.get("/guest/photos").fails(403, "forbidden");
    // A removed contact gets no more codes.
    let entries = scene.owner.client.get(&path).is(200).items();
    let entry = entries.iter().find(|entry| entry["contact"] == listed.as_str()).unwrap();
    let entry = format!("{path}/{}", entry["id"].as_str().unwrap());
    scene.owner.client.delete(&entry).is(204);
    scene.owner.client.delete(&entry).fails(404, "not_found");
    register(&service, &scene.token, "Again", &listed);
    settled(&service);
    assert_eq!(letters(&service, &format!("To: {listed}")).len(), 2);
    // Only members who manage guests read and change the list.
    let viewer = service.member(&scene.owner, &scene.owner.studio(), "viewer", None);
    viewer.client.get(&path).fails(403, "forbidden");
    let editor = service.member(&scene.owner, &scene.owner.studio(), "editor", None);
    editor.client.get(&path).is(200);
    // An editor does not change what guests must prove.
    let weaker = json!({ "guest_proof": "selfie" });
    editor.client.patch(&scene.album.path(""), &weaker).fails(403, "forbidden");
}

/// Finding S20, in an event with the face alone: two strangers come with a guest's address, and the guest
/// proves that it is theirs.
pub fn strangers_do_not_take_a_contact_away(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let victim = new_email();
    for head in ["biden.jpg", "sample5.jpg"] {
        welcome(&service, &scene.token, "Stranger", &victim, &head_of(head));
    }
    let mut guest = register(&service, &scene.token, "Guest", &victim);
    assert_eq!(status(&guest)["contact_proof"], "not_needed");
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::CodeNeeded);
    assert_eq!(status(&guest)["contact_proof"], "needed");
    refused_everywhere(&guest);
    send_code(&guest, &mailed_code(&service, &victim)).is(204);
    finish(&mut guest);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
}

/// The sibling of S20: in an event with codes, strangers who come with a guest's address leave its owner the one
/// face that a proved contact has.
pub fn unproved_faces_leave_the_owner_room(service: Service) {
    let scene = scene_with(&service, "contact_code");
    let address = new_email();
    for head in ["sample5.jpg", "sample5.jpg"] {
        let mut stranger = register(&service, &scene.token, "Stranger", &address);
        assert_eq!(show_head(&mut stranger, &head_of(head)), Shown::CodeNeeded);
    }
    let mut guest = register(&service, &scene.token, "Guest", &address);
    send_code(&guest, &mailed_code(&service, &address)).is(204);
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::Passed);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
    let second = register(&service, &scene.token, "Second", &address);
    send_code(&second, &mailed_code(&service, &address)).is(204);
    let refused = show_until_refused(&second, &head_of("biden.jpg"));
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
}

pub fn a_stricter_proof_applies_to_open_sessions(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let [address, number] = [new_email(), "+4915112345678".to_owned()];
    let mut guest = welcome(&service, &scene.token, "Guest", &address, &head_of("obama3.jpg"));
    let caller = welcome(&service, &scene.token, "Caller", &number, &head_of("biden.jpg"));
    assert_eq!(photos(&guest).len(), 2);
    prove_by(&scene, "contact_code");
    for guest in [&guest, &caller] {
        refused_everywhere(guest);
    }
    // A telephone number cannot be proved, and its guest is told before turning the head.
    caller.json("POST", "/guest/challenges", None).fails(409, "conflict");
    caller.json("POST", "/guest/contact-code", None).fails(409, "conflict");
    assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::CodeNeeded);
    send_code(&guest, &mailed_code(&service, &address)).is(204);
    finish(&mut guest);
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
    // The proof stays when the way becomes weaker and stricter again.
    prove_by(&scene, "selfie");
    prove_by(&scene, "guest_list");
    assert_eq!(photos(&guest), set(&scene.ids[..2]));
}

fn number(service: &Service, subject: &str) -> i64 {
    service.number(&format!(
        "SELECT COALESCE(MAX(tat_unix_s), 0) FROM quotas WHERE subject LIKE '{subject}'"
    ))
}

/// Registers a guest from the address of `client`.
fn register_from(client: &Client, scene: &Scene, contact: &str) -> Client {
    let outside = client.signed_out();
    let body = registration(&scene.token, "Guest", contact);
    outside.with_cookie(&outside.post("/guest/registrations", &body).is(204).cookie())
}

/// A used-up quota of different faces delays a new face, and no face that was counted.
pub fn many_faces_wait(service: Service) {
    let scene = Scene::of(&service, &PHOTOS);
    let address = new_email();
    let first = welcome(&service, &scene.token, "First", &address, &head_of("obama3.jpg"));
    // All guests come from one address and by one link.
    for (subject, wait_max) in [
        ("faces:network:%", 60),
        ("faces:link:%", 30),
        ("faces:link-day:%", 864),
        ("faces:event:%", 15),
        ("faces:event-day:%", 432),
    ] {
        let use_up = |seconds: i64| {
            let statement = format!(
                "UPDATE quotas SET tat_unix_s = tat_unix_s + {seconds} WHERE subject LIKE '{subject}'"
            );
            assert_eq!(service.change_rows(&statement), 1, "{subject}");
        };
        use_up(1_000_000);
        let mut second = register_from(&first, &scene, &new_email());
        let Shown::Waits(seconds) = show_head(&mut second, &head_of("biden.jpg")) else {
            panic!("{subject}: the face was admitted")
        };
        assert!((1..=wait_max).contains(&seconds), "{subject}: {seconds}");
        refused_everywhere(&second);
        let early = second.json("POST", "/guest/verification", None);
        assert!(early.fails(429, "too_many_requests").headers.contains_key("retry-after"));
        assert_eq!(status(&second)["face_shown"], true);
        // A face that was counted comes again without a unit, also through a new registration.
        let mut again = register_from(&first, &scene, &address);
        assert_eq!(show_head(&mut again, &head_of("obama3.jpg")), Shown::Passed);
        assert_eq!(photos(&again), set(&scene.ids[..2]));
        use_up(-1_000_000);
        // The head need not be turned again.
        finish(&mut second);
        assert_eq!(photos(&second), set(&scene.ids[2..3]));
    }
}

/// The sibling of the quotas: leaving gives no unit back, so a mailbox looks up one person a day.
pub fn a_withdrawn_guest_gives_no_quota_back(service: Service) {
    let scene = scene_with(&service, "contact_code");
    let proved = |address: &str| {
        let guest = register(&service, &scene.token, "Guest", address);
        send_code(&guest, &mailed_code(&service, address)).is(204);
        guest
    };
    let addresses = [new_email(), new_email()];
    let mut before = 0;
    for address in &addresses {
        let mut guest = proved(address);
        assert_eq!(show_head(&mut guest, &head_of("obama3.jpg")), Shown::Passed);
        guest.delete("/guest").is(200);
        let now = number(&service, "faces:event:%");
        assert!(now > before, "each different guest takes a unit of the event");
        before = now;
    }
    let refused = show_until_refused(&proved(&addresses[0]), &head_of("biden.jpg"));
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    assert_eq!(number(&service, "faces:event:%"), before, "a refused face takes no unit");
    // Another mailbox has its face, and the first one has it a day later.
    let mut other = proved(&new_email());
    assert_eq!(show_head(&mut other, &head_of("biden.jpg")), Shown::Passed);
    let day =
        "UPDATE quotas SET tat_unix_s = tat_unix_s - 86400 WHERE subject LIKE 'faces:contact:%'";
    assert_eq!(service.change_rows(day), 3);
    let mut later = proved(&addresses[0]);
    assert_eq!(show_head(&mut later, &head_of("biden.jpg")), Shown::Passed);
    // The counted faces go with the event.
    scene.owner.client.delete(&scene.album.path("")).is(200);
    assert_eq!(service.number("SELECT COUNT(*) FROM guest_faces_counted"), 0);
}
