use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::new_email;
use picpick_tests::guest::wait_until;
use picpick_tests::{Database, Service, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    the_audit_is_intact_and_names_the_actors,
    tampering_with_the_audit_is_detected,
    a_deleted_event_leaves_a_receipt,
    an_interrupted_deletion_is_resumed,
    an_expired_event_is_purged,
);

/// Runs `picpick audit verify`. Returns its exit status and its JSON document.
fn verify_audit(service: &Service) -> (i32, Value) {
    let outcome = service.run(&["--json", "audit", "verify"]);
    (outcome.status, outcome.document())
}

/// Performs one audited action of each kind that does not depend on elapsed time, and checks the entries.
/// Returns the studio's id.
fn work(service: &Service) -> String {
    let owner = service.owner();
    let studio = owner.studio();
    let member = service.member(&owner, &studio, "viewer", None);
    let path = format!("/studios/{studio}/members/{}", member.membership(&owner, &studio));
    owner.client.patch(&path, &json!({ "role": "editor" })).is(204);
    let key = owner.new_key(&studio, "admin", None).is(201);
    let keyed = service.client().with_key(&key.field("key"));
    keyed.patch(&format!("/studios/{studio}"), &json!({ "name": "Renamed" })).is(200);
    owner.client.delete(&format!("/studios/{studio}/keys/{}", key.field("id"))).is(204);
    let invitation = owner.invite(&studio, &new_email(), "viewer", None).is(201).field("id");
    owner.client.delete(&format!("/studios/{studio}/invitations/{invitation}")).is(204);
    let event = owner.new_event(&studio, "Wedding");
    owner.client.patch(&format!("/events/{event}"), &json!({ "name": "The wedding" })).is(200);
    let folders = format!("/events/{event}/folders");
    let folder = owner.client.post(&folders, &json!({ "name": "Party" })).is(201).field("id");
    owner.client.delete(&format!("{folders}/{folder}")).is(204);
    owner.client.delete(&path).is(200);
    owner.client.delete(&format!("/events/{event}")).is(200);
    owner.sign_in();
    // The use of the key is counted, and its entry follows within seconds.
    wait_until("the use of the key is recorded", || {
        service.number("SELECT COUNT(*) FROM audit WHERE action = 'key_use'") == 1
    });
    let audit = format!("/studios/{studio}/audit?limit=500");
    let mut entries = owner.client.get(&audit).is(200).items();
    entries.retain(|entry| entry["action"] != "key_use");
    let actions: Vec<&str> = entries.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "setup",
            "invite",
            "member_join",
            "member_role",
            "key_create",
            "studio_rename",
            "key_revoke",
            "invite",
            "invite_withdraw",
            "event_create",
            "event_change",
            "folder_create",
            "folder_remove",
            "member_remove",
            "event_delete",
            "event_purged",
        ]
    );
    let by = |action: &str| {
        let entry = entries.iter().find(|entry| entry["action"] == action).unwrap();
        entry["actor"].as_str().unwrap().to_owned()
    };
    assert_eq!(by("member_role"), format!("user:{}", owner.id));
    assert_eq!(by("member_join"), format!("user:{}", member.id));
    assert_eq!(by("studio_rename"), format!("key:{}", key.field("id")));
    assert_eq!(by("event_purged"), "system");
    let text = Value::from(entries).to_string();
    for contact in [&owner.email, &member.email, &owner.password] {
        assert!(!text.contains(contact.as_str()), "the audit holds no contact data");
    }
    studio
}

fn the_audit_is_intact_and_names_the_actors(mut service: Service) {
    work(&service);
    let (status, verdict) = verify_audit(&service);
    assert_eq!((status, &verdict["broken_at"]), (0, &Value::Null), "{verdict}");
    assert_eq!(verdict["entries"], service.number("SELECT COUNT(*) FROM audit"));
    service.kill();
    service.restart();
    let (status, again) = verify_audit(&service);
    assert_eq!(status, 0, "{again}");
    for figure in ["entries", "head"] {
        assert_eq!(again[figure], verdict[figure], "a restart adds and loses nothing");
    }
    assert_eq!(again["checkpoint"], again["entries"], "a start writes a checkpoint");
}

fn tampering_with_the_audit_is_detected(service: Service) {
    work(&service);
    let last = service.number("SELECT MAX(number) FROM audit");
    let copy = "CREATE TABLE kept AS SELECT * FROM audit";
    service.change_rows(copy);
    for (change, expected) in [
        ("UPDATE audit SET action = 'sign_in' WHERE number = 3", 3),
        ("UPDATE audit SET at_unix_s = at_unix_s + 1 WHERE number = 2", 2),
        ("UPDATE audit SET actor = '' WHERE number = 4", 4),
        ("UPDATE audit SET studio_id = '' WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number = 5", 5),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)", last),
        ("UPDATE audit SET hash = (SELECT hash FROM audit_head) WHERE number = 6", 6),
        ("DELETE FROM audit", 1),
    ] {
        assert!(service.change_rows(change) > 0, "{change}");
        let (status, verdict) = verify_audit(&service);
        assert_eq!((status, &verdict["broken_at"]), (1, &json!(expected)), "{change}");
        service.change_rows("DELETE FROM audit");
        service.change_rows("INSERT INTO audit SELECT * FROM kept");
        assert_eq!(verify_audit(&service).0, 0, "put back after: {change}");
    }
    // An entry inserted directly into the database does not match the hash chain.
    let forged = format!(
        "INSERT INTO audit SELECT {}, at_unix_s, studio_id, actor, action, target, detail, hash, key_id, mac \
         FROM audit WHERE number = {last}",
        last + 1
    );
    assert_eq!(service.change_rows(&forged), 1);
    assert_eq!(verify_audit(&service).0, 1);
}

/// Runs `picpick receipt verify` on `receipt`. Returns its exit status and its JSON document.
fn verify_receipt(service: &Service, receipt: &str) -> (i32, Value) {
    let file = service.sandbox.path("receipt.json");
    std::fs::write(&file, receipt).unwrap();
    let key = service.run(&["--json", "receipt", "key"]).document()["public_key"].clone();
    let file = file.to_str().unwrap();
    let outcome =
        service.run(&["--json", "receipt", "verify", file, "--key", key.as_str().unwrap()]);
    (outcome.status, outcome.document())
}

fn a_deleted_event_leaves_a_receipt(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let other = owner.new_event(&studio, "Other");
    let member = service.member(&owner, &studio, "viewer", Some(&event));
    let key = owner.new_key(&studio, "viewer", Some(&event)).is(201).field("key");
    let path = format!("/events/{event}");
    let receipt = owner.client.delete(&path).is(200).field("receipt");
    let (status, verdict) = verify_receipt(&service, &receipt);
    assert_eq!((status, &verdict["valid"]), (0, &json!(true)), "{verdict}");
    let changed = receipt.replacen("\"photos\":0", "\"photos\":1", 1);
    let changed = if changed == receipt { receipt.replacen('0', "1", 1) } else { changed };
    assert_eq!(verify_receipt(&service, &changed).0, 1, "a changed receipt is invalid");
    let stored = owner.client.get(&format!("/studios/{studio}/receipts")).is(200).items();
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0]["receipt"], &stored[0]["event"]), (&json!(receipt), &json!(event)));
    owner.client.get(&path).fails(404, "not_found");
    owner.client.delete(&path).fails(404, "not_found");
    owner.client.post(&format!("{path}/folders"), &json!({ "name": "F" })).fails(404, "not_found");
    // Roles and API keys that were limited to the event are deleted with it.
    service.client().with_key(&key).get(&path).fails(401, "unauthenticated");
    assert_eq!(member.client.get("/studios").is(200).items().len(), 0);
    owner.client.get(&format!("/events/{other}")).is(200);
    let left = service.run(&["--json", "collections", "list"]).document();
    assert_eq!(left["collections"].as_array().unwrap().len(), 1, "{left}");
}

fn an_interrupted_deletion_is_resumed(mut service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    // The state after a crash: the deletion is marked as begun, and no step of it is done.
    service.change_rows(&format!("UPDATE events SET deleting_unix_s = 1 WHERE id = '{event}'"));
    owner.client.get(&format!("/events/{event}")).fails(404, "not_found");
    owner.client.delete(&format!("/events/{event}")).fails(404, "not_found");
    assert_eq!(owner.client.get(&format!("/studios/{studio}/events")).is(200).items().len(), 0);
    service.kill();
    service.restart();
    purged(&service, &event);
    let stored = owner.client.get(&format!("/studios/{studio}/receipts")).is(200).items();
    assert_eq!((stored.len(), &stored[0]["event"]), (1, &json!(event)));
    assert_eq!(verify_receipt(&service, stored[0]["receipt"].as_str().unwrap()).0, 0);
}

/// Returns whether the service's process holds a POSIX record lock on the file at `path`, according to
/// `/proc/locks`.
fn is_locked(service: &Service, path: &Path) -> bool {
    let inode = path.metadata().unwrap().ino();
    let process = service.process_id().as_raw_nonzero().to_string();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|lock| {
        let place = lock.get(5).and_then(|place| place.rsplit(':').next());
        lock.get(1) == Some(&"POSIX")
            && lock.get(4) == Some(&process.as_str())
            && place == Some(&inode.to_string())
    })
}

/// A process loses its record locks on a file when it closes any descriptor of the file, and a purge scans
/// all files. Without the locks, a second `picpick` process could open the database and the stores at the
/// same time as the service.
#[test]
fn a_purge_leaves_database_and_stores_locked() {
    let service = picpick_tests::service!(Database::Sqlite);
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let other = owner.new_event(&studio, "Other");
    // This request opens the event's store.
    owner.client.get(&format!("/events/{other}/people")).is(200);
    owner.client.delete(&format!("/events/{event}")).is(200);
    let data = service.sandbox.data();
    let stores = std::fs::read_dir(data.join("collections")).unwrap().flatten();
    let stores: Vec<PathBuf> = stores.map(|entry| entry.path().join("LOCK")).collect();
    assert_eq!(stores.len(), 1, "{stores:?}");
    for file in [&data.join("service.db"), &data.join("service.db-shm"), &stores[0]] {
        assert!(is_locked(&service, file), "{}", file.display());
    }
}

/// Waits until the service has purged `event` and checks that its row is deleted.
fn purged(service: &Service, event: &str) {
    service.wait_for_log(&format!("event removed event=\"{event}\""));
    assert_eq!(service.number(&format!("SELECT COUNT(*) FROM events WHERE id = '{event}'")), 0);
}

fn an_expired_event_is_purged(mut service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let make = |ends: u64| {
        let body = json!({ "name": "E", "ends_unix_s": ends, "legal_basis": "consent" });
        owner.client.post(&format!("/studios/{studio}/events"), &body)
    };
    make(now() - 1).fails(422, "invalid");
    make(now() + 4 * 366 * 86_400).fails(422, "invalid");
    let lasting = make(now() + 86_400).is(201).field("id");
    let event = make(now() + 86_400).is(201).field("id");
    let ends = now() + 2;
    // The API accepts an earlier end with a notice of 7 days only, so the row is changed directly.
    service.kill();
    let change = format!("UPDATE events SET ends_unix_s = {ends} WHERE id = '{event}'");
    assert_eq!(service.change_rows(&change), 1);
    while now() < ends {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    service.restart();
    purged(&service, &event);
    owner.client.get(&format!("/events/{event}")).fails(404, "not_found");
    owner.client.get(&format!("/events/{lasting}")).is(200);
    let stored = owner.client.get(&format!("/studios/{studio}/receipts")).is(200).items();
    assert_eq!((stored.len(), &stored[0]["event"]), (1, &json!(event)));
    assert_eq!(verify_receipt(&service, stored[0]["receipt"].as_str().unwrap()).0, 0);
}
