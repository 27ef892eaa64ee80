//! Things that happen at the same moment: two change an album, or somebody enters while the studio closes the door.
//!
//! A PIN's hash takes some tenths of a second, and that is when the other one comes. No pause here decides whether a
//! test passes, only how often it meets that moment.

use std::thread::{scope, sleep};
use std::time::Duration;

use picpick_tests::Service;
use serde_json::json;

use super::studio::{ANNOTATE, Studio, VIEW, knock, visitor};

const ROUNDS: u64 = 8;

pub fn changes_at_once_all_count(service: Service) {
    let studio = Studio::new(&service);
    for round in 0..ROUNDS {
        let (name, pin) = (format!("Album {round}"), format!("10000{round}"));
        scope(|threads| {
            threads.spawn(|| studio.change(&json!({ "view_pin": pin })).is(200));
            sleep(Duration::from_millis(5 * round));
            studio.change(&json!({ "name": name, "downloads_max": round + 1 })).is(200);
        });
        let album = studio.owner.client.get(&studio.path("")).is(200).document();
        assert_eq!((&album["name"], &album["downloads_max"]), (&json!(name), &json!(round + 1)));
        knock(&service.client(), &studio.token, &pin).is(204);
    }
    // Both PINs become the same one at the same moment: one of the changes does not happen.
    let changed = |what: &str| studio.change(&json!({ what: "777777" })).status;
    let (view, annotate) = scope(|threads| {
        let view = threads.spawn(|| changed("view_pin"));
        let annotate = changed("annotate_pin");
        (view.join().unwrap(), annotate)
    });
    let refused = |status: u16| status == 409 || status == 422;
    let one = (view == 200 && refused(annotate)) || (annotate == 200 && refused(view));
    assert!(one, "{view} {annotate}");
}

pub fn whoever_enters_while_the_door_closes_is_out(service: Service) {
    let studio = Studio::new(&service);
    let mut pin = VIEW.to_owned();
    for round in 0..ROUNDS {
        let (next, client) = (format!("20000{round}"), service.client());
        let entered = scope(|threads| {
            let entered = threads.spawn(|| knock(&client, &studio.token, &pin));
            sleep(Duration::from_millis(round));
            studio.change(&json!({ "view_pin": next })).is(200);
            entered.join().unwrap()
        });
        match entered.status {
            204 => {
                client.with_cookie(&entered.cookie()).get("/album").fails(401, "signed_out");
            }
            status => assert!([401, 410].contains(&status), "{entered:?}"),
        }
        pin = next;
    }
    studio.change(&json!({ "view_pin": VIEW })).is(200);
    for round in 0..ROUNDS {
        let (token, link) = studio.new_link();
        let (inside, client) = (visitor(&service, &studio), service.client());
        let second = json!({ "pin": ANNOTATE, "name": "Asha" });
        // Whatever is refused here, the service has not failed.
        scope(|threads| {
            let entered = threads.spawn(|| knock(&client, &token, VIEW).status);
            let named = threads.spawn(|| inside.put("/album/annotator", &second).status);
            sleep(Duration::from_millis(10 * round));
            studio.owner.client.delete(&studio.path(&format!("/links/{link}"))).is(204);
            inside.delete("/album/session");
            let (entered, named) = (entered.join().unwrap(), named.join().unwrap());
            assert!([204, 410].contains(&entered), "{entered}");
            assert!([204, 401, 410].contains(&named), "{named}");
        });
    }
}
