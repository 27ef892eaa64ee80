use picpick_tests::album::header;
use picpick_tests::{Client, Request, Service, lockouts};
use serde_json::{Value, json};

use super::studio::{Studio, VIEW, enter, visitor};

pub fn guessing_is_delayed_and_reported_and_survives_a_restart(mut service: Service) {
    let studio = Studio::new(&service);
    // The typos of a party close no album: 30 of one network, and the right PINs between them.
    let venue = service.client();
    for _ in 0..29 {
        enter(&venue, &studio.token, "000000").fails(401, "wrong_credentials");
        enter(&venue, &studio.token, VIEW).is(204);
    }
    enter(&venue, &studio.token, "000000").fails(401, "wrong_credentials");
    let known = enter(&service.client(), &studio.token, VIEW).is(204).device_cookie();
    visitor(&service, &studio).get("/album").is(200);
    lockouts::lengthen(&service);
    // All links of the album share the lockout of the network.
    let (other, _) = studio.new_link();
    for token in [&studio.token, &other] {
        enter(&venue, token, VIEW).fails(429, "too_many_requests");
    }
    // A browser that has entered the album before gets in, also from the network of the guesser.
    enter(&venue.with_cookie(&known), &studio.token, VIEW).is(204);
    service.kill();
    service.restart();
    let refused = enter(&service.client(), &other, VIEW).fails(429, "too_many_requests");
    assert!(
        header(&refused, "retry-after").parse::<u64>().unwrap() > 600,
        "the delay is 15 minutes"
    );
    enter(&venue.with_cookie(&known), &other, VIEW).is(204);
    lockouts::shift(&service, 3601);
    enter(&venue, &studio.token, VIEW).is(204);
    let path = format!("/studios/{}/alerts", studio.owner.studio());
    let is_guessing_alert = |alert: &Value| {
        alert["pattern"] == "account_guessing"
            && alert["subject"] == format!("album:{}", studio.album)
    };
    let begun = std::time::Instant::now();
    while !studio.owner.client.get(&path).is(200).items().iter().any(is_guessing_alert) {
        assert!(begun.elapsed().as_secs() < 60, "no alert within 60 s");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

pub fn a_cookie_without_the_host_prefix_is_ignored_over_https(service: Service) {
    let studio = Studio::new(&service);
    let client = service.client();
    let ask = |client: &Client, path: &str, body: Option<Value>| {
        let body = body.map(|body| ("application/json".into(), body.to_string().into_bytes()));
        let method = if body.is_some() { "POST" } else { "GET" }.into();
        let headers = vec![("x-forwarded-proto".into(), "https".into())];
        client.send(Request { method, path: path.into(), headers, body })
    };
    let entry = json!({ "token": studio.token, "pin": VIEW });
    let cookie = ask(&client, "/album/session", Some(entry)).is(204).cookie();
    let plain = cookie.strip_prefix("__Host-").unwrap();
    ask(&client.with_cookie(&cookie), "/album", None).is(200);
    // A cookie without the prefix `__Host-` may have been set by a sibling host or over an unencrypted
    // connection, so it is ignored over HTTPS.
    ask(&client.with_cookie(plain), "/album", None).fails(401, "unauthenticated");
    let both = client.with_cookie(&format!("{plain}x; {cookie}"));
    ask(&both, "/album", None).is(200);
    let session = studio.owner.client.cookie().unwrap();
    assert!(session.starts_with("picpick_session="), "signed in over an unencrypted connection");
    ask(&studio.owner.client, "/me", None).fails(401, "unauthenticated");
    ask(&client.with_cookie(&format!("__Host-{session}")), "/me", None).is(200);
    studio.owner.client.get("/me").is(200);
}

pub fn right_pins_cause_no_delay_and_wrong_ones_expire(service: Service) {
    let studio = Studio::new(&service);
    let enter = |pin: &str| enter(&service.client(), &studio.token, pin);
    enter("000000").fails(401, "wrong_credentials");
    lockouts::lengthen(&service);
    enter(VIEW).fails(429, "too_many_requests");
    lockouts::shift(&service, 901);
    // Right PINs cause no delay, whatever their number.
    for _ in 0..5 {
        enter(VIEW).is(204);
    }
    // Right PINs do not reset earlier failures.
    enter("000000").fails(401, "wrong_credentials");
    enter(VIEW).fails(429, "too_many_requests");
    // Failures expire one by one, every 15 minutes, although a visitor mistypes every half hour.
    for _ in 0..20 {
        lockouts::shift(&service, 2 * 900);
        enter("000000").fails(401, "wrong_credentials");
    }
    lockouts::shift(&service, 2 * 900);
    for _ in 0..2 {
        enter("000000").fails(401, "wrong_credentials");
        enter(VIEW).is(204);
    }
}

pub fn a_changed_pin_makes_known_browsers_strangers(service: Service) {
    let studio = Studio::new(&service);
    let known = enter(&service.client(), &studio.token, VIEW).is(204).device_cookie();
    enter(&service.client(), &studio.token, "000000").fails(401, "wrong_credentials");
    lockouts::lengthen(&service);
    let client = service.client().with_cookie(&known);
    enter(&client, &studio.token, VIEW).is(204);
    // A cookie of another album, or an invented one, is none.
    let new = json!({ "name": "Other", "view_pin": VIEW });
    let album = studio.owner.client.post(&studio.photos.path("/albums"), &new).is(201).field("id");
    let links = studio.photos.path(&format!("/albums/{album}/links"));
    let link = studio.owner.client.post(&links, &json!({ "name": "Family" })).is(201);
    let other = enter(&service.client(), &link.field("token"), VIEW).is(204).device_cookie();
    let cookie_name = known.split_once('=').unwrap().0;
    for cookie in [format!("{cookie_name}=00ff"), format!("{cookie_name}="), other] {
        let client = service.client().with_cookie(&cookie);
        enter(&client, &studio.token, VIEW).fails(429, "too_many_requests");
    }
    studio.change(&json!({ "view_pin": "135790" })).is(200);
    enter(&client, &studio.token, "135790").fails(429, "too_many_requests");
}

pub fn addresses_of_a_network_share_a_lockout(service: Service) {
    let studio = Studio::new(&service);
    let at = |address: &str| service.client().at(address);
    for nth in 0..30 {
        let one = at(&format!("2001:db8:0:7::{nth:x}"));
        enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    lockouts::lengthen(&service);
    service.change_rows("DELETE FROM lockouts WHERE subject NOT LIKE '%network%'");
    let more = at("2001:db8:0:7:ffff::1");
    enter(&more, &studio.token, VIEW).fails(429, "too_many_requests");
    enter(&at("2001:db8:0:8::1"), &studio.token, VIEW).is(204);
}
