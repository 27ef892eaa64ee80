use picpick_tests::album::header;
use picpick_tests::proof_of_work::{send_with_work, work_for};
use picpick_tests::{Answer, Client, Request, Rng, Service, lockouts};
use serde_json::{Value, json};

use super::pages::Browser;
use super::studio::{ANNOTATE, Studio, VIEW, enter};

/// Enters a PIN; solves a challenge of at most 20 bits.
fn enter_with_work(client: &Client, token: &str, pin: &str) -> Answer {
    let body = json!({ "token": token, "pin": pin });
    send_with_work(client, ("POST", "/album/session"), &body, 20)
}

/// Makes `number` wrong attempts, each from a network and with work of its own.
fn fail(service: &Service, token: &str, number: usize) {
    for _ in 0..number {
        enter_with_work(&service.client(), token, "000000").fails(401, "wrong_credentials");
    }
}

pub fn guessing_is_delayed_and_reported_and_survives_a_restart(mut service: Service) {
    let studio = Studio::new(&service);
    // The typos of a party close no album: 30 of one network, and the right PINs between them.
    let venue = service.client();
    for _ in 0..29 {
        enter(&venue, &studio.token, "000000").fails(401, "wrong_credentials");
        enter(&venue, &studio.token, VIEW).is(204);
    }
    enter(&venue, &studio.token, "000000").fails(401, "wrong_credentials");
    // From then on, a proof of work comes before the PIN is looked at, and no delay.
    enter(&venue, &studio.token, VIEW).fails(428, "proof_of_work_required");
    let known = enter_with_work(&venue, &studio.token, VIEW).is(204).device_cookie();
    enter_with_work(&service.client(), &studio.token, VIEW).is(204);
    // A browser that has entered the album before needs no work.
    enter(&venue.with_cookie(&known), &studio.token, VIEW).is(204);
    // The budget of the link comes last. It delays unknown browsers of all networks, and no other link.
    lockouts::lengthen(&service);
    for client in [&venue, &service.client()] {
        enter(client, &studio.token, VIEW).fails(429, "too_many_requests");
    }
    let (other, _) = studio.new_link();
    enter(&service.client(), &other, VIEW).is(204);
    enter(&venue.with_cookie(&known), &studio.token, VIEW).is(204);
    service.kill();
    service.restart();
    let refused = enter(&service.client(), &studio.token, VIEW).fails(429, "too_many_requests");
    assert!(
        header(&refused, "retry-after").parse::<u64>().unwrap() > 600,
        "the delay is 15 minutes"
    );
    enter(&venue.with_cookie(&known), &other, VIEW).is(204);
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

pub fn a_solution_works_once_for_one_album_and_visit(service: Service) {
    let studio = Studio::new(&service);
    fail(&service, &studio.token, 30);
    let client = service.client();
    let ask = |client: &Client, token: &str, pin: &str, work: &Value| {
        client.post("/album/session", &json!({ "token": token, "pin": pin, "work": work }))
    };
    let refused = enter(&client, &studio.token, VIEW).fails(428, "proof_of_work_required");
    let work = work_for(&refused, 20).expect("a challenge of 16 bits");
    let nonce = work["nonce"].as_u64().unwrap();
    for (name, changed) in [
        ("nonce", json!(nonce + 1)),
        ("challenge", json!("")),
        ("challenge", json!("A".repeat(39))),
        ("challenge", json!(format!("B{}", &work["challenge"].as_str().unwrap()[1..]))),
    ] {
        let mut other = work.clone();
        other[name] = changed;
        ask(&client, &studio.token, VIEW, &other).fails(428, "proof_of_work_required");
    }
    // A solution of another visit, and of another album, is none.
    ask(&service.client(), &studio.token, VIEW, &work).fails(428, "proof_of_work_required");
    let new = json!({ "name": "Other", "view_pin": VIEW });
    let album = studio.owner.client.post(&studio.photos.path("/albums"), &new).is(201).field("id");
    let links = studio.photos.path(&format!("/albums/{album}/links"));
    let link = studio.owner.client.post(&links, &json!({ "name": "Family" })).is(201);
    let other = link.field("token");
    fail(&service, &other, 30);
    ask(&client, &other, VIEW, &work).fails(428, "proof_of_work_required");
    // Each solution is for one look at the PIN, also for concurrent requests.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let one = || scope.spawn(|| ask(&client, &studio.token, "000000", &work).status);
        let all: Vec<_> = (0..6).map(|_| one()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(401), count(428)), (1, 5), "{statuses:?}");
    // A solution of a challenge that failures have made too easy is refused.
    let refused = enter(&client, &studio.token, VIEW).fails(428, "proof_of_work_required");
    let work = work_for(&refused, 20).expect("a challenge of 16 bits");
    let raised =
        "UPDATE lockouts SET tat_unix_s = tat_unix_s + 100 * 900 WHERE subject LIKE '%:link:%'";
    assert!(service.change_rows(raised) > 0);
    let refused = ask(&client, &studio.token, VIEW, &work).fails(428, "proof_of_work_required");
    assert_eq!(refused.document()["challenge"]["bits"], 19);
    enter_with_work(&client, &studio.token, VIEW).is(204);
    // The second PIN has the same guard; the visit is the session.
    let inside = visitor_with(&client, &studio.token);
    let named = json!({ "pin": ANNOTATE, "name": "Asha" });
    inside.put("/album/annotator", &named).fails(428, "proof_of_work_required");
    send_with_work(&inside, ("PUT", "/album/annotator"), &named, 20).is(204);
}

/// Opens an album session with work, from the address of `client`.
fn visitor_with(client: &Client, token: &str) -> Client {
    client.with_cookie(&enter_with_work(client, token, VIEW).is(204).cookie())
}

/// Guests enter between the guesses of one who is at the venue, at many addresses or both.
pub fn an_album_with_a_guesser_stays_usable(service: Service) {
    let studio = Studio::new(&service);
    let venue = service.client();
    let mut rng = Rng::seeded("an_album_with_a_guesser_stays_usable");
    let (mut guesses, mut guests) = (0, 0);
    for _ in 0..90 {
        let client = if rng.one_in(2) { venue.clone() } else { service.client() };
        if rng.one_in(4) {
            let typo = rng.one_in(5);
            if typo {
                let typed = enter_with_work(&client, &studio.token, "482931");
                typed.fails(401, "wrong_credentials");
            }
            enter_with_work(&client, &studio.token, VIEW).is(204);
            guests += 1;
        } else {
            guesses += usize::from(enter_with_work(&client, &studio.token, "000000").status == 401);
        }
    }
    assert!(guesses > 30 && guests > 5, "{guesses} guesses, {guests} guests");
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

pub fn a_visit_is_delayed_alone_and_its_failures_expire(service: Service) {
    let studio = Studio::new(&service);
    service.remember(&studio.token);
    let path = format!("/a/{}", studio.token);
    let visit = |client: &Client| client.with_cookie(&Browser::new(&service).visit_cookie(&path));
    let venue = service.client();
    let (one, other) = (visit(&venue), visit(&venue));
    assert_ne!(one.cookie(), other.cookie());
    for _ in 0..5 {
        enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    let refused = enter(&one, &studio.token, VIEW).fails(429, "too_many_requests");
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() <= 5);
    // Other visits of the network are not delayed, and neither is a visit of another album by an invented cookie.
    enter(&other, &studio.token, VIEW).is(204);
    enter(&venue, &studio.token, VIEW).is(204);
    let cookie_name = one.cookie().unwrap().split_once('=').unwrap().0.to_owned();
    enter(&venue.with_cookie(&format!("{cookie_name}=00ff")), &studio.token, VIEW).is(204);
    lockouts::shift(&service, 6);
    enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    lockouts::shift(&service, 6);
    enter(&one, &studio.token, VIEW).fails(429, "too_many_requests");
    lockouts::shift(&service, 601);
    // Right PINs cause no delay, whatever their number, and do not reset earlier failures.
    for _ in 0..5 {
        enter(&one, &studio.token, VIEW).is(204);
    }
    // Failures expire one by one: a visitor who mistypes every ten minutes never waits.
    for _ in 0..20 {
        lockouts::shift(&service, 600);
        enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
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

pub fn addresses_of_a_network_share_a_counter(service: Service) {
    let studio = Studio::new(&service);
    let at = |address: &str| service.client().at(address);
    for nth in 0..30 {
        let one = at(&format!("2001:db8:0:7::{nth:x}"));
        enter(&one, &studio.token, "000000").fails(401, "wrong_credentials");
    }
    service.change_rows("DELETE FROM lockouts WHERE subject NOT LIKE '%network%'");
    let more = at("2001:db8:0:7:ffff::1");
    enter(&more, &studio.token, VIEW).fails(428, "proof_of_work_required");
    enter(&at("2001:db8:0:8::1"), &studio.token, VIEW).is(204);
    enter_with_work(&more, &studio.token, VIEW).is(204);
}
