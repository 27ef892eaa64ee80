//! The beginnings and ends of sessions: a browser has one session of each kind, and the user ends the others.

use picpick_tests::accounts::new_email;
use picpick_tests::guest::{let_in, letter, new_link, register, registration, request, token_in};
use picpick_tests::{Client, Service, on_both_databases, sample};
use serde_json::{Value, json};

use super::sign_in::{code, with_second_factor};
use crate::album::studio::{Studio, VIEW, enter};
use crate::guest::Scene;
use crate::guest::limits::face_of;

on_both_databases!(
    sessions_end,
    sessions_end_with_the_password_only,
    a_sign_in_ends_the_earlier_session_of_the_browser,
    a_guests_entry_ends_the_earlier_session_of_the_browser,
    a_visitors_entry_ends_the_earlier_session_of_the_browser,
);

fn end(client: &Client, session: &str, password: &str) -> picpick_tests::Answer {
    let proof = json!({ "password": password });
    client.json("DELETE", &format!("/me/sessions{session}"), Some(&proof))
}

fn current(client: &Client) -> String {
    let sessions = client.get("/me/sessions").is(200).items();
    let current: Vec<&Value> = sessions.iter().filter(|it| it["current"] == true).collect();
    assert_eq!(current.len(), 1);
    format!("/{}", current[0]["id"].as_str().unwrap())
}

fn sessions_end(service: Service) {
    let owner = service.owner();
    let (second, third) = (owner.sign_in(), owner.sign_in());
    assert_eq!(second.get("/me/sessions").is(200).items().len(), 3);
    let id = current(&second);
    end(&owner.client, &id, &owner.password).is(204);
    second.get("/me").fails(401, "unauthenticated");
    end(&owner.client, &id, &owner.password).fails(404, "not_found");
    let answer = third.delete("/session").is(204);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    third.get("/me").fails(401, "unauthenticated");
    third.delete("/session").fails(401, "unauthenticated");
    assert_eq!(owner.client.get("/me/sessions").is(200).items().len(), 1);
}

/// A stolen session alone cannot shut its user out of the other ones.
fn sessions_end_with_the_password_only(service: Service) {
    let owner = service.owner();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    let (second, third) = (owner.sign_in(), owner.sign_in());
    let id = current(&second);
    owner.client.delete(&format!("/me/sessions{id}")).is(415);
    owner.client.delete("/me/sessions").is(415);
    for path in [id.as_str(), ""] {
        end(&owner.client, path, "not the password").fails(403, "forbidden");
        end(&owner.client, path, &member.password).fails(403, "forbidden");
    }
    // Another user's session looks like none.
    end(&member.client, &id, &member.password).fails(404, "not_found");
    second.get("/me").is(200);
    // One factor suffices, so that several sessions can be ended while a code is valid once.
    let app = with_second_factor(&service, &owner);
    end(&owner.client, &id, &owner.password).is(204);
    end(&owner.client, "", &owner.password).is(204);
    for ended in [&second, &third] {
        ended.get("/me").fails(401, "unauthenticated");
    }
    owner.client.get("/me").is(200);
    member.client.get("/me").is(200);
    owner.try_sign_in(&owner.password, Some(&code(&app, 0))).is(201);
    let recorded = "SELECT detail FROM audit WHERE action = 'sign_out_elsewhere'";
    assert_eq!(service.texts(recorded), [["sessions: 1"]]);
}

fn a_sign_in_ends_the_earlier_session_of_the_browser(service: Service) {
    let owner = service.owner();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    let elsewhere = owner.sign_in();
    let sign_in = |browser: &Client, email: &str, password: &str| {
        browser.post("/session", &json!({ "email": email, "password": password }))
    };
    // A failed sign-in ends nothing.
    sign_in(&owner.client, &owner.email, "not the password").fails(401, "wrong_credentials");
    owner.client.get("/me").is(200);
    let again = sign_in(&owner.client, &owner.email, &owner.password).is(201).cookie();
    owner.client.get("/me").fails(401, "unauthenticated");
    let again = owner.client.with_cookie(&again);
    assert_eq!(again.get("/me/sessions").is(200).items().len(), 2, "this and the other browser");
    // A browser in which another user signs in.
    let theirs = sign_in(&again, &member.email, &member.password).is(201).cookie();
    again.get("/me").fails(401, "unauthenticated");
    let theirs = again.with_cookie(&theirs);
    assert_eq!(theirs.get("/me").is(200).field("id"), member.id);
    elsewhere.get("/me").is(200);
    member.client.get("/me").is(200);
    let ended =
        format!("SELECT COUNT(*) FROM audit WHERE action = 'sign_out' AND target = '{}'", owner.id);
    assert_eq!(service.number(&ended), 2, "the end of a session is recorded for its user");
    // An unknown cookie is no error.
    let stale = service.client().with_cookie("picpick_session=ppc_made-up-made-up");
    sign_in(&stale, &member.email, &member.password).is(201);
}

fn a_guests_entry_ends_the_earlier_session_of_the_browser(service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let face = face_of(&scene, "obama.jpg");
    let verified = let_in(&service, &scene.owner, &scene.album.event, &face);
    verified.get("/guest/photos").is(200);
    // Another person registers in the same browser, by the link of another event.
    let other = new_link(&scene.owner, &scene.owner.new_event(&scene.owner.studio(), "Other"));
    let contact = new_email();
    service.remember(&contact);
    let body = registration(&other, "Second", &contact);
    let wrong = registration("ppl_made-up-made-up", "Second", &contact);
    verified.post("/guest/registrations", &wrong).fails(410, "gone");
    verified.get("/guest/photos").is(200);
    let second = verified.post("/guest/registrations", &body).is(204).cookie();
    verified.get("/guest/photos").fails(401, "unauthenticated");
    let second = verified.with_cookie(&second);
    second.get("/guest").is(200);
    // The entry by a mailed link is a sibling.
    let (outside, guest) = (register(&service, &scene.token, "Third", &contact), &second);
    let ticket = access_link(&service, &scene, &face);
    let entered = guest.post("/guest/session", &json!({ "token": ticket })).is(204).cookie();
    guest.get("/guest").fails(401, "unauthenticated");
    guest.with_cookie(&entered).get("/guest/photos").is(200);
    outside.get("/guest").is(200);
}

/// Returns the token of the access link of a guest whom the studio lets in.
fn access_link(service: &Service, scene: &Scene, face: &str) -> String {
    let contact = new_email();
    service.remember(&contact);
    let asked = request(&scene.token, "Guest", &contact, "Here");
    service.client().post("/guest/requests", &asked).is(204);
    let path = scene.album.path("/guest-requests");
    let id = scene.owner.client.get(&path).is(200).items()[0]["id"].as_str().unwrap().to_owned();
    scene.owner.client.post(&format!("{path}/{id}"), &json!({ "face": face })).is(204);
    let ticket = token_in(&letter(service, &contact), "ppt_");
    service.remember(&ticket);
    ticket
}

fn a_visitors_entry_ends_the_earlier_session_of_the_browser(service: Service) {
    let studio = Studio::new(&service);
    studio.upload("a.jpg", &std::fs::read(sample("obama.jpg")).unwrap(), None);
    let client = service.client();
    let first = client.with_cookie(&enter(&client, &studio.token, VIEW).is(204).cookie());
    let elsewhere = client.with_cookie(&enter(&client, &studio.token, VIEW).is(204).cookie());
    enter(&first, &studio.token, "000000").fails(401, "wrong_credentials");
    first.get("/album").is(200);
    let second = first.with_cookie(&enter(&first, &studio.token, VIEW).is(204).cookie());
    first.get("/album").fails(401, "unauthenticated");
    second.get("/album").is(200);
    elsewhere.get("/album").is(200);
}
