use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use picpick_tests::accounts::new_email;
use picpick_tests::{Client, Person, Request, Service};
use serde_json::{Value, json};

use crate::album::studio::Studio;

/// Concurrent requests of a flood: more than the places of one class.
const FLOOD: usize = 90;
/// Number of links that a flood of PINs uses.
const LINKS: usize = 15;
/// Sign-ins during a flood.
const SIGN_INS: usize = 12;

fn post(client: &Client, path: &str, body: &Value) -> u16 {
    let body = Some(("application/json".to_owned(), body.to_string().into_bytes()));
    let (method, path) = ("POST".to_owned(), path.to_owned());
    client.try_send(Request { method, path, headers: Vec::new(), body }).unwrap().status
}

/// Sends `bodies` to `path` from `FLOOD` clients at once, again and again, while `person` signs in. Checks that
/// the flood fills its places and that no sign-in is refused.
fn flood(service: &Service, path: &str, bodies: &[Value], person: &Person) {
    bodies.iter().for_each(|body| service.remember_body(body));
    let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for body in bodies.iter().cycle().take(FLOOD) {
            let client = service.client();
            let (stop, refused) = (&stop, &refused);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    if post(&client, path, body) == 503 {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let credentials = json!({ "email": person.email, "password": person.password });
        let mut statuses = Vec::new();
        while statuses.len() < SIGN_INS || refused.load(Ordering::SeqCst) == 0 {
            statuses.push(post(&service.client(), "/session", &credentials));
            if statuses.len() > 100 * SIGN_INS {
                break;
            }
        }
        stop.store(true, Ordering::SeqCst);
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    });
    assert!(refused.load(Ordering::SeqCst) > 0, "the flood did not fill its places");
}

/// S24: requests that set passwords of invited people take no places from sign-ins.
pub fn a_flood_of_invitations_refuses_no_sign_in(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let email = new_email();
    owner.invite(&studio, &email, "viewer", None).is(201);
    let token = service.invitation_token(&email);
    // The address has an account, so that the link stays valid, and every request computes a hash.
    let member = service.member(&owner, &studio, "viewer", None);
    let change =
        format!("UPDATE account_links SET email = '{}' WHERE email = '{email}'", member.email);
    assert_eq!(service.change_rows(&change), 1);
    let body = json!({ "token": token, "name": "Name", "password": "battery staple 1797" });
    flood(&service, "/invitations/accept", &[body], &owner);
}

/// A sibling of S24: visitors who enter PINs take no places from sign-ins.
pub fn a_flood_of_pins_refuses_no_sign_in(service: Service) {
    let studio = Studio::new(&service);
    // The attempts at one link are counted one after the other; those at several links wait for hashes together.
    let bodies: Vec<Value> = (0..LINKS)
        .map(|_| json!({ "token": studio.new_link().0, "pin": crate::album::studio::VIEW }))
        .collect();
    flood(&service, "/album/session", &bodies, &studio.owner);
}
