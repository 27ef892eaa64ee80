use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::{Person, Request, Service, on_both_databases};
use serde_json::{Value, json};
use totp_rs::Totp;

on_both_databases!(
    the_setup_link_works_once,
    a_restart_replaces_the_setup_link,
    a_failed_sign_in_discloses_nothing,
    guessing_is_locked_out_across_a_restart,
    one_address_cannot_guess_at_many_accounts,
    sessions_end,
    an_expired_session_is_rejected,
    a_new_password_ends_the_other_sessions,
    cross_site_requests_change_nothing,
    sign_in_requires_the_second_factor_and_codes_are_single_use,
    a_new_password_requires_the_second_factor,
    guessing_the_second_factor_is_locked_out,
    users_rename_themselves,
    acknowledged_writes_survive_a_kill,
    an_account_export_holds_own_data_only,
);

fn setup(token: &str) -> Value {
    json!({ "token": token, "email": new_email(), "name": "A", "password": new_password(), "studio": "S" })
}

fn the_setup_link_works_once(mut service: Service) {
    let token = service.setup_token();
    let client = service.client();
    client.post("/setup", &setup("pps_wrong-wrong-wrong")).fails(410, "gone");
    let short = json!({ "token": token, "email": new_email(), "name": "A", "password": "short", "studio": "S" });
    client.post("/setup", &short).fails(422, "invalid");
    // Rejected requests do not use up the link.
    let body = setup(&token);
    let answer = client.post("/setup", &body).is(201);
    assert_eq!(answer.field("email"), body["email"].as_str().unwrap());
    let owner = client.with_cookie(&answer.cookie());
    assert_eq!(owner.get("/me").is(200).field("id"), answer.field("id"));
    assert_eq!(owner.get("/studios").is(200).items().len(), 1);
    client.post("/setup", &setup(&token)).fails(410, "gone");
    // Once there is an account, a start creates no setup link.
    assert_eq!(service.stop(), Some(0));
    service.restart();
    client.post("/setup", &setup(&token)).fails(410, "gone");
    assert_eq!(service.number("SELECT COUNT(*) FROM users"), 1);
    assert_eq!(service.number("SELECT COUNT(*) FROM account_links"), 0);
}

fn a_restart_replaces_the_setup_link(mut service: Service) {
    let first = service.setup_token();
    service.kill();
    service.restart();
    let second = service.setup_token();
    assert_ne!(first, second);
    service.client().post("/setup", &setup(&first)).fails(410, "gone");
    // A setup link expires after a week.
    assert_eq!(service.change_rows("UPDATE account_links SET expires_unix_s = 1"), 1);
    service.client().post("/setup", &setup(&second)).fails(410, "gone");
}

fn a_failed_sign_in_discloses_nothing(service: Service) {
    let owner = service.owner();
    let wrong = owner.try_sign_in("not the password", None).fails(401, "wrong_credentials");
    let body = json!({ "email": new_email(), "password": "not the password" });
    let unknown = owner.client.signed_out().post("/session", &body).fails(401, "wrong_credentials");
    assert_eq!(
        wrong.body, unknown.body,
        "the response does not disclose whether the account exists"
    );
    assert!(wrong.headers.get("set-cookie").is_none());
    assert_eq!(wrong.headers["cache-control"], "no-store");
    owner.client.signed_out().get("/me").fails(401, "unauthenticated");
    owner
        .client
        .with_cookie("picpick_session=ppc_made-up-made-up")
        .get("/me")
        .fails(401, "unauthenticated");
    owner.client.with_key("ppk_made-up-made-up").get("/studios").fails(401, "unauthenticated");
    let set = owner.try_sign_in(&owner.password, None).is(201);
    let cookie = set.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

/// Fails to sign in as `person` five times from different addresses, then signs in with the right password.
/// Returns the last status; `None` if the machine was so slow that the delay may have ended.
fn guess(service: &Service, person: &Person) -> Option<u16> {
    let mut begun = Instant::now();
    for _ in 0..5 {
        begun = Instant::now();
        let guesser = Person { client: service.client(), ..person.clone() };
        guesser.try_sign_in("not the password", None).fails(401, "wrong_credentials");
    }
    conclusive(service, person, begun)
}

/// Signs in with the right password. Returns the status; `None` if more than 25 s have passed since `begun`,
/// because the delay of 30 s may then have ended.
fn conclusive(service: &Service, person: &Person, begun: Instant) -> Option<u16> {
    let answer =
        Person { client: service.client(), ..person.clone() }.try_sign_in(&person.password, None);
    if answer.status == 429 {
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
    }
    (begun.elapsed() < Duration::from_secs(25)).then_some(answer.status)
}

fn guessing_is_locked_out_across_a_restart(mut service: Service) {
    let owner = service.owner();
    let other = service.member(&owner, &owner.studio(), "viewer", None);
    let mut tried = (guess(&service, &owner), Instant::now());
    while tried.0.is_none() {
        service.change_rows("DELETE FROM login_failures");
        tried = (guess(&service, &owner), Instant::now());
    }
    assert_eq!(tried.0, Some(429), "the sixth attempt is delayed although its password is right");
    other.sign_in();
    service.kill();
    service.restart();
    // The last failure is set to now, so that a slow start of the service does not end the delay.
    let now = now_s();
    assert!(
        service.change_rows(&format!(
            "UPDATE login_failures SET last_failure_unix_s = {now} WHERE failures >= 5"
        )) >= 1
    );
    let after = conclusive(&service, &owner, Instant::now());
    assert!(matches!(after, Some(429) | None), "{after:?}");
    // After the delay the right password is accepted and resets the failures.
    service.change_rows(&format!("UPDATE login_failures SET last_failure_unix_s = {}", now - 31));
    Person { client: service.client(), ..owner.clone() }.sign_in();
    let guesser = Person { client: service.client(), ..owner.clone() };
    guesser.try_sign_in("not the password", None).fails(401, "wrong_credentials");
    Person { client: service.client(), ..owner }.sign_in();
}

fn one_address_cannot_guess_at_many_accounts(service: Service) {
    let owner = service.owner();
    let guesser = service.client();
    let guess = || {
        let begun = Instant::now();
        let body = json!({ "email": new_email(), "password": "not the password" });
        (guesser.post("/session", &body).status, begun)
    };
    let mut last = Instant::now();
    for _ in 0..5 {
        let (status, begun) = guess();
        assert_eq!(status, 401);
        last = begun;
    }
    let (status, _) = guess();
    assert!(status == 429 || last.elapsed() > Duration::from_secs(25), "{status}");
    // Other clients are not delayed.
    owner.sign_in();
}

fn sessions_end(service: Service) {
    let owner = service.owner();
    let (second, third) = (owner.sign_in(), owner.sign_in());
    let sessions = second.get("/me/sessions").is(200).items();
    assert_eq!(sessions.len(), 3);
    let current: Vec<&Value> =
        sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    let id = current[0]["id"].as_str().unwrap();
    owner.client.delete(&format!("/me/sessions/{id}")).is(204);
    second.get("/me").fails(401, "unauthenticated");
    owner.client.delete(&format!("/me/sessions/{id}")).fails(404, "not_found");
    let answer = third.delete("/session").is(204);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    third.get("/me").fails(401, "unauthenticated");
    third.delete("/session").fails(401, "unauthenticated");
    assert_eq!(owner.client.get("/me/sessions").is(200).items().len(), 1);
}

fn an_expired_session_is_rejected(service: Service) {
    let owner = service.owner();
    let (idle, old) = (owner.sign_in(), owner.sign_in());
    let id_of = |client: &picpick_tests::Client| {
        let sessions = client.get("/me/sessions").is(200).items();
        let own = sessions.into_iter().find(|session| session["current"] == true).unwrap();
        own["id"].as_str().unwrap().to_owned()
    };
    let (idle_id, old_id) = (id_of(&idle), id_of(&old));
    let unused = now_s() - 15 * 86_400;
    service
        .change_rows(&format!("UPDATE sessions SET seen_unix_s = {unused} WHERE id = '{idle_id}'"));
    idle.get("/me").fails(401, "unauthenticated");
    service.change_rows(&format!("UPDATE sessions SET expires_unix_s = 1 WHERE id = '{old_id}'"));
    old.get("/me").fails(401, "unauthenticated");
    owner.client.get("/me").is(200);
}

fn a_new_password_ends_the_other_sessions(service: Service) {
    let mut owner = service.owner();
    let other = owner.sign_in();
    let new = new_password();
    let wrong = json!({ "current": "not the password", "new": new });
    owner.client.put("/me/password", &wrong).fails(403, "forbidden");
    let short = json!({ "current": owner.password, "new": "short" });
    owner.client.put("/me/password", &short).fails(422, "invalid");
    other.get("/me").is(200);
    let right = json!({ "current": owner.password, "new": new });
    owner.client.put("/me/password", &right).is(204);
    other.get("/me").fails(401, "unauthenticated");
    owner.client.get("/me").is(200);
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    owner.password = new;
    owner.sign_in();
}

fn cross_site_requests_change_nothing(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let own = service.address();
    let send = |method: &str, headers: &[(&str, &str)], path: &str, body: Option<Value>| {
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let body = body.map(|body| ("application/json".to_owned(), body.to_string().into_bytes()));
        owner.client.send(Request { method: method.into(), path: path.into(), headers, body })
    };
    let (path, name) = (format!("/studios/{studio}"), Some(json!({ "name": "Taken over" })));
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://other.example")],
        &[("origin", "null")],
    ] {
        send("PATCH", headers, &path, name.clone()).fails(403, "cross_site");
        send("POST", headers, "/studios", name.clone()).fails(403, "cross_site");
        send("PUT", headers, "/me/password", name.clone()).fails(403, "cross_site");
        send("DELETE", headers, "/session", None).fails(403, "cross_site");
    }
    assert_eq!(owner.client.get(&path).is(200).field("name"), "First Light");
    assert_eq!(owner.client.get("/studios").is(200).items().len(), 1);
    send("GET", &[("sec-fetch-site", "cross-site")], &path, None).is(200);
    send("PATCH", &[("origin", &own)], &path, Some(json!({ "name": "Own page" }))).is(200);
    send("PATCH", &[("sec-fetch-site", "same-origin")], &path, Some(json!({ "name": "Own page" })))
        .is(200);
    // A form of another site can only send content types such as `text/plain`, which are rejected.
    let form = Request {
        method: "POST".into(),
        path: "/session".into(),
        body: Some(("text/plain".into(), br#"{"email":"a@b.example","password":"x"}"#.to_vec())),
        ..Request::default()
    };
    owner.client.signed_out().send(form).fails(415, "unsupported_media_type");
    // Requests with an API key carry no cookie, so another site cannot make a browser send one.
    let key = owner.new_key(&studio, "owner", None).is(201).field("key");
    let keyed = owner.client.with_key(&key);
    let request = Request {
        method: "PATCH".into(),
        path,
        headers: vec![("sec-fetch-site".into(), "cross-site".into())],
        body: Some((
            "application/json".into(),
            json!({ "name": "By key" }).to_string().into_bytes(),
        )),
    };
    keyed.send(request).is(200);
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the app's code at the time `steps` × 30 s from now.
fn code(app: &Totp, steps: u64) -> String {
    app.generate(now_s() + 30 * steps).to_string()
}

fn sign_in_requires_the_second_factor_and_codes_are_single_use(service: Service) {
    let owner = service.owner();
    let client = &owner.client;
    let path = "/me/second-factor";
    client.put(path, &json!({ "code": "000000" })).fails(409, "conflict");
    let url = client.json("POST", path, None).is(201).field("otpauth_url");
    let app = Totp::from_url(&url).unwrap();
    // Before its confirmation, the second factor is not required and its setup can be restarted.
    owner.sign_in();
    assert_eq!(client.get("/me").is(200).document()["second_factor"], false);
    let wrong = code(&app, 1000);
    client.put(path, &json!({ "code": wrong })).fails(403, "forbidden");
    let first = code(&app, 0);
    client.put(path, &json!({ "code": first })).is(204);
    assert_eq!(client.get("/me").is(200).document()["second_factor"], true);
    client.json("POST", path, None).fails(409, "conflict");
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&wrong)).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&first)).fails(401, "wrong_credentials");
    // A code of the next step is accepted, because clocks may differ.
    let second = code(&app, 1);
    owner.try_sign_in("not the password", Some(&second)).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&second)).is(201);
    owner.try_sign_in(&owner.password, Some(&second)).fails(401, "wrong_credentials");
    client.json("DELETE", path, Some(&json!({ "code": second }))).fails(403, "forbidden");
    // Resets the last used step, so that the current code counts as unused.
    service.change_rows("UPDATE users SET totp_step = 0");
    let last = code(&app, 0);
    client.json("DELETE", path, Some(&json!({ "code": last }))).is(204);
    service.change_rows("DELETE FROM login_failures");
    owner.sign_in();
    let secrets = service.number("SELECT COUNT(*) FROM users WHERE totp_secret IS NOT NULL");
    assert_eq!(secrets, 0, "the secret is deleted with the second factor");
}

/// Sets up a second factor for `person` and resets the last used step, so that the current code counts as
/// unused.
fn with_second_factor(service: &Service, person: &Person) -> Totp {
    let begun = person.client.json("POST", "/me/second-factor", None).is(201);
    assert!(begun.field("qr_svg").contains("<svg"), "{begun:?}");
    let app = Totp::from_url(begun.field("otpauth_url")).unwrap();
    person.client.put("/me/second-factor", &json!({ "code": code(&app, 0) })).is(204);
    service.change_rows("UPDATE users SET totp_step = 0");
    app
}

fn a_new_password_requires_the_second_factor(service: Service) {
    let mut owner = service.owner();
    let app = with_second_factor(&service, &owner);
    let other = owner.client.clone();
    let new = new_password();
    let change = |current: &str, new: &str, code: Option<&str>| {
        let body = json!({ "current": current, "new": new, "code": code });
        other.put("/me/password", &body)
    };
    let right = code(&app, 0);
    change(&owner.password, &new, None).fails(403, "forbidden");
    change(&owner.password, &new, Some(&code(&app, 1000))).fails(403, "forbidden");
    // A request with a wrong password, or with a new password that is too short, does not use up the code.
    change("not the password", &new, Some(&right)).fails(403, "forbidden");
    change(&owner.password, "short", Some(&right)).fails(422, "invalid");
    change(&owner.password, &new, Some(&right)).is(204);
    owner.password = new;
    change(&owner.password, &new_password(), Some(&right)).fails(403, "forbidden");
    owner.try_sign_in(&owner.password, Some(&code(&app, 1))).is(201);
}

fn guessing_the_second_factor_is_locked_out(service: Service) {
    let owner = service.owner();
    let app = with_second_factor(&service, &owner);
    let path = "/me/second-factor";
    let remove = |code: &str| owner.client.json("DELETE", path, Some(&json!({ "code": code })));
    for _ in 0..5 {
        remove(&code(&app, 1000)).fails(403, "forbidden");
    }
    // The last failure is moved into the future, so that the delay of 30 s cannot end on a slow machine.
    let ahead = format!("UPDATE login_failures SET last_failure_unix_s = {}", now_s() + 1000);
    assert_eq!(service.change_rows(&ahead), 1);
    remove(&code(&app, 0)).fails(429, "too_many_requests");
    assert_eq!(owner.client.get("/me").is(200).document()["second_factor"], true);
    service
        .change_rows(&format!("UPDATE login_failures SET last_failure_unix_s = {}", now_s() - 31));
    remove(&code(&app, 0)).is(204);
}

fn users_rename_themselves(service: Service) {
    let owner = service.owner();
    let renamed = owner.client.patch("/me", &json!({ "name": " Asha " })).is(200);
    assert_eq!(renamed.field("name"), "Asha");
    assert_eq!(owner.client.patch("/me", &json!({})).is(200).field("name"), "Asha");
    for bad in ["", "  ", &"x".repeat(201)] {
        owner.client.patch("/me", &json!({ "name": bad })).fails(422, "invalid");
    }
    let studio = owner.studio();
    let members = owner.client.get(&format!("/studios/{studio}/members")).is(200).items();
    assert_eq!(members[0]["name"], "Asha");
    owner.client.signed_out().patch("/me", &json!({ "name": "A" })).fails(401, "unauthenticated");
}

fn acknowledged_writes_survive_a_kill(mut service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let mut names = Vec::new();
    for round in 0..3 {
        for event in 0..2 {
            let name = format!("Event {round} {event}");
            names.push((owner.new_event(&studio, &name), name));
        }
        service.kill();
        service.restart();
        for (id, name) in &names {
            let answer = owner.client.get(&format!("/events/{id}")).is(200);
            assert_eq!(answer.field("name"), *name);
        }
    }
}

fn an_account_export_holds_own_data_only(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let member = service.member(&owner, &studio, "editor", None);
    let export = member.client.get("/me/export").is(200);
    let text = String::from_utf8(export.body.clone()).unwrap();
    let export = export.document();
    assert_eq!(export["account"]["email"], member.email.as_str());
    assert_eq!(
        (&export["roles"][0]["role"], export["sessions"].as_array().unwrap().len()),
        (&"editor".into(), 1)
    );
    let actions: Vec<&str> = export["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["sign_in", "member_join"]);
    for other in [owner.email.as_str(), owner.id.as_str(), "argon2", "otpauth", "hash\":\"\""] {
        assert!(!text.contains(other), "{other}: {text}");
    }
    member.client.signed_out().get("/me/export").fails(401, "unauthenticated");
}
