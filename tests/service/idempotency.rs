use std::time::Duration;

use picpick_tests::{Answer, Client, Request, Service, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_repeated_request_is_executed_once,
    secrets_are_replayed_and_stored_sealed,
    a_key_is_for_one_request_of_one_caller,
    concurrent_requests_are_executed_once,
    a_kill_creates_no_duplicates,
    stored_responses_expire_after_a_day,
);

fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    client.send(request(path, key, body))
}

fn request(path: &str, key: &str, body: &Value) -> Request {
    Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![("idempotency-key".to_owned(), key.to_owned())],
        body: Some(("application/json".to_owned(), body.to_string().into_bytes())),
    }
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn a_repeated_request_is_executed_once(mut service: Service) {
    let owner = service.owner();
    let path = format!("/studios/{}/events", owner.studio());
    let body = json!({ "name": "Wedding", "legal_basis": "consent" });
    let first = post(&owner.client, &path, "one", &body).is(201);
    let again = post(&owner.client, &path, "one", &body).is(201);
    assert!(!replayed(&first) && replayed(&again));
    assert_eq!(
        (&first.body, first.headers.get("content-type")),
        (&again.body, again.headers.get("content-type"))
    );
    service.kill();
    service.restart();
    assert_eq!(post(&owner.client, &path, "one", &body).is(201).body, first.body);
    assert_eq!(owner.client.get(&path).is(200).items().len(), 1);
    // A request with another key, or without one, creates another event.
    post(&owner.client, &path, "two", &body).is(201);
    owner.client.post(&path, &body).is(201);
    assert_eq!(owner.client.get(&path).is(200).items().len(), 3);
    // An error response is replayed too.
    let refused = post(&owner.client, &path, "three", &json!({ "name": "" })).fails(422, "invalid");
    let again = post(&owner.client, &path, "three", &json!({ "name": "" })).fails(422, "invalid");
    assert!(!replayed(&refused) && replayed(&again));
}

fn secrets_are_replayed_and_stored_sealed(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let path = format!("/studios/{studio}/keys");
    let body = json!({ "name": "key", "role": "viewer", "password": owner.password });
    let key = post(&owner.client, &path, "a", &body).is(201).field("key");
    assert_eq!(post(&owner.client, &path, "a", &body).is(201).field("key"), key);
    let plain = format!("SELECT COUNT(*) FROM idempotency WHERE body LIKE '%{}%'", &key[..8]);
    assert_eq!(service.number(&plain), 0);
    assert_eq!(service.number("SELECT COUNT(*) FROM idempotency"), 1);
    service.client().with_key(&key).get(&format!("/studios/{studio}")).is(200);
    let path = format!("/studios/{studio}/invitations");
    let body = json!({ "email": "invited@mail.example", "role": "viewer" });
    let invitation = post(&owner.client, &path, "a2", &body).is(201).field("id");
    assert_eq!(post(&owner.client, &path, "a2", &body).is(201).field("id"), invitation);
    // Signing in has no caller yet and its response sets a cookie, so it is never replayed: each request
    // opens a session.
    let body = json!({ "email": owner.email, "password": owner.password });
    let client = service.client();
    let cookies: Vec<String> =
        (0..2).map(|_| post(&client, "/session", "b", &body).is(201).cookie()).collect();
    assert_ne!(cookies[0], cookies[1]);
    cookies.iter().for_each(|cookie| drop(client.with_cookie(cookie).get("/me").is(200)));
}

fn a_key_is_for_one_request_of_one_caller(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (events, keys) = (format!("/studios/{studio}/events"), format!("/studios/{studio}/keys"));
    let body = json!({ "name": "Wedding", "role": "viewer", "legal_basis": "consent" });
    post(&owner.client, &events, "k", &body).is(201);
    post(&owner.client, &events, "k", &json!({ "name": "Other", "legal_basis": "consent" }))
        .fails(422, "invalid");
    post(&owner.client, &keys, "k", &body).fails(422, "invalid");
    for bad in ["", "a b", &"x".repeat(256)] {
        post(&owner.client, &events, bad, &body).fails(422, "invalid");
    }
    // Keys are scoped to the caller: the same key of another user is a different one.
    let admin = service.member(&owner, &studio, "admin", None);
    let made =
        post(&admin.client, &events, "k", &json!({ "name": "Other", "legal_basis": "consent" }))
            .is(201);
    assert!(!replayed(&made));
    assert_eq!(owner.client.get(&events).is(200).items().len(), 2);
    // A caller that has lost access gets no stored response.
    let membership = admin.membership(&owner, &studio);
    owner.client.delete(&format!("/studios/{studio}/members/{membership}")).is(200);
    post(&admin.client, &events, "k", &json!({ "name": "Other", "legal_basis": "consent" }))
        .fails(404, "not_found");
}

fn concurrent_requests_are_executed_once(service: Service) {
    let owner = service.owner();
    let path = format!("/studios/{}/events", owner.studio());
    let body = json!({ "name": "Wedding", "legal_basis": "consent" });
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || post(&owner.client, &path, "same", &body);
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(made.iter().all(|answer| answer.body == made[0].body));
    assert_eq!(made.iter().filter(|answer| !replayed(answer)).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (409, true));
    }
    assert_eq!(owner.client.get(&path).is(200).items().len(), 1);
}

fn a_kill_creates_no_duplicates(mut service: Service) {
    let owner = service.owner();
    let path = format!("/studios/{}/events", owner.studio());
    let body = json!({ "name": "Wedding", "legal_basis": "consent" });
    for round in 0..12 {
        let key = format!("kill {round}").replace(' ', "-");
        let asking = {
            let (client, request) = (owner.client.clone(), request(&path, &key, &body));
            std::thread::spawn(move || drop(client.try_send(request)))
        };
        std::thread::sleep(Duration::from_millis(round));
        service.kill();
        asking.join().unwrap();
        // The request of the killed process holds a lease of 120 s, which is expired here.
        service.change_rows(
            "UPDATE idempotency SET created_unix_s = created_unix_s - 200 WHERE status = 0",
        );
        service.restart();
        // The database may not have ended the transaction of the killed process yet.
        let mut answer = post(&owner.client, &path, &key, &body);
        for _ in 0..20 {
            if answer.status != 409 || !answer.headers.contains_key("retry-after") {
                break;
            }
            service.change_rows(
                "UPDATE idempotency SET created_unix_s = created_unix_s - 200 WHERE status = 0",
            );
            std::thread::sleep(Duration::from_millis(100));
            answer = post(&owner.client, &path, &key, &body);
        }
        let made = owner.client.get(&format!("{path}?limit=500")).is(200).items().len();
        assert_eq!(made as u64, round + 1, "{answer:?}");
        assert!(matches!(answer.status, 201 | 409), "{answer:?}");
    }
}

fn stored_responses_expire_after_a_day(service: Service) {
    let owner = service.owner();
    let path = format!("/studios/{}/events", owner.studio());
    let body = json!({ "name": "Wedding", "legal_basis": "consent" });
    post(&owner.client, &path, "old", &body).is(201);
    service.change_rows("UPDATE idempotency SET created_unix_s = created_unix_s - 86400");
    assert!(!replayed(&post(&owner.client, &path, "old", &body).is(201)));
    assert_eq!(owner.client.get(&path).is(200).items().len(), 2);
}
