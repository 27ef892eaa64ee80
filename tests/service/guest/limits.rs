use picpick_tests::accounts::new_email;
use picpick_tests::guest::{
    let_in, letter, letters, register, request, send_frame, token_in, wait_until,
};
use picpick_tests::synthetic_head::drawn;
use picpick_tests::{Client, Service, sample};
use serde_json::{Value, json};

use super::Scene;

/// Returns a face of the scene's photo `name`.
pub fn face_of(scene: &Scene, name: &str) -> String {
    let found = scene.album.search(&std::fs::read(sample(name)).unwrap(), "").is(200).document();
    found["matches"][0]["face"].as_str().unwrap().to_owned()
}

fn ask(scene: &Scene, client: &Client, contact: &str) -> picpick_tests::Answer {
    client.post("/guest/requests", &request(&scene.token, "Guest", contact, "Here"))
}

fn requests(scene: &Scene) -> Vec<Value> {
    scene.owner.client.get(&scene.album.path("/guest-requests")).is(200).items()
}

/// Quotas protect the mailbox of a contact from e-mails and the studio's list from requests.
pub fn mails_and_requests_are_limited(service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let face = face_of(&scene, "obama.jpg");
    let guest = let_in(&service, &scene.owner, &scene.album.event, &face);
    let wish = |on: bool| {
        let state = guest.put("/guest/notifications", &json!({ "on": on })).is(200).document();
        state["notifications"].as_str().unwrap().to_owned()
    };
    for _ in 0..4 {
        assert_eq!((wish(true), wish(false)), ("pending".into(), "off".into()));
    }
    assert_eq!(wish(true), "pending");
    let mail = letter(&service, "g/notify#");
    wait_until("all e-mails are sent", || service.number("SELECT COUNT(*) FROM mails") == 0);
    assert_eq!(letters(&service, "g/notify#").len(), 1);
    // The token of the only e-mail is valid.
    let ticket = token_in(&mail, "ppt_");
    service.client().post("/guest/notifications/confirm", &json!({ "token": ticket })).is(204);
    assert_eq!(wish(true), "on");
    // A followed link gives the e-mail back: the guest who turns e-mails off and on again gets another one.
    assert_eq!((wish(false), wish(true)), ("off".into(), "pending".into()));
    wait_until("another e-mail", || letters(&service, "g/notify#").len() == 2);
    let unanswered = "SELECT COUNT(*) FROM quotas WHERE subject LIKE 'unanswered:%'";
    assert_eq!(service.number(unanswered), 1, "the wait is a quota, which a restart forgets not");
    // A contact whose requests are accepted repeatedly gets three e-mails.
    let (outside, contact) = (service.client(), new_email());
    service.remember(&contact);
    for nth in 0..4 {
        ask(&scene, &outside, &contact).is(204);
        let id = requests(&scene)[0]["id"].as_str().unwrap().to_owned();
        let path = scene.album.path(&format!("/guest-requests/{id}"));
        let answer = scene.owner.client.post(&path, &json!({ "face": face }));
        match nth {
            3 => answer.fails(429, "too_many_requests"),
            _ => answer.is(204),
        };
    }
    // The request of the refused acceptance stays pending. A contact may have three pending requests.
    assert_eq!(requests(&scene).len(), 1);
    for _ in 0..2 {
        ask(&scene, &outside, &contact).is(204);
    }
    ask(&scene, &service.client(), &contact).fails(429, "too_many_requests");
    // A network has a quota of its own, which does not affect other networks.
    let mut accepted = 0;
    while ask(&scene, &outside, &new_email()).status == 204 {
        accepted += 1;
        assert!(accepted < 100, "requests are limited per network");
    }
    ask(&scene, &outside, &new_email()).fails(429, "too_many_requests");
    ask(&scene, &service.client(), &new_email()).is(204);
}

/// A guest who abandons challenges to get easier ones is delayed, also after another registration.
pub fn abandoned_challenges_are_limited(service: Service) {
    let scene = Scene::of(&service, &[]);
    let contact = new_email();
    let blank = drawn((64, 48), |_, _| [90.0; 3]).to_jpeg(u32::MAX, 90).unwrap();
    let begin = |guest: &Client| guest.json("POST", "/guest/challenges", None);
    let first = register(&service, &scene.token, "First", &contact);
    // A challenge abandoned without a frame does not count.
    for _ in 0..25 {
        begin(&first).is(201);
    }
    let left_until_refused = |guest: &Client| {
        for count in 0..100 {
            let begun = begin(guest);
            if begun.status != 201 {
                let locked = begun.fails(429, "too_many_requests");
                assert!(locked.headers.contains_key("retry-after"));
                return count;
            }
            let state = send_frame(guest, &begun.field("id"), blank.clone()).is(200).document();
            assert_eq!(state["guidance"], "no_face");
        }
        panic!("abandoned challenges are not limited");
    };
    assert!(left_until_refused(&first) >= 20);
    assert!(left_until_refused(&register(&service, &scene.token, "Second", &contact)) >= 15);
    // The quota of the contact, 40, is used up by two sessions.
    assert!(left_until_refused(&register(&service, &scene.token, "Third", &contact)) < 10);
    let other = register(&service, &scene.token, "Other", &new_email());
    begin(&other).is(201);
}
