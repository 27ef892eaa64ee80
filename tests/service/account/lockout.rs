//! Guessing at passwords, in parallel and from many addresses.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::{Answer, Client, Person, Service, lockouts, on_both_databases};
use serde_json::json;

on_both_databases!(
    parallel_guesses_are_all_counted_and_a_known_browser_gets_in,
    a_known_browser_has_a_lockout_of_its_own,
    a_new_password_makes_browsers_strangers,
    common_passwords_are_refused,
    lockouts_and_quotas_disclose_no_account,
    networks_share_a_lockout_of_sign_in,
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

/// Returns status and text of a response without its numbers, which depend on the time.
fn shape(answer: &Answer) -> (u16, String) {
    let text = String::from_utf8_lossy(&answer.body);
    (answer.status, text.chars().filter(|c| !c.is_ascii_digit()).collect())
}

/// Responds alike, at each of many repetitions, to an address with an account and to one without.
fn lockouts_and_quotas_disclose_no_account(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let member = service.member(&owner, &studio, "viewer", None);
    let admin = service.member(&owner, &studio, "admin", None);
    service.change_rows("DELETE FROM quotas");
    let unknown = new_email();
    let of = |email: &str| {
        let mut seen = Vec::new();
        for _ in 0..FREE_ATTEMPTS + 3 {
            let body = json!({ "email": email, "password": new_password() });
            seen.push(shape(&service.client().post("/session", &body)));
        }
        for _ in 0..7 {
            let asked = service.client().post("/password-resets", &json!({ "email": email }));
            seen.push(shape(&asked));
            // The responses that hold the address and ids are compared by their status.
            seen.push((owner.invite(&studio, email, "viewer", None).status, String::new()));
        }
        for _ in 0..5 {
            let body = json!({ "email": email, "password": admin.password });
            seen.push(shape(&admin.client.put("/me/email", &body)));
        }
        service.change_rows("DELETE FROM quotas WHERE subject LIKE 'email_change:%'");
        seen
    };
    let (known, other) = (of(&member.email), of(&unknown));
    assert_eq!(known, other);
    let statuses: BTreeSet<u16> = known.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [201, 202, 401, 429].into());
}

fn networks_share_a_lockout_of_sign_in(service: Service) {
    let owner = service.owner();
    let other = service.member(&owner, &owner.studio(), "viewer", None);
    let at = |address: &str| service.client().at(address);
    // 30 guesses, each from another address of a /64 network and at another account.
    for nth in 0..30 {
        let body = json!({ "email": new_email(), "password": new_password() });
        let one = at(&format!("2001:db8:0:7::{nth:x}"));
        one.post("/session", &body).fails(401, "wrong_credentials");
    }
    lockouts::lengthen(&service);
    assert_eq!(enter(&at("2001:db8:0:7:ffff::1"), &other), 429);
    assert_eq!(enter(&at("2001:db8:0:8::1"), &other), 201);
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
