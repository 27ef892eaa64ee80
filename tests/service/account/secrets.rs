//! Every secret that a client submits: a table of the fields, checked against the route table, and guesses at
//! each secret that is short enough to guess.
//!
//! `PICPICK_TEST_GUESSES` sets the number of guesses at each secret (default: 80).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::album::Album;
use picpick_tests::guest::{let_in, new_link, register};
use picpick_tests::openapi::operations;
use picpick_tests::{Answer, Client, Person, Service, on_both_databases, sample, times};
use serde_json::{Value, json};

on_both_databases!(every_secret_of_the_route_table_is_listed, guesses_are_limited_by_each_budget);

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
    /// Whether strangers guess, each from an address of their own; otherwise one signed-in client guesses.
    strangers: bool,
    guess: Box<dyn Fn(&Client) -> Answer + Sync + 'a>,
}

/// Guesses in parallel from `addresses` clients. Returns the number of guesses that were compared.
fn compared(service: &Service, target: &Target, signed_in: &Client, addresses: usize) -> usize {
    let (left, compared) =
        (AtomicUsize::new(times("PICPICK_TEST_GUESSES", 80)), AtomicUsize::new(0));
    let clients: Vec<Client> = match target.strangers {
        true => (0..addresses).map(|_| service.client()).collect(),
        false => vec![signed_in.clone(); addresses],
    };
    std::thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| {
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok()
                {
                    let answer = (target.guess)(client);
                    match answer.status {
                        // Rejected by the lockout, or by the rate limit before it.
                        429 => {}
                        401 | 403 => drop(compared.fetch_add(1, Ordering::SeqCst)),
                        _ => panic!("{}: {answer:?}", target.name),
                    }
                }
            });
        }
    });
    compared.into_inner()
}

/// The people and places of the guesses.
struct World {
    owner: Person,
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
        let entered = service.client().post("/album/session", &entry).is(204).cookie();
        let album_visitor = service.client().with_cookie(&entered);
        Self { owner, guarded, album_token, album_visitor, guest, newcomer }
    }

    fn targets(&self) -> Vec<(Target<'_>, Client)> {
        let put = |path: &'static str, body: Value| move |client: &Client| client.put(path, &body);
        let wrong = || Value::from(new_password());
        let (owner, guarded) = (&self.owner, &self.guarded);
        let strangers = |name, free_max, guess| {
            (Target { name, free_max, strangers: true, guess }, owner.client.clone())
        };
        let with = |client: &Client, name, guess| {
            (Target { name, free_max: 10, strangers: false, guess }, client.clone())
        };
        vec![
            strangers(
                "the password at sign-in",
                10,
                Box::new(|client: &Client| {
                    client.post(
                        "/session",
                        &json!({ "email": owner.email, "password": new_password() }),
                    )
                }),
            ),
            strangers(
                "the code at sign-in",
                10,
                Box::new(|client: &Client| {
                    let body = json!({ "email": guarded.email, "password": guarded.password, "code": "000000" });
                    client.post("/session", &body)
                }),
            ),
            strangers(
                "the view PIN",
                100,
                Box::new(|client: &Client| {
                    client.post(
                        "/album/session",
                        &json!({ "token": self.album_token, "pin": "000000" }),
                    )
                }),
            ),
            with(
                &owner.client,
                "the current password",
                Box::new(put("/me/password", json!({ "current": wrong(), "new": wrong() }))),
            ),
            with(
                &guarded.client,
                "the code of a change",
                Box::new(put(
                    "/me/password",
                    json!({ "current": guarded.password, "new": wrong(), "code": "000000" }),
                )),
            ),
            with(
                &self.guest,
                "the code of a group",
                Box::new(put("/guest/group", json!({ "code": "AAAAAAAA" }))),
            ),
            with(
                &self.newcomer,
                "the code of a contact",
                Box::new(put("/guest/contact-code", json!({ "code": "00000" }))),
            ),
            with(
                &self.album_visitor,
                "the annotation PIN",
                Box::new(put("/album/annotator", json!({ "pin": "000000", "name": "A" }))),
            ),
        ]
    }
}

fn guesses_are_limited_by_each_budget(service: Service) {
    let world = World::new(&service);
    for (target, client) in world.targets() {
        // The annotation PIN shares the counter of the album with the view PIN, and one client has one network.
        let free_max = if target.name == "the annotation PIN" { 30 } else { target.free_max };
        let tried = compared(&service, &target, &client, 16);
        // A delay begins at 5 s or more, so a slow machine lets a few more through.
        assert!(tried <= free_max + 8, "{}: {tried} guesses were compared", target.name);
        assert!(tried > 0, "{}", target.name);
    }
    // The owner's sessions and other people are not affected.
    world.owner.client.get("/me").is(200);
    service.member(&world.owner, &world.owner.studio(), "viewer", None);
}
