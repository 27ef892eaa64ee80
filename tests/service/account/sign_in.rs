use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::outbox::latest_to;
use picpick_tests::{Client, Person, Request, Service, lockouts, on_both_databases};
use serde_json::{Value, json};
use totp_rs::Totp;

on_both_databases!(
    the_setup_link_works_once,
    a_restart_replaces_the_setup_link,
    a_failed_sign_in_discloses_nothing,
    guessing_is_locked_out_across_a_restart,
    one_address_cannot_guess_at_many_accounts,
    an_expired_session_is_rejected,
    a_new_password_ends_the_other_sessions,
    cross_site_requests_change_nothing,
    sign_in_requires_the_second_factor_and_codes_are_single_use,
    recovery_codes_replace_the_app_once_each,
    recovery_codes_have_128_bits_and_older_ones_stay_valid,
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

fn guessing_is_locked_out_across_a_restart(mut service: Service) {
    let owner = service.owner();
    let other = service.member(&owner, &owner.studio(), "viewer", None);
    // Ten free attempts, from as many addresses.
    for _ in 0..10 {
        let guesser = Person { client: service.client(), ..owner.clone() };
        guesser.try_sign_in("not the password", None).fails(401, "wrong_credentials");
    }
    lockouts::lengthen(&service);
    let stranger = Person { client: service.client(), ..owner.clone() };
    let refused = stranger.try_sign_in(&owner.password, None).fails(429, "too_many_requests");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
    other.sign_in();
    service.kill();
    service.restart();
    stranger.try_sign_in(&owner.password, None).fails(429, "too_many_requests");
    // After the delay the right password is accepted, and is refunded.
    lockouts::shift(&service, 3600);
    for _ in 0..3 {
        stranger.sign_in();
    }
    stranger.try_sign_in("not the password", None).fails(401, "wrong_credentials");
}

fn one_address_cannot_guess_at_many_accounts(service: Service) {
    let owner = service.owner();
    let guesser = service.client();
    let guess = || {
        let body = json!({ "email": new_email(), "password": "not the password" });
        guesser.post("/session", &body).status
    };
    // The delay begins with the 30th failure of a network and is 5 s at first, so a slow machine may let one
    // more through.
    let statuses: Vec<u16> = (0..40).map(|_| guess()).collect();
    assert_eq!(statuses[..30], [401; 30]);
    assert!(statuses.contains(&429), "{statuses:?}");
    lockouts::lengthen(&service);
    assert_eq!(guess(), 429);
    // Other networks are not delayed.
    let elsewhere = Person { client: service.client(), ..owner };
    elsewhere.sign_in();
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
    let listed = owner.client.get("/me/sessions").is(200).items();
    assert_eq!(listed.len(), 1, "ended sessions are not listed");
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
pub fn code(app: &Totp, steps: u64) -> String {
    app.generate(now_s() + 30 * steps).to_string()
}

fn sign_in_requires_the_second_factor_and_codes_are_single_use(service: Service) {
    let owner = service.owner();
    let client = &owner.client;
    let path = "/me/second-factor";
    client.put(path, &json!({ "code": "000000" })).fails(409, "conflict");
    // A stolen session alone begins no second factor.
    let proof = |password: &str| json!({ "password": password });
    client.post(path, &proof("not the password")).fails(403, "forbidden");
    let url = client.post(path, &proof(&owner.password)).is(201).field("otpauth_url");
    let app = Totp::from_url(&url).unwrap();
    // Before its confirmation, the second factor is not required and its setup can be restarted.
    owner.sign_in();
    assert_eq!(client.get("/me").is(200).document()["second_factor"], false);
    let wrong = code(&app, 1000);
    client.put(path, &json!({ "code": wrong })).fails(403, "forbidden");
    let first = code(&app, 0);
    client.put(path, &json!({ "code": first })).is(200);
    let me = client.get("/me").is(200).document();
    assert_eq!((&me["second_factor"], &me["recovery_codes"]), (&json!(true), &json!(10)));
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&wrong)).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&first)).fails(401, "wrong_credentials");
    // A code of the next step is accepted, because clocks may differ.
    let second = code(&app, 1);
    owner.try_sign_in("not the password", Some(&second)).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&second)).is(201);
    owner.try_sign_in(&owner.password, Some(&second)).fails(401, "wrong_credentials");
    let remove = |password: &str, code: &str| {
        client.json("DELETE", path, Some(&json!({ "password": password, "code": code })))
    };
    remove(&owner.password, &second).fails(403, "forbidden");
    // Resets the last used step, so that the current code counts as unused.
    service.change_rows("UPDATE users SET totp_step = 0");
    let last = code(&app, 0);
    client.post(path, &json!({ "password": owner.password, "code": last })).fails(409, "conflict");
    service.change_rows("UPDATE users SET totp_step = 0");
    remove("not the password", &last).fails(403, "forbidden");
    remove(&owner.password, &last).is(204);
    owner.sign_in();
    let secrets = service.number("SELECT COUNT(*) FROM users WHERE totp_secret IS NOT NULL");
    assert_eq!(secrets, 0, "the secret is deleted with the second factor");
    assert_eq!(service.number("SELECT COUNT(*) FROM recovery_codes"), 0);
    // The owner is told of each change.
    latest_to(&service, &owner.email, "second factor of your account");
}

fn recovery_codes_replace_the_app_once_each(service: Service) {
    let owner = service.owner();
    let app = with_second_factor(&service, &owner);
    let renew = |code: &str| {
        let body = json!({ "password": owner.password, "code": code });
        owner.client.post("/me/recovery-codes", &body)
    };
    let list = |answer: &Value| -> Vec<String> {
        serde_json::from_value(answer["recovery_codes"].clone()).unwrap()
    };
    let codes = list(&renew(&code(&app, 0)).is(201).document());
    assert_eq!(codes.len(), 10);
    // Typed in lower case and without hyphens, as a code that was written down by hand.
    let typed = codes[0].to_lowercase().replace('-', "");
    owner.try_sign_in(&owner.password, Some(&typed)).is(201);
    owner.try_sign_in(&owner.password, Some(&codes[0])).fails(401, "wrong_credentials");
    owner.try_sign_in("not the password", Some(&codes[1])).fails(401, "wrong_credentials");
    assert_eq!(owner.client.get("/me").is(200).document()["recovery_codes"], 9);
    latest_to(&service, &owner.email, "recovery code of your account");
    // New codes replace the earlier ones.
    let newer = list(&renew(&codes[1]).is(201).document());
    owner.try_sign_in(&owner.password, Some(&codes[2])).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&newer[2])).is(201);
    // Another account's codes open nothing.
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    with_second_factor(&service, &member);
    member.try_sign_in(&member.password, Some(&newer[3])).fails(401, "wrong_credentials");
    let body = json!({ "password": owner.password, "code": newer[3] });
    owner.client.json("DELETE", "/me/second-factor", Some(&body)).is(204);
    owner.sign_in();
}

fn recovery_codes_have_128_bits_and_older_ones_stay_valid(service: Service) {
    let owner = service.owner();
    let app = with_second_factor(&service, &owner);
    let body = json!({ "password": owner.password, "code": code(&app, 0) });
    let made = owner.client.post("/me/recovery-codes", &body).is(201).document();
    for code in made["recovery_codes"].as_array().unwrap() {
        let code = code.as_str().unwrap();
        let groups: Vec<&str> = code.split('-').collect();
        assert!(groups.iter().all(|group| group.len() == 4), "{code}");
        // 32 different characters have 5 bits each.
        assert!(5 * groups.concat().len() >= 128, "{code}");
    }
    // A code of 80 bits, stored as versions before 128 bits stored it.
    let old = "ABCD-EFGH-JKLM-NPQR";
    let stored = format!("recovery {} {}", owner.id, old.replace('-', ""));
    let hash = picpick_tests::album::sha256(stored.as_bytes());
    service.change_rows(&format!(
        "INSERT INTO recovery_codes (user_id, code_hash) VALUES ('{}', '{hash}')",
        owner.id
    ));
    owner.try_sign_in(&owner.password, Some(&old.to_lowercase())).is(201);
    owner.try_sign_in(&owner.password, Some(old)).fails(401, "wrong_credentials");
}

/// Sets up a second factor for `person` and resets the last used step, so that the current code counts as
/// unused.
pub fn with_second_factor(service: &Service, person: &Person) -> Totp {
    let proof = json!({ "password": person.password });
    let begun = person.client.post("/me/second-factor", &proof).is(201);
    assert!(begun.field("qr_svg").contains("<svg"), "{begun:?}");
    let app = Totp::from_url(begun.field("otpauth_url")).unwrap();
    person.client.put("/me/second-factor", &json!({ "code": code(&app, 0) })).is(200);
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
    let remove = |client: &Client, code: &str| {
        let body = json!({ "password": owner.password, "code": code });
        client.json("DELETE", "/me/second-factor", Some(&body))
    };
    let other = owner.try_sign_in(&owner.password, Some(&code(&app, 0))).is(201).cookie();
    let other = owner.client.with_cookie(&other);
    service.change_rows("UPDATE users SET totp_step = 0");
    for _ in 0..10 {
        remove(&owner.client, &code(&app, 1000)).fails(403, "forbidden");
    }
    lockouts::lengthen(&service);
    remove(&owner.client, &code(&app, 0)).fails(429, "too_many_requests");
    assert_eq!(owner.client.get("/me").is(200).document()["second_factor"], true);
    // Guesses in a stolen session delay that session alone.
    remove(&other, &code(&app, 0)).is(204);
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
