//! Guests of an event: registration by a guest link, and liveness challenges. Frames are made from one real
//! photo (`synthetic_head`) and follow the service's guidance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use picpick_engine::Picture;
use serde_json::{Value, json};

use crate::accounts::{Person, new_email};
use crate::client::{Answer, Client, Request};
use crate::outbox::{latest_to, settled};
use crate::rng::Rng;
use crate::screen_light::{Room, parse_tint};
use crate::service::Service;
use crate::synthetic_head::{Head, noisy};

/// Time between two frames: a head does not turn faster.
const FRAME_EVERY: Duration = Duration::from_millis(350);
/// Maximum number of frames of one challenge; about ten are needed.
const FRAMES_MAX: usize = 60;
/// Maximum number of frames sent for one guidance without progress; each of the four angles is tried twice.
const VAIN_MAX: usize = 8;
/// Maximum number of challenges that are started; the synthetic head can follow more than half of them.
const CHALLENGES_MAX: usize = 20;
/// Version of the consent text for guests who use a camera.
pub const CONSENT: &str = "3";
/// Version of the consent text for guests who request access without a camera.
pub const CONSENT_WITHOUT_CAMERA: &str = "3-ask";

/// The result of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Passed,
    /// The head turns are done, and the guest must prove the contact.
    CodeNeeded,
    /// The head turns are done, and the guest waits for this number of seconds, because many faces have come.
    Waits(u64),
    /// The service's reason.
    Failed(String),
}

/// Creates a guest link of `event`. Returns its token.
pub fn new_link(owner: &Person, event: &str) -> String {
    let made = owner.client.post(&format!("/events/{event}/guest-links"), &json!({})).is(201);
    made.field("url").rsplit('/').next().unwrap().to_owned()
}

/// Returns the body of a registration by the guest link with `token`.
pub fn registration(token: &str, name: &str, contact: &str) -> Value {
    json!({ "token": token, "name": name, "contact": contact, "consent": CONSENT, "adult": true })
}

/// Returns the body of a request for access without a camera.
pub fn request(token: &str, name: &str, contact: &str, message: &str) -> Value {
    let mut request = registration(token, name, contact);
    request["consent"] = CONSENT_WITHOUT_CAMERA.into();
    request["message"] = message.into();
    request
}

/// Registers a guest who has not passed a challenge. Returns the guest's client.
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

/// A frame that the service waits for.
pub struct AwaitedFrame<'a> {
    pub guidance: &'a str,
    /// Number of frames sent for this guidance without progress.
    pub waited: usize,
    /// Number of earlier frames of the challenge.
    pub nth: usize,
    /// The light of the screen, sRGB.
    pub tint: [u8; 3],
}

/// Runs challenges until one ends, with the frames that `frame` returns. Returns the final response. The
/// synthetic head cannot reach every turn, because it is made from one photo; after `VAIN_MAX` frames without
/// progress another challenge is started, which requests other turns.
fn run_challenges(client: &Client, mut frame: impl FnMut(&AwaitedFrame<'_>) -> Vec<u8>) -> Answer {
    for _ in 0..CHALLENGES_MAX {
        let challenge = client.json("POST", "/guest/challenges", None).is(201).document();
        let id = challenge["id"].as_str().unwrap();
        let (mut guidance, mut waited) = (challenge["guidance"].as_str().unwrap().to_owned(), 0);
        let mut tint = parse_tint(challenge["light"].as_str().unwrap());
        for nth in 0..FRAMES_MAX {
            let awaited = AwaitedFrame { guidance: &guidance, waited, nth, tint };
            let answer = send_frame(client, id, frame(&awaited));
            if answer.status != 200 {
                return answer;
            }
            let state = answer.document();
            let Some(next) = state["guidance"].as_str() else { return answer };
            waited = if next == guidance { waited + 1 } else { 0 };
            next.clone_into(&mut guidance);
            tint = parse_tint(state["light"].as_str().unwrap());
            if waited >= VAIN_MAX {
                break;
            }
            std::thread::sleep(FRAME_EVERY);
        }
    }
    panic!("{CHALLENGES_MAX} challenges neither passed nor failed");
}

/// Encodes a frame as the page's camera does.
pub fn encoded(frame: &Picture) -> Vec<u8> {
    frame.to_jpeg(u32::MAX, 90).unwrap()
}

/// Runs challenges until one passes or fails. If it passes, `client` gets the new session.
pub fn show(client: &mut Client, mut frame: impl FnMut(&str, usize, usize) -> Picture) -> Shown {
    show_files(client, |guidance, waited, nth| encoded(&frame(guidance, waited, nth)))
}

/// Runs challenges as [`show`] does, with frames that are encoded already.
pub fn show_files(
    client: &mut Client,
    mut frame: impl FnMut(&str, usize, usize) -> Vec<u8>,
) -> Shown {
    show_awaited(client, |awaited| frame(awaited.guidance, awaited.waited, awaited.nth))
}

/// Runs challenges as [`show_head`] does, with a guest who takes time and whom the screen lights in `room`.
pub fn show_lit_head(client: &mut Client, head: &Head, room: &mut Room) -> Shown {
    let mut shown = Shown::Passed;
    for _ in 0..3 {
        shown = show_awaited(client, |awaited| {
            encoded(&room.lit(head, &unhurried_frame(head, awaited), awaited.tint))
        });
        if !matches!(shown, Shown::Failed(_)) {
            break;
        }
    }
    shown
}

fn show_awaited(client: &mut Client, frame: impl FnMut(&AwaitedFrame<'_>) -> Vec<u8>) -> Shown {
    let answer = run_challenges(client, frame).is(200);
    let state = answer.document();
    match state["state"].as_str().unwrap() {
        "passed" if state["next"] == "code" => Shown::CodeNeeded,
        "passed" if state["next"] == "wait" => {
            Shown::Waits(state["retry_after_s"].as_u64().unwrap())
        }
        "passed" => {
            *client = client.with_cookie(&answer.cookie());
            Shown::Passed
        }
        _ => Shown::Failed(state["reason"].as_str().unwrap().to_owned()),
    }
}

/// Returns yaw and pitch in degrees for `guidance`. The angle increases over four frames without progress and
/// then starts again.
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

/// Returns the shift of a hand-held camera in frame `nth`, px.
pub fn sway(nth: usize) -> [f32; 2] {
    [(nth * 5 % 11) as f32 * 1.7 - 8.0, (nth * 3 % 7) as f32 * 1.9 - 5.0]
}

/// Returns a frame of `head` in the pose that `guidance` requests, as a camera delivers it: no two frames are
/// equal, because the hand that holds the camera moves, the head turns a little further or less, and the sensor
/// has noise.
pub fn camera_frame(head: &Head, guidance: &str, waited: usize) -> Picture {
    posed_frame(head, angles(guidance, waited))
}

/// Returns a frame of `head` turned by yaw and pitch, degrees, as a camera delivers it.
pub fn posed_frame(head: &Head, [yaw, pitch]: [f32; 2]) -> Picture {
    static FRAMES: AtomicU64 = AtomicU64::new(1);
    let mut rng = Rng::new(FRAMES.fetch_add(1, Ordering::SeqCst));
    let mut within = |most: f32| (rng.throw(2001) as f32 / 1000.0 - 1.0) * most;
    let sway = [within(12.0), within(9.0)];
    let picture = head.turned(yaw + within(1.5), pitch + within(1.0), sway);
    noisy(&picture, FRAMES.fetch_add(1, Ordering::SeqCst))
}

/// Returns a frame of a guest who needs two more frames to begin a turn than [`camera_frame`] does: people take
/// about a second.
pub fn unhurried_frame(head: &Head, awaited: &AwaitedFrame<'_>) -> Picture {
    match awaited.waited.checked_sub(2) {
        Some(waited) => posed_frame(head, angles(awaited.guidance, waited)),
        None => posed_frame(head, [0.0; 2]),
    }
}

/// Runs challenges with `head`, turned as the guidance requests. Repeats a failed challenge up to two times,
/// because the models sometimes refuse a real person too.
pub fn show_head(client: &mut Client, head: &Head) -> Shown {
    let mut shown = Shown::Passed;
    for _ in 0..3 {
        shown = show(client, |guidance, waited, _| camera_frame(head, guidance, waited));
        if !matches!(shown, Shown::Failed(_)) {
            break;
        }
    }
    shown
}

/// Waits for the newest e-mail with a code to `contact`, and returns the code.
pub fn mailed_code(service: &Service, contact: &str) -> String {
    settled(service);
    let mail = latest_to(service, contact, "Subject: Your code: ");
    let (_, rest) = mail.split_once("Subject: Your code: ").unwrap();
    let code = rest[..6].to_owned();
    service.remember(&code);
    code
}

/// Sends the code that proves the guest's contact. Returns the response.
pub fn send_code(client: &Client, code: &str) -> Answer {
    client.put("/guest/contact-code", &json!({ "code": code }))
}

/// Completes the verification of a guest who has passed the challenge. `client` gets the new session.
pub fn finish(client: &mut Client) {
    let answer = client.json("POST", "/guest/verification", None).is(204);
    *client = client.with_cookie(&answer.cookie());
}

/// Registers a guest who passes a challenge with `head`. Returns the guest's client.
pub fn welcome(service: &Service, token: &str, name: &str, contact: &str, head: &Head) -> Client {
    let mut client = register(service, token, name, contact);
    assert_eq!(show_head(&mut client, head), Shown::Passed);
    client
}

/// Runs challenges with `head` until one ends, and returns the final response. The caller expects the
/// service to refuse a guest who passed.
pub fn show_until_refused(client: &Client, head: &Head) -> Answer {
    run_challenges(client, |awaited| encoded(&camera_frame(head, awaited.guidance, awaited.waited)))
}

/// Polls `done` every 100 ms until it returns true. Fails the test after 120 s.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < end, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the e-mails in the outbox folder that contain `part`.
pub fn letters(service: &Service, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(service.sandbox.data().join("outbox"));
    let files = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let letters = whole.map(|path| std::fs::read_to_string(path).unwrap());
    letters.filter(|letter| letter.contains(part)).collect()
}

/// Waits for an e-mail in the outbox folder that contains `part`, and returns it.
pub fn letter(service: &Service, part: &str) -> String {
    let mut found = None;
    wait_until(&format!("an e-mail with {part} arrives"), || {
        found = letters(service, part).pop();
        found.is_some()
    });
    found.unwrap()
}

/// Returns the token of a link in an e-mail.
pub fn token_in(letter: &str, prefix: &str) -> String {
    let (_, rest) = letter.split_once(&format!("#{prefix}")).unwrap();
    let rest: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
    format!("{prefix}{rest}")
}

/// Creates a guest by an access request that the studio accepts with a face of the event; no camera is
/// needed. Returns the guest's client.
pub fn let_in(service: &Service, owner: &Person, event: &str, face: &str) -> Client {
    let contact = new_email();
    let request = request(&new_link(owner, event), "Guest", &contact, "Here");
    let outside = service.client();
    outside.post("/guest/requests", &request).is(204);
    let pending = owner.client.get(&format!("/events/{event}/guest-requests")).is(200).items();
    let path = format!("/events/{event}/guest-requests/{}", pending[0]["id"].as_str().unwrap());
    owner.client.post(&path, &json!({ "face": face })).is(204);
    // The guest's first e-mail.
    let ticket = token_in(&letter(service, &contact), "ppt_");
    let entered = outside.post("/guest/session", &json!({ "token": ticket })).is(204);
    outside.with_cookie(&entered.cookie())
}
