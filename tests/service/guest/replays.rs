//! The event's memory of camera frames, against stored libraries of frames.

use std::collections::HashMap;
use std::time::Duration;

use picpick_engine::{DecodeLimits, Picture};
use picpick_tests::accounts::new_email;
use picpick_tests::guest::{
    Shown, camera_frame, encoded, new_link, register, send_frame, show_files, welcome,
};
use picpick_tests::synthetic_head::{Head, head_of};
use picpick_tests::{Client, Service, times};

use super::Scene;

/// The frames that were sent for each guidance.
type Library = HashMap<String, Vec<Vec<u8>>>;

/// Passes a challenge with `head` and returns the frames.
fn recorded(service: &Service, scene: &Scene, head: &Head) -> Library {
    for _ in 0..5 {
        let mut guest = register(service, &scene.token, "First", &new_email());
        let mut library = Library::new();
        let shown = show_files(&mut guest, |guidance, waited, _| {
            let jpeg = encoded(&camera_frame(head, guidance, waited));
            library.entry(guidance.to_owned()).or_default().push(jpeg.clone());
            jpeg
        });
        if shown == Shown::Passed {
            return library;
        }
    }
    panic!("the head does not pass");
}

/// Answers each guidance with the next stored frame for it, prepared by `prepare`. Returns the reason of the
/// failure; `None` if the library has no frame for a guidance.
fn answered(
    client: &Client,
    library: &Library,
    prepare: impl Fn(&[u8]) -> Vec<u8>,
) -> Option<String> {
    let challenge = client.json("POST", "/guest/challenges", None).is(201).document();
    let id = challenge["id"].as_str().unwrap();
    let mut guidance = challenge["guidance"].as_str().unwrap().to_owned();
    let mut next: HashMap<String, usize> = HashMap::new();
    for _ in 0..20 {
        let stored = library.get(&guidance)?;
        let nth = next.entry(guidance.clone()).or_default();
        let jpeg = prepare(&stored[*nth % stored.len()]);
        *nth += 1;
        let state = send_frame(client, id, jpeg).is(200).document();
        assert_ne!(state["state"], "passed", "a stored library passed");
        if let Some(reason) = state["reason"].as_str() {
            return Some(reason.to_owned());
        }
        state["guidance"].as_str().unwrap().clone_into(&mut guidance);
        std::thread::sleep(Duration::from_millis(310));
    }
    None
}

/// Finding S2: a library of frames that was made once passed with every guest. Now it passes once in an event,
/// also after a restart, by other guests and links, and in another encoding.
pub fn stored_frames_pass_once(mut service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let library = recorded(&service, &scene, &head_of("obama3.jpg"));
    let link = new_link(&scene.owner, &scene.album.event);
    let guest = |service: &Service| register(service, &link, "Again", &new_email());
    for nth in 0..times("PICPICK_TEST_REPLAYS", 50) {
        if nth == 25 {
            assert_eq!(service.stop(), Some(0));
            service.restart();
        }
        let reason = answered(&guest(&service), &library, <[u8]>::to_vec);
        assert_eq!(reason.as_deref(), Some("replay"), "guest {nth}");
    }
    let encoded_again = |jpeg: &[u8]| {
        let picture = Picture::decode(jpeg, &DecodeLimits::default()).unwrap();
        picture.to_jpeg(u32::MAX, 70).unwrap()
    };
    let reasons: Vec<Option<String>> =
        (0..6).map(|_| answered(&guest(&service), &library, encoded_again)).collect();
    assert!(reasons.iter().flatten().any(|reason| reason == "replay"), "{reasons:?}");
    // A camera passes.
    welcome(&service, &link, "Camera", &new_email(), &head_of("obama3.jpg"));
    // No statement of the database holds a frame; the memory is purged with the event.
    scene.owner.client.delete(&scene.album.path("")).is(200);
}

/// The sibling: frames of a challenge that was abandoned or has failed are remembered as well.
pub fn frames_of_abandoned_challenges_are_remembered(service: Service) {
    let scene = Scene::of(&service, &[]);
    let head = head_of("biden.jpg");
    let frame = |guidance: &str| encoded(&camera_frame(&head, guidance, 0));
    let begin =
        |client: &Client| client.json("POST", "/guest/challenges", None).is(201).field("id");
    let first = register(&service, &scene.token, "First", &new_email());
    let (abandoned, failed) = (frame("look_straight"), frame("look_straight"));
    let challenge = begin(&first);
    assert_eq!(
        send_frame(&first, &challenge, abandoned.clone()).is(200).document()["state"],
        "wait"
    );
    // The next challenge of the session ends the first one. It fails, because a frame comes twice.
    let challenge = begin(&first);
    assert_eq!(send_frame(&first, &challenge, failed.clone()).is(200).document()["state"], "wait");
    let twice = send_frame(&first, &challenge, failed.clone()).is(200).document();
    assert_eq!(twice["reason"], "replay");
    for (what, jpeg) in [("abandoned", abandoned), ("failed", failed)] {
        let other = register(&service, &scene.token, "Other", &new_email());
        let state = send_frame(&other, &begin(&other), jpeg).is(200).document();
        assert_eq!(state["reason"], "replay", "{what}");
    }
    // Frames without a face prove nothing and are not remembered: a dark lens delivers equal ones.
    let blank = picpick_tests::synthetic_head::drawn((64, 48), |_, _| [90.0; 3]);
    let blank = blank.to_jpeg(u32::MAX, 90).unwrap();
    for _ in 0..2 {
        let other = register(&service, &scene.token, "Other", &new_email());
        let state = send_frame(&other, &begin(&other), blank.clone()).is(200).document();
        assert_eq!(state["guidance"], "no_face");
    }
}
