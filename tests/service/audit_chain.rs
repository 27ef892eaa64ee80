//! The audit log against an attacker who writes to the database, and against crashes. `PICPICK_TEST_AUDIT_EDITS`
//! sets the number of random edits (default 1,000 on SQLite, 200 on PostgreSQL), `PICPICK_TEST_AUDIT_KILLS` the
//! number of kills (default 6).

use std::time::Duration;

use picpick_tests::accounts::{Person, new_email};
use picpick_tests::album::{Album, variant};
use picpick_tests::guest::{new_link, register, request, wait_until};
use picpick_tests::{Database, Rng, Service, on_both_databases, sample, service, times};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

on_both_databases!(
    a_rolled_back_database_is_found_and_can_be_accepted,
    a_rollback_of_database_and_keyring_is_found_by_a_kept_head_alone,
    a_cut_is_found_while_the_service_runs,
    the_log_is_intact_after_every_kill,
    failed_sign_ins_are_counted_and_cannot_flood_the_log,
    reads_of_personal_data_are_recorded,
);

/// Runs `picpick audit verify` with more `arguments`. Returns its exit status and its JSON document.
fn verify(service: &Service, arguments: &[&str]) -> (i32, Value) {
    let outcome = service.run(&[&["--json", "audit", "verify"], arguments].concat());
    (outcome.status, outcome.document())
}

/// Adds `entries` entries to the log.
fn add_entries(owner: &Person, entries: usize) {
    let event = owner.new_event(&owner.studio(), "Wedding");
    for nth in 1..entries {
        let folder = json!({ "name": format!("Folder {nth}") });
        owner.client.post(&format!("/events/{event}/folders"), &folder).is(201);
    }
}

const COLUMNS: &str =
    "number, at_unix_s, studio_id, actor, action, target, detail, hash, key_id, mac";

/// Copies the log to the tables `NAME` and `NAME_head`.
fn keep(service: &Service, name: &str) {
    service.run_script(&format!(
        "CREATE TABLE {name} AS SELECT {COLUMNS} FROM audit; \
         CREATE TABLE {name}_head AS SELECT number, hash FROM audit_head;"
    ));
}

/// Returns the script that replaces the log by its copy `name`.
fn put_back(name: &str) -> String {
    format!(
        "DELETE FROM audit; INSERT INTO audit ({COLUMNS}) SELECT {COLUMNS} FROM {name}; \
         DELETE FROM audit_head; INSERT INTO audit_head (number, hash) SELECT number, hash FROM {name}_head;"
    )
}

/// Returns the script that recomputes the hashes of all entries, as a program without the key can, after
/// `column` of entry `number` was set to a text.
pub fn recomputed(service: &Service, number: i64, column: &str, text: &str) -> String {
    let rows = service.texts(
        "SELECT CAST(number AS TEXT), CAST(at_unix_s AS TEXT), studio_id, actor, action, target, detail \
         FROM audit ORDER BY audit.number",
    );
    let place = ["studio_id", "actor", "action", "target", "detail"]
        .iter()
        .position(|name| *name == column)
        .unwrap();
    let (mut before, mut script) = (String::new(), String::new());
    for mut row in rows {
        let entry: i64 = row[0].parse().unwrap();
        if entry == number {
            text.clone_into(&mut row[2 + place]);
            script += &format!("UPDATE audit SET {column} = '{text}' WHERE number = {number}; ");
        }
        let at: i64 = row[1].parse().unwrap();
        let fields = json!([before, entry, at, row[2], row[3], row[4], row[5], row[6]]);
        before = hex::encode(Sha256::digest(fields.to_string()));
        script += &format!("UPDATE audit SET hash = '{before}' WHERE number = {entry}; ");
    }
    script + &format!("UPDATE audit_head SET hash = '{before}';")
}

/// Sets the head to entry `number`, whatever it is.
fn head_at(number: i64) -> String {
    format!(
        "UPDATE audit_head SET number = {number}, \
         hash = COALESCE((SELECT hash FROM audit WHERE number = {number}), '');"
    )
}

/// Returns a random edit of a log with `last` entries.
fn edit(service: &Service, rng: &mut Rng, last: i64) -> String {
    let mut any = |below: i64| 1 + i64::try_from(rng.throw(below as u64)).unwrap();
    let (number, other, kind, variety) = (any(last), any(last - 1), any(9), any(9) as usize - 1);
    let other = if other >= number { other + 1 } else { other };
    let column = ["actor", "action", "target", "detail", "studio_id"][variety % 5];
    match kind {
        1 => match ["hash", "mac", "key_id", column][variety % 4] {
            "key_id" => format!("UPDATE audit SET key_id = '' WHERE number = {number};"),
            name => format!("UPDATE audit SET {name} = {name} || 'a' WHERE number = {number};"),
        },
        2 => format!("UPDATE audit SET at_unix_s = at_unix_s - {other} WHERE number = {number};"),
        3 => format!("DELETE FROM audit WHERE number = {number};"),
        4 => format!("DELETE FROM audit WHERE number >= {number};"),
        5 => format!("DELETE FROM audit WHERE number >= {number};") + &head_at(number - 1),
        6 => {
            let swap = |from: i64, to: i64| {
                format!("UPDATE audit SET number = {to} WHERE number = {from}; ")
            };
            swap(number, -1) + &swap(other, number) + &swap(-1, other) + &head_at(last)
        }
        7 => {
            let codes = match variety % 3 {
                0 => String::new(),
                1 => format!("UPDATE audit SET key_id = '', mac = '' WHERE number >= {number};"),
                _ => "UPDATE audit SET key_id = '', mac = '';".to_owned(),
            };
            recomputed(service, number, column, "user:forged") + &codes
        }
        8 => put_back("early"),
        _ => {
            format!(
                "INSERT INTO audit ({COLUMNS}) SELECT {0}, at_unix_s, studio_id, actor, action, target, detail, \
             hash, key_id, mac FROM audit WHERE number = {number};",
                last + 1
            ) + &head_at(last + 1)
        }
    }
}

fn every_edit_is_found(mut service: Service, edits: usize) {
    let owner = service.owner();
    add_entries(&owner, 12);
    keep(&service, "early");
    add_entries(&owner, 12);
    assert_eq!(service.stop(), Some(0));
    keep(&service, "kept");
    let (status, whole) = verify(&service, &[]);
    assert_eq!((status, &whole["fault"]), (0, &Value::Null), "{whole}");
    assert_eq!(whole["checkpoint"], whole["entries"], "a clean stop writes a checkpoint");
    let last = whole["entries"].as_i64().unwrap();
    let mut rng = Rng::seeded("audit edits");
    for nth in 0..edits {
        let script = edit(&service, &mut rng, last);
        service.run_script(&script);
        let (status, report) = verify(&service, &[]);
        assert_eq!(status, 1, "edit {nth} is not found: {script}\n{report}");
        assert!(report["fault"].is_string() && report["broken_at"].is_i64(), "{report}");
        service.run_script(&put_back("kept"));
    }
    assert_eq!(verify(&service, &[]), (0, whole), "the log that was put back is intact");
}

#[test]
fn every_edit_of_a_sqlite_database_is_found() {
    let edits = times("PICPICK_TEST_AUDIT_EDITS", 1000);
    every_edit_is_found(service!(Database::Sqlite), edits);
}

#[test]
fn every_edit_of_a_postgresql_database_is_found() {
    let edits = times("PICPICK_TEST_AUDIT_EDITS", 200);
    every_edit_is_found(service!(Database::Postgres), edits);
}

fn a_rolled_back_database_is_found_and_can_be_accepted(mut service: Service) {
    let owner = service.owner();
    add_entries(&owner, 5);
    keep(&service, "early");
    let early = verify(&service, &[]).1;
    add_entries(&owner, 5);
    assert_eq!(service.stop(), Some(0));
    let nothing = service.run(&["--json", "audit", "accept", "--yes"]).document();
    assert_eq!(nothing["accepted"], false, "{nothing}");
    service.run_script(&put_back("early"));
    let (status, report) = verify(&service, &[]);
    assert_eq!((status, &report["fault"]), (1, &json!("checkpoint")), "{report}");
    // The service runs, and its entries and restarts do not hide the rollback.
    service.restart();
    add_entries(&owner, 10);
    assert_eq!(service.stop(), Some(0));
    let (status, report) = verify(&service, &[]);
    assert_eq!((status, &report["fault"]), (1, &json!("checkpoint")), "{report}");
    assert!(service.log().contains("audit checkpoint failed"));
    let shown = service.run(&["--json", "audit", "accept"]).document();
    assert_eq!(shown["accepted"], false, "{shown}");
    assert!(shown["lost"].as_i64().unwrap() > 0, "{shown}");
    assert_eq!(verify(&service, &[]).0, 1, "nothing is accepted without --yes");
    let done = service.run(&["--json", "audit", "accept", "--yes"]);
    assert_eq!(done.status, 0, "{done:?}");
    let (status, report) = verify(&service, &["--head", early["head"].as_str().unwrap()]);
    assert_eq!((status, &report["kept_head_at"]), (0, &early["entries"]), "{report}");
    let accepted = "SELECT COUNT(*) FROM audit WHERE action = 'audit_accept' AND detail <> ''";
    assert_eq!(service.number(accepted), 1);
    service.restart();
    add_entries(&owner, 3);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(verify(&service, &[]).0, 0, "the log continues after the acceptance");
    // What is changed cannot be accepted.
    service.run_script("UPDATE audit SET actor = 'system' WHERE number = 2;");
    assert_eq!(service.run(&["audit", "accept", "--yes"]).status, 1);
    assert_eq!(verify(&service, &[]).0, 1);
}

fn a_rollback_of_database_and_keyring_is_found_by_a_kept_head_alone(mut service: Service) {
    let owner = service.owner();
    add_entries(&owner, 5);
    assert_eq!(service.stop(), Some(0));
    keep(&service, "early");
    let keys = service.sandbox.data().join("keyring/keys.toml");
    let early = std::fs::read(&keys).unwrap();
    service.restart();
    add_entries(&owner, 5);
    assert_eq!(service.stop(), Some(0));
    let head = verify(&service, &[]).1["head"].as_str().unwrap().to_owned();
    assert_eq!(verify(&service, &["--head", &head]).0, 0);
    assert_eq!(verify(&service, &["--head", &"0".repeat(64)]).0, 1);
    service.run_script(&put_back("early"));
    std::fs::write(&keys, early).unwrap();
    assert_eq!(verify(&service, &[]).0, 0, "nothing on this machine knows of the lost entries");
    let (status, report) = verify(&service, &["--head", &head]);
    assert_eq!((status, &report["fault"]), (1, &json!("kept_head")), "{report}");
}

fn a_cut_is_found_while_the_service_runs(mut service: Service) {
    let owner = service.owner();
    add_entries(&owner, 40);
    let checkpoint = || verify(&service, &[]).1["checkpoint"].as_i64().unwrap();
    wait_until("a checkpoint is written without a stop", || checkpoint() >= 32);
    let last = checkpoint();
    service
        .run_script(&(format!("DELETE FROM audit WHERE number >= {last};") + &head_at(last - 1)));
    assert_eq!(verify(&service, &[]).1["fault"], "checkpoint");
    service.wait_for_log("audit checkpoint failed");
    service.kill();
    service.restart();
    assert_eq!(verify(&service, &[]).1["fault"], "checkpoint", "a start does not hide it");
}

fn the_log_is_intact_after_every_kill(mut service: Service) {
    let mut rng = Rng::seeded("audit kills");
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let (mut tried, mut made) = (0, 0);
    for _ in 0..times("PICPICK_TEST_AUDIT_KILLS", 6) {
        let (process, delay) = (service.process_id(), Duration::from_millis(rng.throw(3000)));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        });
        loop {
            // The answer to an action may be lost, so a name is never used again.
            tried += 1;
            let body = json!({ "name": format!("Folder {tried}") }).to_string().into_bytes();
            let sent = owner.client.try_send(picpick_tests::client::Request {
                method: "POST".into(),
                path: format!("/events/{event}/folders"),
                headers: Vec::new(),
                body: Some(("application/json".into(), body)),
            });
            match sent {
                Ok(answer) => drop(answer.is(201)),
                Err(_) => break,
            }
            made += 1;
        }
        killer.join().unwrap();
        service.kill();
        let (status, report) = verify(&service, &[]);
        assert_eq!(status, 0, "before the restart: {report}");
        service.restart();
        let (status, report) = verify(&service, &[]);
        assert_eq!(status, 0, "after the restart: {report}");
        let recorded = service.number("SELECT COUNT(*) FROM audit WHERE action = 'folder_create'");
        assert!(recorded >= made, "{recorded} entries of {made} acknowledged actions");
    }
    assert!(!service.log().contains("audit checkpoint failed"));
}

/// Waits until the log has `expected` entries of `action`. Returns their targets and details.
fn entries(service: &Service, action: &str, expected: usize) -> Vec<[String; 2]> {
    let query =
        format!("SELECT target, detail FROM audit WHERE action = '{action}' ORDER BY number");
    let read = || -> Vec<[String; 2]> {
        service.texts(&query).into_iter().map(|row| row.try_into().unwrap()).collect()
    };
    wait_until(&format!("{expected} entries of {action}"), || read().len() >= expected);
    read()
}

fn failed_sign_ins_are_counted_and_cannot_flood_the_log(service: Service) {
    let owner = service.owner();
    let before = service.number("SELECT COUNT(*) FROM audit");
    owner.try_sign_in("battery staple wrong", None).fails(401, "wrong_credentials");
    assert_eq!(entries(&service, "sign_in_failed", 1), [[owner.id.clone(), "count=1".into()]]);
    for _ in 0..3 {
        owner.try_sign_in("battery staple wrong", None).fails(401, "wrong_credentials");
    }
    let unknown: Vec<String> = (0..12).map(|_| new_email()).collect();
    for email in &unknown {
        let body = json!({ "email": email, "password": "battery staple wrong" });
        service.client().post("/session", &body).fails(401, "wrong_credentials");
    }
    let found = entries(&service, "sign_in_failed", 2);
    assert_eq!(found[1][0], "", "all unknown accounts are one subject: {found:?}");
    // An hour later, the failures since then are recorded in one entry for each subject.
    let pending = "SELECT COALESCE(SUM(pending), 0) FROM audit_counts";
    let counted: i64 = found.iter().map(|entry| entry[1][6..].parse::<i64>().unwrap()).sum();
    let total = format!("SELECT CAST(({pending}) AS BIGINT)");
    assert_eq!(counted + service.number(&total), 4 + 12);
    service.change_rows("UPDATE audit_counts SET recorded_unix_s = recorded_unix_s - 3600");
    wait_until("the counts are recorded", || service.number(&total) == 0);
    let found = entries(&service, "sign_in_failed", 3);
    let counted: i64 = found.iter().map(|entry| entry[1][6..].parse::<i64>().unwrap()).sum();
    assert_eq!(counted, 4 + 12, "{found:?}");
    assert!(found.len() <= 4, "at most one entry for each subject and hour: {found:?}");
    // Reauthentication is a sibling of the sign-in.
    let wrong = json!({ "current": "battery staple wrong", "new": "battery staple other" });
    owner.client.put("/me/password", &wrong).fails(403, "forbidden");
    assert_eq!(entries(&service, "reauthentication_failed", 1)[0][0], owner.id);
    let all = service.texts("SELECT actor, target, detail FROM audit");
    let text = format!("{all:?} {:?}", service.texts("SELECT actor, target FROM audit_counts"));
    for typed in unknown.iter().chain([&owner.email]) {
        assert!(!text.contains(typed.as_str()), "the audit log holds no address");
    }
    assert!(service.number("SELECT COUNT(*) FROM audit") - before <= 5);
    assert_eq!(verify(&service, &[]).0, 0);
}

fn reads_of_personal_data_are_recorded(service: Service) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    let photo = album.upload("a.jpg", &variant(&picture, 1));
    album.wait_until_indexed();
    let link = new_link(&owner, &event);
    register(&service, &link, "Guest", &new_email());
    let asked = request(&link, "Other", &new_email(), "By the window");
    service.client().post("/guest/requests", &asked).is(204);
    for list in ["guests", "guest-requests", "guests", "guest-requests", "guest-consents"] {
        owner.client.get(&format!("/events/{event}/{list}")).is(200);
    }
    for _ in 0..3 {
        owner.client.get(&format!("/events/{event}/photos/{photo}/original")).is(200);
        owner.client.get(&format!("/events/{event}/photos/{photo}/thumb")).is(200);
    }
    let matches = album.search(&picture, "").is(200).document()["matches"].clone();
    let face = matches[0]["face"].as_str().unwrap().to_owned();
    let search = format!("/events/{event}/search/face");
    owner.client.post(&search, &json!({ "face": face })).is(200);
    owner.client.post(&search, &json!({ "face": face })).is(200);
    let pair = json!({ "a": face, "b": face });
    owner.client.post(&format!("/events/{event}/compare"), &pair).is(200);
    for (action, times) in [
        ("guest_contacts_read", 1),
        ("photo_originals_download", 1),
        ("search_face", 2),
        ("face_compare", 1),
    ] {
        let found = entries(&service, action, times);
        assert_eq!((found.len(), &found[0][0]), (times, &event), "{action}: {found:?}");
    }
    let sum = "SELECT CAST(SUM(pending) AS BIGINT) FROM audit_counts WHERE action = ";
    let of = |action: &str| service.number(&format!("{sum}'{action}'"));
    let first = |action: &str| entries(&service, action, 1)[0][1][6..].parse::<i64>().unwrap();
    for (action, times) in [("guest_contacts_read", 4), ("photo_originals_download", 3)] {
        assert_eq!(first(action) + of(action), times, "{action}");
    }
    let actors =
        service.texts("SELECT DISTINCT actor FROM audit WHERE action = 'guest_contacts_read'");
    assert_eq!(actors, [[format!("user:{}", owner.id)]]);
    assert_eq!(verify(&service, &[]).0, 0);
}
