//! PINs and cookies: how often somebody may be wrong, who is counted as one, what opens an album and what does not.

use picpick_tests::album::header;
use picpick_tests::{Client, Request, Service};
use serde_json::{Value, json};

use super::studio::{Studio, VIEW, knock, visitor};

pub fn guessing_is_slowed_and_told_and_a_restart_forgives_nobody(mut service: Service) {
    let studio = Studio::new(&service);
    let guesser = service.client();
    for _ in 0..10 {
        knock(&guesser, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    let refused = knock(&guesser, &studio.token, VIEW).fails(429, "too_many_requests");
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 3000, "an hour");
    let (other, _) = studio.new_link();
    knock(&guesser, &other, VIEW).is(204);
    visitor(&service, &studio).get("/album").is(200);
    // From other addresses, too, the album has had enough after some more.
    for _ in 0..2 {
        let guesser = service.client();
        for _ in 0..10 {
            knock(&guesser, &studio.token, "000000").fails(401, "wrong_credentials");
        }
    }
    knock(&service.client(), &studio.token, VIEW).fails(429, "too_many_requests");
    service.change_rows(
        "UPDATE leaking_tries SET whole_unix_s = last_unix_s + 40 * 1800 WHERE subject LIKE 'album:%'",
    );
    service.kill();
    service.restart();
    let refused = knock(&service.client(), &other, VIEW).fails(429, "too_many_requests");
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 600, "a quarter of an hour");
    service.change_rows(
        "UPDATE leaking_tries SET whole_unix_s = whole_unix_s - 3601, last_unix_s = last_unix_s - 3601",
    );
    knock(&guesser, &studio.token, VIEW).is(204);
    let path = format!("/studios/{}/alerts", studio.owner.studio());
    let told = |alert: &Value| {
        alert["pattern"] == "account_guessing"
            && alert["subject"] == format!("album:{}", studio.album)
    };
    let begun = std::time::Instant::now();
    while !studio.owner.client.get(&path).is(200).items().iter().any(told) {
        assert!(begun.elapsed().as_secs() < 60, "no alert tells of it");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

pub fn a_plain_cookie_opens_nothing_where_the_connection_is_encrypted(service: Service) {
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
    // Such a cookie may be somebody else's, put there from a neighbouring host or over a plain connection.
    ask(&client.with_cookie(plain), "/album", None).fails(401, "signed_out");
    let both = client.with_cookie(&format!("{plain}x; {cookie}"));
    ask(&both, "/album", None).is(200);
    let session = studio.owner.client.cookie().unwrap();
    assert!(session.starts_with("picpick_session="), "signed in over a plain connection");
    ask(&studio.owner.client, "/me", None).fails(401, "signed_out");
    ask(&client.with_cookie(&format!("__Host-{session}")), "/me", None).is(200);
    studio.owner.client.get("/me").is(200);
}

/// As if so many seconds had passed since the last try at a PIN.
fn let_pass(service: &Service, seconds: i64) {
    let rows = service.change_rows(&format!(
        "UPDATE leaking_tries SET whole_unix_s = whole_unix_s - {seconds}, last_unix_s = last_unix_s - {seconds}"
    ));
    assert!(rows > 0);
}

pub fn right_pins_keep_nobody_out_and_wrong_ones_are_forgotten(service: Service) {
    let studio = Studio::new(&service);
    let knock = |pin: &str| knock(&service.client(), &studio.token, pin);
    // A wedding's worth of mistypes: the album waits a quarter of an hour after each further one.
    knock("000000").fails(401, "wrong_credentials");
    let many = "UPDATE leaking_tries SET whole_unix_s = last_unix_s + 38 * 1800 WHERE subject LIKE 'album:%'";
    assert_eq!(service.change_rows(many), 1);
    knock(VIEW).fails(429, "too_many_requests");
    let_pass(&service, 901);
    // Whoever knows the PIN makes nobody wait who does, however many come.
    for _ in 0..5 {
        knock(VIEW).is(204);
    }
    // Nor does their coming forgive what was wrong.
    knock("000000").fails(401, "wrong_credentials");
    knock(VIEW).fails(429, "too_many_requests");
    // Within hours all of it is forgotten, one after the other, although somebody mistypes now and then.
    for _ in 0..10 {
        let_pass(&service, 2 * 1800);
        knock("000000").fails(401, "wrong_credentials");
    }
    let_pass(&service, 2 * 1800);
    for _ in 0..2 {
        knock("000000").fails(401, "wrong_credentials");
        knock(VIEW).is(204);
    }
}

pub fn a_network_is_one_guesser(service: Service) {
    let studio = Studio::new(&service);
    let at = |address: &str| service.client().at(address);
    for nth in 0..10 {
        let one = at(&format!("2001:db8:0:7::{nth:x}"));
        knock(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    let more = at("2001:db8:0:7:ffff::1");
    knock(&more, &studio.token, VIEW).fails(429, "too_many_requests");
    knock(&at("2001:db8:0:8::1"), &studio.token, VIEW).is(204);
}
