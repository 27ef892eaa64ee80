use picpick_tests::album::variant;
use picpick_tests::{Rng, Service, times};
use serde_json::json;

use super::{PHOTOS, WaitingEvent, picture};

/// Random orders of uploads, deletions, changes of the mode, pauses and kills: while the event waits it has no face, and
/// at the end no photo is left out. `PICPICK_TEST_ANALYSIS` sets the number of steps (default: 40).
pub fn nothing_is_embedded_early_in_any_order(mut service: Service) {
    let mut rng = Rng::seeded("nothing_is_embedded_early_in_any_order");
    let scene = WaitingEvent::of(&service);
    let (mut next, mut log) = (0, Vec::new());
    for _ in 0..times("PICPICK_TEST_ANALYSIS", 40) {
        log.push(step(&mut service, &scene, &mut rng, &mut next));
        let about = scene.get("");
        if about["analysis_deferred"] == true {
            let coverage = scene.get("/coverage");
            assert_eq!(
                (&coverage["indexed"], &coverage["faces"]),
                (&json!(0), &json!(0)),
                "{log:?}"
            );
        }
    }
    scene.control("resume");
    scene.change(&json!({ "analysis": "at_upload" })).is(200);
    let counts = scene.album.wait_until_indexed();
    let photos = scene.album.photos().len();
    assert_eq!((&counts["done"], &counts["deferred"]), (&json!(photos), &json!(0)), "{log:?}");
    assert_eq!(scene.get("/coverage")["indexed"], photos, "{log:?}");
    let faces = scene.get("/coverage")["faces"].as_u64().unwrap();
    assert_eq!(scene.stored(&mut service), (photos as u64, faces), "{log:?}");
}

fn step(
    service: &mut Service,
    scene: &WaitingEvent,
    rng: &mut Rng,
    next: &mut usize,
) -> &'static str {
    let album = &scene.album;
    match rng.throw(10) {
        0..4 => {
            *next += 1;
            let bytes = variant(&picture(PHOTOS[*next % 3]), *next);
            album.upload(&format!("{next}.jpg"), &bytes);
            "upload"
        }
        4 => {
            for photo in album.photos() {
                let path = album.path(&format!("/photos/{}", photo["id"].as_str().unwrap()));
                album.client.delete(&path).is(200);
            }
            "delete all"
        }
        5 => {
            scene.change(&json!({ "analysis": "at_upload" })).is(200);
            "at upload"
        }
        6 | 7 => match scene.change(&json!({ "analysis": "at_first_search" })).status {
            200 => "at first search",
            409 => "refused",
            status => panic!("status {status}"),
        },
        8 => {
            scene.control(if rng.one_in(3) { "pause" } else { "resume" });
            "control"
        }
        _ => {
            std::thread::sleep(std::time::Duration::from_millis(rng.throw(300)));
            service.kill();
            service.restart();
            "kill"
        }
    }
}
