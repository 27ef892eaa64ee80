//! The light of the screen in a challenge: evidence in the audit, which decides nothing.

use std::collections::HashSet;

use picpick_tests::accounts::new_email;
use picpick_tests::guest::{
    Shown, finish, mailed_code, new_link, register, send_code, send_frame, show_lit_head,
};
use picpick_tests::screen_light::{Room, parse_tint};
use picpick_tests::synthetic_head::{Head, drawn, head_of};
use picpick_tests::{Rng, Service};
use serde_json::{Value, json};

use super::Scene;

/// Number of guests of each kind.
const GUESTS: usize = 3;

/// Registers guests whom the screen lights with `screen` of the room's light, and who pass. Returns what the
/// audit says of their light.
fn lights(
    service: &Service,
    scene: &Scene,
    head: &Head,
    screen: f32,
    rng: &mut Rng,
) -> Vec<String> {
    let known: HashSet<String> = verified(scene).into_iter().map(|(id, _)| id).collect();
    for _ in 0..GUESTS {
        let mut guest = register(service, &new_event(scene, "selfie"), "Guest", &new_email());
        let mut room = Room::new(screen, 0.05, rng.throw(1 << 40));
        assert_eq!(show_lit_head(&mut guest, head, &mut room), Shown::Passed);
        // The guest's own data has no evidence, from which a program could learn.
        let export = guest.get("/guest/export").is(200).body;
        assert!(!String::from_utf8_lossy(&export).contains("light:"));
    }
    let new = verified(scene).into_iter().filter(|(id, _)| !known.contains(id));
    let light = |detail: String| detail.strip_prefix("selfie, light: ").unwrap().to_owned();
    new.map(|(_, detail)| light(detail)).collect()
}

/// Creates an event whose guests prove themselves by `proof`. Returns the token of its guest link. Each guest has
/// an event of their own, because the frames of one head, made from one photo, resemble each other so much that
/// the memory of an event takes some of a hundred for encodings of one frame.
fn new_event(scene: &Scene, proof: &str) -> String {
    let event = scene.owner.new_event(&scene.owner.studio(), "Party");
    let change = json!({ "guest_proof": proof });
    scene.owner.client.patch(&format!("/events/{event}"), &change).is(200);
    new_link(&scene.owner, &event)
}

/// Returns the guests who were verified, and the details of the audit entries.
fn verified(scene: &Scene) -> Vec<(String, String)> {
    let studio = scene.owner.studio();
    let path = format!("/studios/{studio}/audit?limit=500");
    let entries = scene.owner.client.get(&path).is(200).items();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let of_guests = entries.iter().filter(|entry| entry["action"] == "guest_verified");
    of_guests.map(|entry| (text(entry, "target"), text(entry, "detail"))).collect()
}

/// A guest in the light of the screen is recorded so, and a guest without it (reduced motion, daylight) passes
/// just the same.
pub fn the_light_of_the_screen_is_recorded_and_decides_nothing(service: Service) {
    let scene = Scene::of(&service, &[]);
    let head = head_of("obama3.jpg");
    let mut rng = Rng::seeded("the_light_of_the_screen_is_recorded_and_decides_nothing");
    let lit = lights(&service, &scene, &head, 0.6, &mut rng);
    let unlit = lights(&service, &scene, &head, 0.0, &mut rng);
    println!("lit {lit:?}\nunlit {unlit:?}");
    assert_eq!((lit.len(), unlit.len()), (GUESTS, GUESTS));
    let agree = |all: &[String]| all.iter().filter(|light| *light == "agrees").count();
    // A challenge with few frames is unclear; one without light agrees in 2 of 100.
    assert!(agree(&lit) >= 2, "{lit:?}");
    assert!(agree(&unlit) <= 1, "{unlit:?}");

    // The evidence waits with the face until the contact is proved.
    let contact = new_email();
    let link = new_event(&scene, "contact_code");
    let mut guest = register(&service, &link, "Guest", &contact);
    let mut room = Room::new(0.6, 0.05, rng.throw(1 << 40));
    assert_eq!(show_lit_head(&mut guest, &head, &mut room), Shown::CodeNeeded);
    send_code(&guest, &mailed_code(&service, &contact)).is(204);
    finish(&mut guest);
    let details: Vec<String> = verified(&scene).into_iter().map(|(_, detail)| detail).collect();
    let with_code = details.iter().filter(|detail| detail.starts_with("contact_code, light: "));
    assert_eq!(with_code.count(), 1, "{details:?}");
}

/// Number of turns and tints are drawn for each challenge; the tint changes at most 2.5 times a second.
pub fn turns_and_tints_are_drawn(service: Service) {
    let scene = Scene::of(&service, &[]);
    let guest = register(&service, &scene.token, "Guest", &new_email());
    let (mut steps, mut tints) = (HashSet::new(), HashSet::new());
    for _ in 0..40 {
        let challenge = guest.json("POST", "/guest/challenges", None).is(201).document();
        steps.insert(challenge["steps"].as_u64().unwrap());
        tints.insert(parse_tint(challenge["light"].as_str().unwrap()));
    }
    // 40 draws miss one of two numbers with the probability 2^-39, and one of four tints with 4 in 100,000.
    assert_eq!(steps, HashSet::from([3, 4]));
    assert_eq!(tints.len(), 4);
    // Frames as fast as the service answers: the tint stays for 400 ms and for two frames.
    let challenge = guest.json("POST", "/guest/challenges", None).is(201).document();
    let id = challenge["id"].as_str().unwrap();
    let (mut tint, mut changed) = (challenge["light"].clone(), None::<std::time::Instant>);
    let (mut changes, mut of_tint) = (0, 0);
    for nth in 0..40 {
        let sent = std::time::Instant::now();
        let picture = drawn((320, 240), |x, y| [x / 2.0, y / 2.0, nth as f32 * 6.0]);
        let frame = picture.to_jpeg(u32::MAX, 90).unwrap();
        let state = send_frame(&guest, id, frame).is(200).document();
        // On a slow machine the challenge ends because no face has come.
        if state["state"] != "wait" {
            break;
        }
        of_tint += 1;
        if state["light"] != tint {
            // The time of the service's clock is between the sending and the answer.
            let shown = changed.replace(sent).map(|before| before.elapsed());
            assert!(shown.is_none_or(|shown| shown.as_millis() >= 399), "{shown:?}");
            assert!(of_tint >= 2, "a tint for {of_tint} frames");
            (changes, of_tint) = (changes + 1, 0);
            tint = state["light"].clone();
        }
    }
    println!("{changes} changes in 40 frames");
}
