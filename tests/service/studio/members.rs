use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::outbox::latest_to;
use picpick_tests::{Person, Service, lockouts, on_both_databases};
use serde_json::{Value, json};

use crate::account::sign_in::{code, with_second_factor};

on_both_databases!(
    an_invitation_works_once,
    an_invitation_can_be_withdrawn_and_expires,
    an_invitation_does_not_open_an_account,
    an_address_has_one_account_in_every_spelling,
    invitations_are_no_mail_relay,
    members_cannot_grant_more_than_they_have,
    a_studio_keeps_an_owner,
    a_removed_member_loses_access_at_once,
    a_member_of_one_event_sees_nothing_else,
    a_key_is_shown_once_and_expires,
    a_key_for_one_event_opens_nothing_else,
    only_users_create_keys,
    a_new_key_requires_the_proof_of_the_account,
    members_of_single_events_create_no_studios,
    lists_are_paginated,
);

fn accept(token: &str, password: &str) -> Value {
    json!({ "token": token, "name": "Some Body", "password": password })
}

fn an_invitation_works_once(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (email, password) = (new_email(), new_password());
    let made = owner.invite(&studio, &email, "editor", None).is(201);
    assert!(made.document().get("token").is_none(), "the inviter never sees the token: {made:?}");
    let token = service.invitation_token(&email);
    let list = format!("/studios/{studio}/invitations");
    let open = owner.client.get(&list).is(200).items();
    assert_eq!(open.len(), 1);
    assert!(open[0].get("token").is_none(), "no list holds the token: {}", open[0]);
    let guest = service.client();
    guest.post("/invitations/accept", &accept("ppi_made-up-made-up", &password)).fails(410, "gone");
    guest.post("/invitations/accept", &accept(&token, "short")).fails(422, "invalid");
    guest.post("/invitations/accept", &accept(&token, &password)).is(204);
    guest.post("/invitations/accept", &accept(&token, &password)).fails(410, "gone");
    assert_eq!(owner.client.get(&list).is(200).items().len(), 0);
    let body = json!({ "email": email.to_uppercase(), "password": password });
    let answer = guest.post("/session", &body).is(201);
    let member = guest.with_cookie(&answer.cookie());
    assert_eq!(member.get("/studios").is(200).items().len(), 1);
    let members = owner.client.get(&format!("/studios/{studio}/members")).is(200).items();
    let mut roles: Vec<&str> = members.iter().map(|it| it["role"].as_str().unwrap()).collect();
    // Members who joined within one second have no defined order.
    roles.sort_unstable();
    assert_eq!(roles, ["editor", "owner"]);
}

fn an_invitation_can_be_withdrawn_and_expires(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let emails = [new_email(), new_email()];
    let withdrawn = owner.invite(&studio, &emails[0], "viewer", None).is(201);
    let token = service.invitation_token(&emails[0]);
    let path = format!("/studios/{studio}/invitations/{}", withdrawn.field("id"));
    owner.client.delete(&path).is(204);
    owner.client.delete(&path).fails(404, "not_found");
    let guest = service.client();
    let body = accept(&token, &new_password());
    guest.post("/invitations/accept", &body).fails(410, "gone");
    owner.invite(&studio, &emails[1], "viewer", None).is(201);
    let token = service.invitation_token(&emails[1]);
    assert_eq!(service.change_rows("UPDATE account_links SET expires_unix_s = 1"), 1);
    let body = accept(&token, &new_password());
    guest.post("/invitations/accept", &body).fails(410, "gone");
    assert_eq!(
        owner.client.get(&format!("/studios/{studio}/invitations")).is(200).items().len(),
        0
    );
    assert_eq!(service.number("SELECT COUNT(*) FROM users"), 1);
}

fn an_invitation_does_not_open_an_account(service: Service) {
    let owner = service.owner();
    let (studio, second) = (owner.studio(), owner.new_studio("Second Light"));
    let member = service.member(&owner, &studio, "viewer", None);
    owner.invite(&second, &member.email, "admin", None).is(201);
    let token = service.invitation_token(&member.email);
    let guest = service.client();
    // Neither the link alone nor a password with it opens an existing account.
    for password in [&new_password(), &member.password] {
        guest.post("/invitations/accept", &accept(&token, password)).fails(409, "conflict");
    }
    assert_eq!(member.client.get("/studios").is(200).items().len(), 1);
    let own = json!({ "token": token });
    guest.post("/me/invitations", &own).fails(401, "unauthenticated");
    owner.client.post("/me/invitations", &own).fails(403, "forbidden");
    member.client.post("/me/invitations", &own).is(204);
    member.client.post("/me/invitations", &own).fails(410, "gone");
    assert_eq!(member.client.get("/studios").is(200).items().len(), 2);
    assert_eq!(service.number("SELECT COUNT(*) FROM users"), 2, "no second account");
    // The user has the role admin in the second studio.
    member.client.get(&format!("/studios/{second}/members")).is(200);
}

fn an_address_has_one_account_in_every_spelling(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let member = service.member(&owner, &studio, "viewer", None);
    let (local, domain) = member.email.split_once('@').unwrap();
    // Another spelling reaches the same mailbox, and opens no second account.
    let wide = domain.replace('.', "\u{ff0e}");
    for email in [member.email.to_uppercase(), format!("{local}@{wide}")] {
        let made = owner.invite(&studio, &email, "viewer", None).is(201);
        assert_eq!(made.field("email"), member.email);
        assert!(made.document().get("token").is_none(), "the link goes by mail only");
        let token = service.invitation_token(&member.email);
        let client = service.client();
        client.post("/invitations/accept", &accept(&token, &new_password())).fails(409, "conflict");
    }
    // Look-alikes of the part before the `@` are no addresses.
    let cyrillic = local.replacen('e', "\u{435}", 1);
    for email in [format!("{local}\u{200b}@{domain}"), format!("{cyrillic}@{domain}")] {
        owner.invite(&studio, &email, "viewer", None).fails(422, "invalid");
    }
    assert_eq!(service.number("SELECT COUNT(*) FROM users"), 2);
}

fn invitations_are_no_mail_relay(service: Service) {
    let owner = service.owner();
    let text = "x\". Confirm at https://evil.example/login now";
    let studio = owner.new_studio(text);
    let victim = new_email();
    // One recipient gets five letters at most, also from several studios and inviters.
    for _ in 0..5 {
        owner.invite(&studio, &victim, "viewer", None).is(201);
    }
    let other = owner.studio_named("First Light");
    let refused = owner.invite(&other, &victim.to_uppercase(), "viewer", None);
    let wait: u64 = refused.fails(429, "too_many_requests").headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((3 * 3600..=4 * 3600).contains(&wait), "{wait}");
    // An inviter sends 30 letters at most.
    for _ in 5..30 {
        owner.invite(&studio, &new_email(), "viewer", None).is(201);
    }
    owner.invite(&other, &new_email(), "viewer", None).fails(429, "too_many_requests");
    assert_eq!(service.number("SELECT COUNT(*) FROM account_links"), 30);
    // The text of the studio's name reads as no link.
    let mail = latest_to(&service, &victim, "ppi_");
    assert!(!mail.contains("evil.example") && !mail.contains("https://evil"), "{mail}");
    assert!(mail.contains("Confirm at https evil example login now"), "{mail}");
}

fn members_cannot_grant_more_than_they_have(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let admin = service.member(&owner, &studio, "admin", None);
    let viewer = service.member(&owner, &studio, "viewer", None);
    let owners = owner.membership(&owner, &studio);
    let viewers = viewer.membership(&owner, &studio);
    let path = |member: &str| format!("/studios/{studio}/members/{member}");
    let role = |role: &str| json!({ "role": role });
    admin.invite(&studio, &new_email(), "owner", None).fails(403, "forbidden");
    admin.client.patch(&path(&viewers), &role("owner")).fails(403, "forbidden");
    admin.client.patch(&path(&owners), &role("viewer")).fails(403, "forbidden");
    admin.client.delete(&path(&owners)).fails(403, "forbidden");
    admin.new_key(&studio, "owner", None).fails(403, "forbidden");
    let key = owner.new_key(&studio, "owner", None).is(201).field("id");
    admin.client.delete(&format!("/studios/{studio}/keys/{key}")).fails(403, "forbidden");
    admin.client.patch(&path(&viewers), &role("editor")).is(204);
    admin.client.patch(&path(&viewers), &role("king")).fails(422, "invalid");
    viewer.invite(&studio, &new_email(), "viewer", None).fails(403, "forbidden");
    owner.client.patch(&path(&viewers), &role("owner")).is(204);
}

fn a_studio_keeps_an_owner(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let mine = format!("/studios/{studio}/members/{}", owner.membership(&owner, &studio));
    owner.client.delete(&mine).fails(409, "conflict");
    owner.client.patch(&mine, &json!({ "role": "admin" })).fails(409, "conflict");
    // The role owner in one event is not ownership of the studio.
    service.member(&owner, &studio, "owner", Some(&event));
    owner.client.delete(&mine).fails(409, "conflict");
    let second = service.member(&owner, &studio, "owner", None);
    second.client.delete(&mine).is(200);
    owner.client.get(&format!("/studios/{studio}")).fails(404, "not_found");
    let last = format!("/studios/{studio}/members/{}", second.membership(&second, &studio));
    second.client.delete(&last).fails(409, "conflict");
}

fn a_removed_member_loses_access_at_once(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let member = service.member(&owner, &studio, "admin", None);
    member.client.get(&format!("/events/{event}")).is(200);
    let path = format!("/studios/{studio}/members/{}", member.membership(&owner, &studio));
    owner.client.patch(&path, &json!({ "role": "accountant" })).is(204);
    member.client.get(&format!("/events/{event}")).fails(403, "forbidden");
    member.client.get(&format!("/studios/{studio}/audit")).is(200);
    owner.client.delete(&path).is(200);
    owner.client.delete(&path).fails(404, "not_found");
    member.client.get(&format!("/studios/{studio}")).fails(404, "not_found");
    member.client.get(&format!("/events/{event}")).fails(404, "not_found");
    assert_eq!(member.client.get("/studios").is(200).items().len(), 0);
}

fn a_member_of_one_event_sees_nothing_else(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    // Other events are created before and after, because ids within one second have no defined order.
    let others: Vec<String> = (0..4).map(|_| owner.new_event(&studio, "Other")).collect();
    let own = owner.new_event(&studio, "Own");
    let later: Vec<String> = (0..4).map(|_| owner.new_event(&studio, "Other")).collect();
    let member = service.member(&owner, &studio, "editor", Some(&own));
    let key = owner.new_key(&studio, "editor", Some(&own)).is(201).field("key");
    for client in [member.client.clone(), service.client().with_key(&key)] {
        client.get(&format!("/events/{own}")).is(200);
        for other in others.iter().chain(&later) {
            client.get(&format!("/events/{other}")).fails(404, "not_found");
        }
        client.get(&format!("/studios/{studio}")).is(200);
        client.get(&format!("/studios/{studio}/members")).fails(403, "forbidden");
        // A cursor holds an event's time and id, so a cursor of a hidden event would disclose it.
        let page = client.get(&format!("/studios/{studio}/events?limit=1")).is(200);
        let ids: Vec<Value> = page.items().iter().map(|event| event["id"].clone()).collect();
        assert_eq!(ids, [json!(own)], "{page:?}");
        assert_eq!(page.document().get("next"), None, "{page:?}");
    }
}

fn a_key_is_shown_once_and_expires(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let path = format!("/studios/{studio}/keys");
    let made = owner.new_key(&studio, "viewer", None).is(201);
    let client = service.client().with_key(&made.field("key"));
    client.get(&format!("/studios/{studio}")).is(200);
    let listed = owner.client.get(&path).is(200).items();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].get("key").is_none(), "{}", listed[0]);
    let stored =
        format!("SELECT COUNT(*) FROM api_keys WHERE token_hash = '{}'", made.field("key"));
    assert_eq!(service.number(&stored), 0, "only a hash of the key is stored");
    owner.client.delete(&format!("{path}/{}", made.field("id"))).is(204);
    client.get(&format!("/studios/{studio}")).fails(401, "unauthenticated");
    // The expiry of a new key must be in the future. An expired key is rejected.
    let expiring = |unix_s: u64| {
        let body = json!({ "name": "K", "role": "viewer", "expires_unix_s": unix_s, "password": owner.password });
        owner.client.post(&path, &body)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    expiring(now - 1).fails(422, "invalid");
    let made = expiring(now + 3600).is(201);
    let client = service.client().with_key(&made.field("key"));
    client.get(&format!("/studios/{studio}")).is(200);
    let id = made.field("id");
    service.change_rows(&format!("UPDATE api_keys SET expires_unix_s = {now} WHERE id = '{id}'"));
    client.get(&format!("/studios/{studio}")).fails(401, "unauthenticated");
}

fn a_key_for_one_event_opens_nothing_else(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (own, other) = (owner.new_event(&studio, "Own"), owner.new_event(&studio, "Other"));
    let (stranger, elsewhere) = service.stranger(&owner);
    let foreign = stranger.new_event(&elsewhere, "Foreign");
    let key = owner.new_key(&studio, "admin", Some(&own)).is(201).field("key");
    let client = service.client().with_key(&key);
    client.post(&format!("/events/{own}/folders"), &json!({ "name": "F" })).is(201);
    client
        .post(&format!("/events/{other}/folders"), &json!({ "name": "F" }))
        .fails(404, "not_found");
    client.get(&format!("/events/{foreign}")).fails(404, "not_found");
    client
        .post(&format!("/studios/{studio}/events"), &json!({ "name": "E" }))
        .fails(403, "forbidden");
    client.get("/me").fails(403, "forbidden");
    // Keys and invitations for a foreign event and for an unknown one give the same response.
    let unknown = "0".repeat(32);
    let [a, b] =
        [foreign.as_str(), &unknown].map(|event| owner.new_key(&studio, "viewer", Some(event)));
    assert_eq!((a.status, &a.body), (422, &b.body));
    let [a, b] = [foreign.as_str(), &unknown]
        .map(|event| owner.invite(&studio, &new_email(), "viewer", Some(event)));
    assert_eq!((a.status, &a.body), (422, &b.body));
}

fn only_users_create_keys(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let key = owner.new_key(&studio, "owner", None).is(201).field("key");
    let program = Person { client: service.client().with_key(&key), ..owner.clone() };
    program.new_key(&studio, "viewer", None).fails(403, "forbidden");
    program.client.get(&format!("/studios/{studio}/keys")).is(200);
}

fn a_new_key_requires_the_proof_of_the_account(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let admin = service.member(&owner, &studio, "admin", None);
    let path = format!("/studios/{studio}/keys");
    let ask = |person: &Person, proof: Value| {
        let mut body = json!({ "name": "K", "role": "viewer" });
        body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
        person.client.post(&path, &body)
    };
    ask(&owner, json!({})).fails(422, "invalid");
    ask(&owner, json!({ "password": new_password() })).fails(403, "forbidden");
    let app = with_second_factor(&service, &admin);
    ask(&admin, json!({ "password": admin.password })).fails(403, "forbidden");
    ask(&admin, json!({ "password": admin.password, "code": "000000" })).fails(403, "forbidden");
    assert!(owner.client.get(&path).is(200).items().is_empty(), "no key was created");
    let code = code(&app, 1);
    ask(&admin, json!({ "password": admin.password, "code": code })).is(201);
    // Guesses in a stolen session are counted for that session.
    while ask(&owner, json!({ "password": new_password() })).status == 403 {}
    lockouts::lengthen(&service);
    ask(&owner, json!({ "password": owner.password })).fails(429, "too_many_requests");
    let own = Person { client: owner.sign_in(), ..owner.clone() };
    ask(&own, json!({ "password": owner.password })).is(201);
}

fn members_of_single_events_create_no_studios(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let new = json!({ "name": "x. Confirm at evil test" });
    for role in ["viewer", "editor", "admin"] {
        let one = service.member(&owner, &studio, role, Some(&event));
        let refused = one.client.post("/studios", &new).fails(403, "forbidden");
        let detail = refused.field("detail");
        assert!(detail.contains("owner") && detail.contains("operator"), "{detail}");
        assert_eq!(one.client.get("/studios").is(200).items().len(), 1);
    }
    // A member of a whole studio may, in every role, and keeps the right with a studio of their own.
    let (person, _) = service.stranger(&owner);
    person.client.post("/studios", &json!({ "name": "Another" })).is(201);
    // An account without any membership may not.
    let gone = service.member(&owner, &studio, "viewer", None);
    let membership = gone.membership(&owner, &studio);
    owner.client.delete(&format!("/studios/{studio}/members/{membership}")).is(200);
    gone.client.post("/studios", &new).fails(403, "forbidden");
    // The operator permits it for one account.
    let one = service.member(&owner, &studio, "viewer", Some(&event));
    one.client.post("/studios", &new).fails(403, "forbidden");
    let permitted = service.run(&["account", "permit-studios", &one.email]);
    assert_eq!(permitted.status, 0, "{permitted:?}");
    one.client.post("/studios", &new).is(201);
    gone.client.post("/studios", &new).fails(403, "forbidden");
}

fn lists_are_paginated(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let mut expected: Vec<String> =
        (0..7).map(|_| owner.new_key(&studio, "viewer", None).is(201).field("id")).collect();
    let mut found = Vec::new();
    let mut path = format!("/studios/{studio}/keys?limit=3");
    loop {
        let page = owner.client.get(&path).is(200);
        let ids = page.items().into_iter().map(|key| key["id"].as_str().unwrap().to_owned());
        found.extend(ids);
        match page.document()["next"].as_str() {
            Some(next) => path = format!("/studios/{studio}/keys?limit=3&cursor={next}"),
            None => break,
        }
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "each once");
    for query in ["limit=0", "limit=501", "cursor=%25", "limit=x"] {
        let status = owner.client.get(&format!("/studios/{studio}/keys?{query}")).status;
        assert!(matches!(status, 400 | 422), "{query}: {status}");
    }
}
