//! Races: concurrent changes of an album, and visitors who enter while the studio revokes access.
//!
//! Hashing a PIN takes tenths of a second, which is the window of each race. The pauses only change how
//! often a round hits the window; the assertions hold for any timing.

use std::thread::{scope, sleep};
use std::time::Duration;

use picpick_tests::Service;
use serde_json::json;

use super::studio::{ANNOTATE, Studio, VIEW, enter, visitor};

/// Number of rounds of each race, each with a different pause.
const ROUNDS: u64 = 8;

pub fn concurrent_changes_all_apply(service: Service) {
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
        enter(&service.client(), &studio.token, &pin).is(204);
    }
    // Both PINs are set to the same value concurrently: exactly one change succeeds.
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

pub fn an_entry_during_a_revocation_gives_no_access(service: Service) {
    let studio = Studio::new(&service);
    let mut pin = VIEW.to_owned();
    for round in 0..ROUNDS {
        let (next, client) = (format!("20000{round}"), service.client());
        let entered = scope(|threads| {
            let entered = threads.spawn(|| enter(&client, &studio.token, &pin));
            sleep(Duration::from_millis(round));
            studio.change(&json!({ "view_pin": next })).is(200);
            entered.join().unwrap()
        });
        match entered.status {
            204 => {
                client.with_cookie(&entered.cookie()).get("/album").fails(401, "unauthenticated");
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
        // Each request either succeeds or is rejected; none ends in a server error.
        scope(|threads| {
            let entered = threads.spawn(|| enter(&client, &token, VIEW).status);
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
