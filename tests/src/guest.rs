//! A guest of an event: registers by its link, and shows a face as a camera would.
//!
//! Frames are made of one real photo (`head.rs`) and follow what the service asks for. Knows nothing of what the
//! tests expect.

use std::time::{Duration, Instant};

use picpick_engine::{Picture, to_jpeg};
use serde_json::{Value, json};

use crate::accounts::{Person, new_email};
use crate::client::{Answer, Client, Request};
use crate::service::Service;
use crate::synthetic_head::Head;

/// Between two frames: a head does not turn faster.
const FRAME_EVERY: Duration = Duration::from_millis(350);
/// Frames of one challenge; it takes some ten.
const FRAMES_MAX: usize = 60;
/// Frames that are shown in vain for one thing; each of the four ways to turn comes up twice.
const VAIN_MAX: usize = 8;
/// Challenges that are begun; more than half of them ask for nothing that a head cannot do.
const CHALLENGES_MAX: usize = 20;
/// The versions of the consents' texts.
pub const CONSENT: &str = "1";
pub const CONSENT_WITHOUT_CAMERA: &str = "1-ask";

/// How a challenge ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Passed,
    /// With the reason that the service gave.
    Failed(String),
}

/// The token of a new link to `event` for guests.
pub fn new_link(owner: &Person, event: &str) -> String {
    let made = owner.client.post(&format!("/events/{event}/guest-links"), &json!({})).is(201);
    made.field("url").rsplit('/').next().unwrap().to_owned()
}

/// What registers somebody by the link of `token`.
pub fn registration(token: &str, name: &str, contact: &str) -> Value {
    json!({ "token": token, "name": name, "contact": contact, "consent": CONSENT, "adult": true })
}

/// What asks the studio to let somebody in without a camera.
pub fn request(token: &str, name: &str, contact: &str, message: &str) -> Value {
    let mut request = registration(token, name, contact);
    request["consent"] = CONSENT_WITHOUT_CAMERA.into();
    request["message"] = message.into();
    request
}

/// A guest who has registered and not shown their face.
pub fn register(service: &Service, token: &str, name: &str, contact: &str) -> Client {
    service.remember(contact);
    let outside = service.client();
    let answer = outside.post("/guest/registrations", &registration(token, name, contact)).is(204);
    outside.with_cookie(&answer.cookie())
}

/// Sends a frame of a challenge.
pub fn send_frame(client: &Client, challenge: &str, jpeg: Vec<u8>) -> Answer {
    client.send(Request {
        method: "POST".into(),
        path: format!("/guest/challenges/{challenge}/frames"),
        headers: Vec::new(),
        body: Some(("image/jpeg".into(), jpeg)),
    })
}

/// Shows the frames that `frame` gives for what the service asks for, and for the number of frames that were shown
/// for it in vain and in all; the answer that ends it. A turn that the head does not reach, for a photo has only so
/// much depth, is left: as somebody would do, another challenge is begun, which asks for other turns.
fn answered(client: &Client, mut frame: impl FnMut(&str, usize, usize) -> Picture) -> Answer {
    for _ in 0..CHALLENGES_MAX {
        let challenge = client.json("POST", "/guest/challenges", None).is(201).document();
        let id = challenge["id"].as_str().unwrap();
        let (mut guidance, mut waited) = (challenge["guidance"].as_str().unwrap().to_owned(), 0);
        for nth in 0..FRAMES_MAX {
            let jpeg = to_jpeg(&frame(&guidance, waited, nth), u32::MAX, 90).unwrap();
            let answer = send_frame(client, id, jpeg);
            if answer.status != 200 {
                return answer;
            }
            let state = answer.document();
            let Some(next) = state["guidance"].as_str() else { return answer };
            waited = if next == guidance { waited + 1 } else { 0 };
            next.clone_into(&mut guidance);
            if waited >= VAIN_MAX {
                break;
            }
            std::thread::sleep(FRAME_EVERY);
        }
    }
    panic!("{CHALLENGES_MAX} challenges neither passed nor failed");
}

/// Passes or fails a challenge. Whoever passes has a new session afterwards.
pub fn show(client: &mut Client, frame: impl FnMut(&str, usize, usize) -> Picture) -> Shown {
    let answer = answered(client, frame).is(200);
    let state = answer.document();
    match state["state"].as_str().unwrap() {
        "passed" => {
            *client = client.with_cookie(&answer.cookie());
            Shown::Passed
        }
        _ => Shown::Failed(state["reason"].as_str().unwrap().to_owned()),
    }
}

/// How a head is turned for `guidance`: yaw and pitch in degrees, further the longer it was in vain, and then from
/// the start.
pub fn angles(guidance: &str, waited: usize) -> [f32; 2] {
    let full = match guidance {
        "turn_left" => [27.0, 0.0],
        "turn_right" => [-27.0, 0.0],
        "turn_up" => [0.0, 20.0],
        "turn_down" => [0.0, -20.0],
        _ => [0.0, 0.0],
    };
    full.map(|angle| angle * (0.8 + 0.15 * (waited % 4) as f32))
}

/// Where a camera in a hand is for frame `nth`, px.
pub fn sway(nth: usize) -> [f32; 2] {
    [(nth * 5 % 11) as f32 * 1.7 - 8.0, (nth * 3 % 7) as f32 * 1.9 - 5.0]
}

/// Shows `head`, turned as asked. A living person is refused now and then, and tries again; so does this one.
pub fn show_head(client: &mut Client, head: &Head) -> Shown {
    let mut shown = Shown::Passed;
    for _ in 0..3 {
        shown = show(client, |guidance, waited, nth| {
            let [yaw, pitch] = angles(guidance, waited);
            head.turned(yaw, pitch, sway(nth))
        });
        if shown == Shown::Passed {
            break;
        }
    }
    shown
}

/// A guest who has registered and shown `head`.
pub fn welcome(service: &Service, token: &str, name: &str, contact: &str, head: &Head) -> Client {
    let mut client = register(service, token, name, contact);
    assert_eq!(show_head(&mut client, head), Shown::Passed);
    client
}

/// Shows `head` to a service that refuses the guest, though not the challenge; that answer.
pub fn show_until_refused(client: &Client, head: &Head) -> Answer {
    answered(client, |guidance, waited, nth| {
        let [yaw, pitch] = angles(guidance, waited);
        head.turned(yaw, pitch, sway(nth))
    })
}

/// Until `done` says so.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The letters in the outbox's folder that hold `part`, as of now.
pub fn letters(service: &Service, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(service.sandbox.data().join("outbox"));
    let files = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let letters = whole.map(|path| std::fs::read_to_string(path).unwrap());
    letters.filter(|letter| letter.contains(part)).collect()
}

/// The letter in the outbox's folder that holds `part`, once there is one.
pub fn letter(service: &Service, part: &str) -> String {
    let mut found = None;
    wait_until(&format!("a letter with {part} comes"), || {
        found = letters(service, part).pop();
        found.is_some()
    });
    found.unwrap()
}

/// The token of a link in a letter.
pub fn token_in(letter: &str, prefix: &str) -> String {
    let (_, rest) = letter.split_once(&format!("#{prefix}")).unwrap();
    let rest: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
    format!("{prefix}{rest}")
}

/// A guest whom the studio lets in by hand, by a face of the event: no camera is needed.
pub fn let_in(service: &Service, owner: &Person, event: &str, face: &str) -> Client {
    let contact = new_email();
    let request = request(&new_link(owner, event), "Guest", &contact, "Here");
    let outside = service.client();
    outside.post("/guest/requests", &request).is(204);
    let asked = owner.client.get(&format!("/events/{event}/guest-requests")).is(200).items();
    let path = format!("/events/{event}/guest-requests/{}", asked[0]["id"].as_str().unwrap());
    owner.client.post(&path, &json!({ "face": face })).is(204);
    // Their first letter.
    let ticket = token_in(&letter(service, &contact), "ppt_");
    let entered = outside.post("/guest/session", &json!({ "token": ticket })).is(204);
    outside.with_cookie(&entered.cookie())
}
