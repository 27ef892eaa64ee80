//! Guessing at passwords, in parallel and from many addresses.

use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_tests::accounts::new_password;
use picpick_tests::{Client, Person, Service, lockouts, on_both_databases};
use serde_json::json;

on_both_databases!(
    parallel_guesses_are_all_counted_and_a_known_browser_gets_in,
    a_known_browser_has_a_lockout_of_its_own,
    a_new_password_makes_browsers_strangers,
    common_passwords_are_refused,
);

/// Free attempts of all strangers together at one account.
const FREE_ATTEMPTS: usize = 10;

/// Signs in with a wrong password. Returns the status.
fn guess(client: &Client, person: &Person) -> u16 {
    let body = json!({ "email": person.email, "password": new_password() });
    client.post("/session", &body).status
}

/// Signs in with the right password from `client`. Returns the status.
fn enter(client: &Client, person: &Person) -> u16 {
    let body = json!({ "email": person.email, "password": person.password });
    client.post("/session", &body).status
}

fn parallel_guesses_are_all_counted_and_a_known_browser_gets_in(service: Service) {
    let owner = service.owner();
    let known = owner.try_sign_in(&owner.password, None).is(201).device_cookie();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    let tried = AtomicUsize::new(0);
    let addresses: Vec<Client> = (0..16).map(|_| service.client()).collect();
    std::thread::scope(|scope| {
        for client in &addresses {
            let (tried, owner) = (&tried, &owner);
            scope.spawn(move || {
                for _ in 0..4 {
                    match guess(client, owner) {
                        401 => drop(tried.fetch_add(1, Ordering::SeqCst)),
                        status => assert_eq!(status, 429),
                    }
                }
            });
        }
    });
    // The delay begins with the tenth failure and is 30 s at first: a slow machine may let one more through.
    let tried = tried.into_inner();
    assert!((FREE_ATTEMPTS..=FREE_ATTEMPTS + 1).contains(&tried), "{tried}");
    lockouts::lengthen(&service);
    // The right password of a stranger waits; the owner's known browser does not, even at the address of the
    // attacker, and neither do other accounts.
    let guesser = &addresses[0];
    assert_eq!(enter(&service.client(), &owner), 429);
    assert_eq!(enter(&guesser.with_cookie(&known), &owner), 201);
    assert_eq!(enter(&service.client(), &member), 201);
    // The cookie of one account makes the browser known to no other.
    for _ in 0..FREE_ATTEMPTS {
        guess(&service.client().with_cookie(&known), &member);
    }
    lockouts::lengthen(&service);
    assert_eq!(enter(&service.client().with_cookie(&known), &member), 429);
}

fn a_known_browser_has_a_lockout_of_its_own(service: Service) {
    let owner = service.owner();
    let known = owner.try_sign_in(&owner.password, None).is(201).device_cookie();
    let browser = service.client().with_cookie(&known);
    let statuses: Vec<u16> = (0..20).map(|_| guess(&browser, &owner)).collect();
    assert_eq!(statuses[..FREE_ATTEMPTS], [401; FREE_ATTEMPTS]);
    assert!(statuses.contains(&429), "a stolen cookie does not open the way to endless guesses");
    lockouts::lengthen(&service);
    assert_eq!(enter(&browser, &owner), 429);
    // Strangers and other known browsers are not delayed by it.
    let other = owner.try_sign_in(&owner.password, None).is(201).device_cookie();
    assert_eq!(enter(&service.client().with_cookie(&other), &owner), 201);
}

fn a_new_password_makes_browsers_strangers(service: Service) {
    let mut owner = service.owner();
    let known = owner.try_sign_in(&owner.password, None).is(201).device_cookie();
    let new = new_password();
    let change = json!({ "current": owner.password, "new": new });
    let kept = owner.client.put("/me/password", &change).is(204).device_cookie();
    owner.password = new;
    for _ in 0..FREE_ATTEMPTS {
        guess(&service.client(), &owner);
    }
    lockouts::lengthen(&service);
    assert_eq!(enter(&service.client().with_cookie(&known), &owner), 429);
    assert_eq!(enter(&service.client().with_cookie(&kept), &owner), 201);
}

fn common_passwords_are_refused(service: Service) {
    let owner = service.owner();
    for common in ["1234567890", "passwordpassword", "qwertyuiop", &owner.email] {
        let change = json!({ "current": owner.password, "new": common });
        let refused = owner.client.put("/me/password", &change).fails(422, "invalid");
        assert!(refused.document()["detail"].as_str().unwrap().contains("common"), "{refused:?}");
    }
    owner.sign_in();
}
