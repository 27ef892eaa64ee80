use picpick_tests::album::header;
use picpick_tests::{Client, Request, Service};
use serde_json::{Value, json};

use super::studio::{Studio, VIEW, enter, visitor};

pub fn guessing_is_delayed_and_reported_and_survives_a_restart(mut service: Service) {
    let studio = Studio::new(&service);
    let guesser = service.client();
    for _ in 0..10 {
        enter(&guesser, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    let refused = enter(&guesser, &studio.token, VIEW).fails(429, "too_many_requests");
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 3000, "the delay is an hour");
    let (other, _) = studio.new_link();
    enter(&guesser, &other, VIEW).is(204);
    visitor(&service, &studio).get("/album").is(200);
    // Twenty more wrong PINs from other addresses reach the limit of the album, 30.
    for _ in 0..2 {
        let guesser = service.client();
        for _ in 0..10 {
            enter(&guesser, &studio.token, "000000").fails(401, "wrong_credentials");
        }
    }
    enter(&service.client(), &studio.token, VIEW).fails(429, "too_many_requests");
    service.change_rows(
        "UPDATE pin_attempts SET tat_unix_s = last_attempt_unix_s + 40 * 1800 WHERE subject LIKE 'album:%'",
    );
    service.kill();
    service.restart();
    let refused = enter(&service.client(), &other, VIEW).fails(429, "too_many_requests");
    assert!(
        header(&refused, "retry-after").parse::<u64>().unwrap() > 600,
        "the delay is 15 minutes"
    );
    service.change_rows(
        "UPDATE pin_attempts SET tat_unix_s = tat_unix_s - 3601, last_attempt_unix_s = last_attempt_unix_s - 3601",
    );
    enter(&guesser, &studio.token, VIEW).is(204);
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

/// Moves all recorded PIN attempts `seconds` into the past.
fn shift_attempts(service: &Service, seconds: i64) {
    let rows = service.change_rows(&format!(
        "UPDATE pin_attempts SET tat_unix_s = tat_unix_s - {seconds}, last_attempt_unix_s = last_attempt_unix_s - {seconds}"
    ));
    assert!(rows > 0);
}

pub fn right_pins_cause_no_delay_and_wrong_ones_expire(service: Service) {
    let studio = Studio::new(&service);
    let enter = |pin: &str| enter(&service.client(), &studio.token, pin);
    // 38 counted failures: each further wrong PIN delays the album by 15 minutes.
    enter("000000").fails(401, "wrong_credentials");
    let many = "UPDATE pin_attempts SET tat_unix_s = last_attempt_unix_s + 38 * 1800 WHERE subject LIKE 'album:%'";
    assert_eq!(service.change_rows(many), 1);
    enter(VIEW).fails(429, "too_many_requests");
    shift_attempts(&service, 901);
    // Right PINs cause no delay, whatever their number.
    for _ in 0..5 {
        enter(VIEW).is(204);
    }
    // Right PINs do not reset earlier failures.
    enter("000000").fails(401, "wrong_credentials");
    enter(VIEW).fails(429, "too_many_requests");
    // Failures expire one by one, every 30 minutes, although a visitor mistypes every hour.
    for _ in 0..10 {
        shift_attempts(&service, 2 * 1800);
        enter("000000").fails(401, "wrong_credentials");
    }
    shift_attempts(&service, 2 * 1800);
    for _ in 0..2 {
        enter("000000").fails(401, "wrong_credentials");
        enter(VIEW).is(204);
    }
}

pub fn addresses_of_a_network_share_a_lockout(service: Service) {
    let studio = Studio::new(&service);
    let at = |address: &str| service.client().at(address);
    for nth in 0..10 {
        let one = at(&format!("2001:db8:0:7::{nth:x}"));
        enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    let more = at("2001:db8:0:7:ffff::1");
    enter(&more, &studio.token, VIEW).fails(429, "too_many_requests");
    enter(&at("2001:db8:0:8::1"), &studio.token, VIEW).is(204);
}
