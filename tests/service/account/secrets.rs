//! Every secret that a client submits: a table of the fields, checked against the route table, and guesses at
//! each secret that is short enough to guess.
//!
//! `PICPICK_TEST_GUESSES` sets the number of guesses at each secret (default: 80), `PICPICK_TEST_WORK_BITS` the most
//! work that a guesser does for one guess at a PIN (default: 18 zero bits), `PICPICK_TEST_HOURS` the time of a slow
//! guesser (default: 2 hours).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::album::Album;
use picpick_tests::guest::{let_in, new_link, register};
use picpick_tests::openapi::operations;
use picpick_tests::proof_of_work::send_with_work;
use picpick_tests::{Answer, Client, Person, Service, lockouts, on_both_databases, sample, times};
use serde_json::{Value, json};

on_both_databases!(
    every_secret_of_the_route_table_is_listed,
    guesses_are_limited_by_each_budget,
    slow_guesses_are_limited_by_each_budget,
);

/// Names of fields that hold a secret.
const SECRETS: [&str; 6] = ["password", "current", "new", "code", "pin", "token"];

/// The guard of a secret field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// The lockout of a guessable secret.
    Lockout,
    /// 256 random bits; the rate limit bounds the attempts.
    Random,
    /// The field sets a secret; nothing is compared.
    Sets,
}

/// The secret fields of all operations.
const TABLE: &[(&str, &[(&str, Guard)])] = &[
    ("POST /setup", &[("password", Guard::Sets), ("token", Guard::Random)]),
    ("POST /session", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    ("POST /invitations/accept", &[("password", Guard::Sets), ("token", Guard::Random)]),
    ("POST /me/invitations", &[("token", Guard::Random)]),
    ("PUT /password-resets", &[("password", Guard::Sets), ("token", Guard::Random)]),
    ("POST /me/email/confirm", &[("token", Guard::Random)]),
    ("PUT /me/email", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    (
        "PUT /me/password",
        &[("code", Guard::Lockout), ("current", Guard::Lockout), ("new", Guard::Sets)],
    ),
    ("DELETE /me/sessions", &[("password", Guard::Lockout)]),
    ("DELETE /me/sessions/{session}", &[("password", Guard::Lockout)]),
    ("POST /me/second-factor", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    ("PUT /me/second-factor", &[("code", Guard::Lockout)]),
    ("DELETE /me/second-factor", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    ("POST /me/recovery-codes", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    ("POST /studios/{studio}/keys", &[("code", Guard::Lockout), ("password", Guard::Lockout)]),
    ("POST /guest/session", &[("token", Guard::Random)]),
    ("POST /guest/registrations", &[("token", Guard::Random)]),
    ("POST /guest/invitation", &[("token", Guard::Random)]),
    ("POST /guest/requests", &[("token", Guard::Random)]),
    ("POST /guest/notifications/confirm", &[("token", Guard::Random)]),
    ("POST /guest/erasure-undo", &[("token", Guard::Random)]),
    ("PUT /guest/group", &[("code", Guard::Lockout)]),
    ("PUT /guest/contact-code", &[("code", Guard::Lockout)]),
    ("POST /album/session", &[("pin", Guard::Lockout), ("token", Guard::Random)]),
    ("PUT /album/annotator", &[("pin", Guard::Lockout)]),
];

fn every_secret_of_the_route_table_is_listed(service: Service) {
    let listed: BTreeSet<(String, String)> = TABLE
        .iter()
        .flat_map(|(operation, fields)| {
            fields.iter().map(move |(field, _)| ((*operation).to_owned(), (*field).to_owned()))
        })
        .collect();
    let mut found = BTreeSet::new();
    for operation in operations(&service.client()) {
        for field in operation.fields(|name| SECRETS.contains(&name)) {
            found.insert((operation.name(), field));
        }
    }
    assert_eq!(found, listed, "a new secret needs a guard and a line in this table");
    let guarded = TABLE.iter().flat_map(|(_, fields)| fields.iter());
    assert!(guarded.filter(|(_, guard)| *guard == Guard::Lockout).count() >= 15);
}

/// A secret to guess at.
struct Target<'a> {
    name: &'static str,
    /// Limits the guesses that are compared before the delay begins, over all clients.
    free_max: usize,
    /// The longest delay, seconds.
    delay_s_max: usize,
    guess: Box<dyn Fn(&Client) -> Answer + Sync + 'a>,
    /// The client that guesses, from each address.
    client: Client,
}

fn target<'a>(
    name: &'static str,
    (free_max, delay_s_max): (usize, usize),
    client: &Client,
    guess: Box<dyn Fn(&Client) -> Answer + Sync + 'a>,
) -> Target<'a> {
    Target { name, free_max, delay_s_max, client: client.clone(), guess }
}

/// Returns the most work that a guesser does for one guess, zero bits.
fn work_bits() -> u32 {
    u32::try_from(times("PICPICK_TEST_WORK_BITS", 18)).unwrap()
}

/// Returns the `nth` of `addresses` addresses; every second one is in an IPv6 network of its own, of which each
/// guess uses another address.
fn address(nth: usize, addresses: usize, guess: usize) -> String {
    let at = nth % addresses;
    match at % 2 {
        0 => format!("10.200.{}.{}", at / 256, at % 256),
        _ => format!("2001:db8:77:{at:x}::{guess:x}"),
    }
}

/// Guesses in parallel from `addresses` addresses. Returns the number of guesses that were compared.
fn compared(target: &Target, addresses: usize) -> usize {
    let guesses = times("PICPICK_TEST_GUESSES", 80);
    let (made, compared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let nth = made.fetch_add(1, Ordering::SeqCst);
                    if nth >= guesses {
                        break;
                    }
                    let answer = (target.guess)(&target.client.at(&address(nth, addresses, nth)));
                    match answer.status {
                        // Rejected by the lockout, by the rate limit before it, or for want of work.
                        428 | 429 => {}
                        401 | 403 => drop(compared.fetch_add(1, Ordering::SeqCst)),
                        _ => panic!("{}: {answer:?}", target.name),
                    }
                }
            });
        }
    });
    compared.into_inner()
}

/// Guesses for `time_s` seconds, each time as soon as the delay has ended, from another of 64 addresses. The clock is
/// that of the stored attempts. Returns the number of guesses that were compared.
fn compared_slowly(service: &Service, target: &Target, time_s: usize) -> usize {
    let (mut elapsed_s, mut tried, mut nth) = (0, 0, 0);
    while elapsed_s < time_s {
        nth += 1;
        let answer = (target.guess)(&target.client.at(&address(nth, 64, nth)));
        let wait_s = match answer.status {
            401 | 403 => {
                tried += 1;
                continue;
            }
            429 => answer.headers["retry-after"].to_str().unwrap().parse().unwrap(),
            // The guesser cannot do the work, and waits until a failure has expired.
            428 => 900,
            _ => panic!("{}: {answer:?}", target.name),
        };
        elapsed_s += wait_s;
        lockouts::shift(service, i64::try_from(wait_s).unwrap());
    }
    tried
}

/// The people and places of the guesses.
struct World {
    owner: Person,
    studio: String,
    admin: Person,
    /// The device cookies of a browser of the owner, and of a visitor's.
    known_browser: String,
    known_visitor: String,
    /// A person whose second factor is on.
    guarded: Person,
    album_token: String,
    album_visitor: Client,
    guest: Client,
    /// A guest who has a code to enter.
    newcomer: Client,
}

impl World {
    fn new(service: &Service) -> Self {
        let owner = service.owner();
        let studio = owner.studio();
        let guarded = service.member(&owner, &studio, "viewer", None);
        super::sign_in::with_second_factor(service, &guarded);
        let admin = service.member(&owner, &studio, "admin", None);
        let known_browser = owner.try_sign_in(&owner.password, None).is(201).device_cookie();
        let event = owner.new_event(&studio, "Wedding");
        let photos = Album { client: owner.client.clone(), event: event.clone() };
        let portrait = std::fs::read(sample("obama.jpg")).unwrap();
        photos.upload("obama.jpg", &portrait);
        photos.wait_until_indexed();
        let found = photos.search(&portrait, "").is(200).document();
        let face = found["matches"][0]["face"].as_str().expect("a face").to_owned();
        let guest = let_in(service, &owner, &event, &face);
        let with_code = owner.new_event(&studio, "Code");
        let proof = json!({ "guest_proof": "contact_code" });
        owner.client.patch(&format!("/events/{with_code}"), &proof).is(200);
        let newcomer = register(service, &new_link(&owner, &with_code), "New", &new_email());
        let new = json!({ "name": "Album", "view_pin": "482913", "annotate_pin": "570264" });
        let album = owner.client.post(&photos.path("/albums"), &new).is(201).field("id");
        let links = photos.path(&format!("/albums/{album}/links"));
        let link = owner.client.post(&links, &json!({ "name": "Family" })).is(201);
        let album_token = link.field("token");
        let entry = json!({ "token": album_token, "pin": "482913" });
        let entered = service.client().post("/album/session", &entry).is(204);
        let known_visitor = entered.device_cookie();
        let album_visitor = service.client().with_cookie(&entered.cookie());
        Self {
            owner,
            studio,
            admin,
            known_browser,
            known_visitor,
            guarded,
            album_token,
            album_visitor,
            guest,
            newcomer,
        }
    }

    fn targets(&self, outside: &Client) -> Vec<Target<'_>> {
        self.of_strangers(outside).into_iter().chain(self.of_sessions()).collect()
    }

    /// Returns the secrets at which clients without a session guess.
    fn of_strangers(&self, outside: &Client) -> Vec<Target<'_>> {
        let (owner, guarded, bits_max) = (&self.owner, &self.guarded, work_bits());
        vec![
            target(
                "the password at sign-in",
                (10, 3600),
                outside,
                Box::new(|client: &Client| {
                    client.post(
                        "/session",
                        &json!({ "email": owner.email, "password": new_password() }),
                    )
                }),
            ),
            target(
                "the code at sign-in",
                (10, 3600),
                outside,
                Box::new(|client: &Client| {
                    let body = json!({ "email": guarded.email, "password": guarded.password, "code": "000000" });
                    client.post("/session", &body)
                }),
            ),
            target(
                "the view PIN",
                (300, 900),
                outside,
                Box::new(move |client: &Client| {
                    let body = json!({ "token": self.album_token, "pin": "000000" });
                    send_with_work(client, ("POST", "/album/session"), &body, bits_max)
                }),
            ),
        ]
    }

    /// Returns the secrets at which sessions guess.
    fn of_sessions(&self) -> Vec<Target<'_>> {
        let put = |path: &'static str, body: Value| move |client: &Client| client.put(path, &body);
        let wrong = || Value::from(new_password());
        let (owner, guarded, bits_max) = (&self.owner, &self.guarded, work_bits());
        vec![
            target(
                "the current password",
                (10, 900),
                &owner.client,
                Box::new(put("/me/password", json!({ "current": wrong(), "new": wrong() }))),
            ),
            target(
                "the password for an API key",
                (10, 900),
                &self.admin.client,
                Box::new(|client: &Client| {
                    let path = format!("/studios/{}/keys", self.studio);
                    let body = json!({ "name": "K", "role": "viewer", "password": new_password() });
                    client.post(&path, &body)
                }),
            ),
            target(
                "the password for the end of sessions",
                (10, 900),
                &self.guarded.client,
                Box::new(|client: &Client| {
                    let body = json!({ "password": new_password() });
                    client.json("DELETE", "/me/sessions", Some(&body))
                }),
            ),
            target(
                "the code of a change",
                (10, 900),
                &guarded.client,
                Box::new(put(
                    "/me/password",
                    json!({ "current": guarded.password, "new": wrong(), "code": "000000" }),
                )),
            ),
            target(
                "the code of a group",
                (10, 600),
                &self.guest,
                Box::new(put("/guest/group", json!({ "code": "AAAAAAAA" }))),
            ),
            target(
                "the code of a contact",
                (5, 900),
                &self.newcomer,
                Box::new(put("/guest/contact-code", json!({ "code": "00000" }))),
            ),
            // The visit is the session, which the guesser cannot begin again without the view PIN.
            target(
                "the annotation PIN",
                (5, 300),
                &self.album_visitor,
                Box::new(move |client: &Client| {
                    let body = json!({ "pin": "000000", "name": "A" });
                    send_with_work(client, ("PUT", "/album/annotator"), &body, bits_max)
                }),
            ),
        ]
    }

    /// Asserts that the owners of the secrets are not shut out.
    fn assert_open(&self, service: &Service) {
        let entry = json!({ "email": self.owner.email, "password": self.owner.password });
        let known = service.client().with_cookie(&self.known_browser);
        known.post("/session", &entry).is(201);
        let entry = json!({ "token": self.album_token, "pin": "482913" });
        service.client().with_cookie(&self.known_visitor).post("/album/session", &entry).is(204);
        self.owner.client.get("/me").is(200);
    }
}

fn guesses_are_limited_by_each_budget(service: Service) {
    let world = World::new(&service);
    for addresses in [1, 64, 4096] {
        for target in world.targets(&service.client()) {
            let tried = compared(&target, addresses);
            println!(
                "{} | {addresses} addresses | {tried} of at most {}",
                target.name, target.free_max
            );
            // A delay begins at 5 s or more, so a slow machine lets a few more through.
            assert!(tried <= target.free_max + 8, "{}: {tried} guesses were compared", target.name);
            assert!(tried > 0, "{}", target.name);
            world.assert_open(&service);
            lockouts::forget(&service);
        }
    }
    // Other people are not affected.
    service.member(&world.owner, &world.studio, "viewer", None);
}

fn slow_guesses_are_limited_by_each_budget(service: Service) {
    let world = World::new(&service);
    let hours = times("PICPICK_TEST_HOURS", 2);
    for target in world.targets(&service.client()) {
        let tried = compared_slowly(&service, &target, 3600 * hours);
        // A dozen while the delay grows to its longest.
        let most = target.free_max + 3600 * hours / target.delay_s_max + 12;
        println!("{} | {hours} hours | {tried} of at most {most}", target.name);
        assert!(tried <= most, "{}: {tried} guesses were compared", target.name);
        world.assert_open(&service);
        lockouts::forget(&service);
    }
}
