//! Ends all connections of the service to PostgreSQL at random times under load, as a restart of PostgreSQL or a
//! broken network does. Nothing acknowledged is lost, and no answer says `internal` for a cause that is known.
//! `PICPICK_TEST_LOST_CONNECTIONS` sets the number of times (default 15; the long run is 100).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use picpick_tests::client::Client;
use picpick_tests::{Answer, Database, Rng, service, times};
use serde_json::json;

const CLIENTS: usize = 4;
const DELAY_MS_MAX: u64 = 300;

/// Ends the service's connections. Returns their number.
const END_ALL: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Checks that an answer that is no success says that the database does not answer.
fn is_done(answer: &Answer, status: u16) -> bool {
    let codes = ["database_away", "busy"];
    let away = answer.status == 503 && codes.contains(&answer.code().as_str());
    assert!(answer.status == status || away, "{answer:?}");
    assert!(!away || answer.headers.contains_key("retry-after"), "{answer:?}");
    !away
}

#[test]
fn ended_connections_lose_nothing_and_are_named() {
    let rounds = times("PICPICK_TEST_LOST_CONNECTIONS", 15);
    let mut rng = Rng::seeded("lost connections");
    let service = service!(Database::Postgres);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let albums = format!("/events/{event}/albums");
    let (is_over, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let work = |number: usize, client: Client| {
        let mut made = BTreeSet::new();
        for nth in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            let album = json!({ "name": format!("{number} {nth}") });
            let answer = client.try_json("POST", &albums, Some(&album)).unwrap();
            match is_done(&answer, 201) {
                true => drop(made.insert(answer.field("id"))),
                false => drop(refused.fetch_add(1, Ordering::SeqCst)),
            }
            for path in [format!("/events/{event}"), format!("/events/{event}/photos")] {
                if !is_done(&client.try_json("GET", &path, None).unwrap(), 200) {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
            }
            // The limit of the studio's requests is not what is tested.
            std::thread::sleep(Duration::from_millis(20));
        }
        made
    };
    let made: Vec<BTreeSet<String>> = std::thread::scope(|scope| {
        let work = &work;
        let spawned = |number| {
            let client = owner.sign_in();
            scope.spawn(move || work(number, client))
        };
        let clients: Vec<_> = (0..CLIENTS).map(spawned).collect();
        let mut ended = 0;
        for _ in 0..rounds {
            std::thread::sleep(Duration::from_millis(rng.throw(DELAY_MS_MAX)));
            ended += service.number(END_ALL);
        }
        is_over.store(true, Ordering::SeqCst);
        println!("{ended} connections ended");
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let made: BTreeSet<String> = made.into_iter().flatten().collect();
    println!("{} albums, {} requests refused", made.len(), refused.load(Ordering::SeqCst));
    let rows = service.texts("SELECT id FROM albums");
    let kept: BTreeSet<String> = rows.into_iter().flatten().collect();
    assert!(made.is_subset(&kept), "{} of {}", made.intersection(&kept).count(), made.len());
    assert!(made.len() > rounds, "{}", made.len());
    owner.client.get(&format!("/events/{event}")).is(200);
}
