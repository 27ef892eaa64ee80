//! Checks the service against its OpenAPI description: schemathesis generates valid and invalid requests, and
//! every response must match the description. Runs on SQLite and on PostgreSQL.
//!
//! `PICPICK_TEST_SCHEMA_CASES` sets the approximate number of requests of each run (default: 2000).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, place_of, variant};
use picpick_tests::guest::{let_in, new_link, register};
use picpick_tests::openapi::operations;
use picpick_tests::python::installed;
use picpick_tests::{Database, Person, Service, sample, sandbox, times};
use serde_json::{Value, json};

const PINNED: &str = include_str!("../schemathesis/requirements.txt");
const HOOKS: &str = include_str!("../schemathesis/hooks.py");
const CONFIGURATION: &str = include_str!("../schemathesis/schemathesis.toml");
const PROGRAM: &str = "from schemathesis.cli import schemathesis; schemathesis()";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// The log level. The search of the log for secrets would take minutes at a more detailed level.
const LOGGED: &str = "info";

/// The result of a schemathesis run: exit status, JSON report, and its output.
struct Found {
    status: i32,
    report: Value,
    text: String,
}

/// Runs schemathesis with the description at `schema`, an address or a file.
fn schemathesis(service: &Service, schema: &str, more: &[&str]) -> Found {
    let folder = service.sandbox.path("schemathesis");
    std::fs::create_dir_all(&folder).unwrap();
    let (hooks, sent) = (folder.join("hooks.py"), folder.join("sent.jsonl"));
    std::fs::write(&hooks, HOOKS).unwrap();
    std::fs::write(folder.join("schemathesis.toml"), CONFIGURATION).unwrap();
    let report = folder.join("report.json");
    let output = Command::new("python3")
        .args(["-c", PROGRAM, "run", schema, "--checks", CHECKS, "--phases", "coverage,fuzzing"])
        .args(["--continue-on-failure", "--warnings", "off", "--no-color", "--report", "json"])
        .arg("--report-json-path")
        .arg(&report)
        .args(more)
        .current_dir(&folder)
        .env("PYTHONPATH", installed("schemathesis", PINNED))
        .env("SCHEMATHESIS_HOOKS", hooks)
        .env("PICPICK_TEST_SENT", &sent)
        .env("PICPICK_TEST_THINGS", things(service).to_string())
        .output()
        .expect("python3 starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let report = std::fs::read(report).unwrap_or_else(|_| panic!("no report: {text}"));
    remember(service, &sent);
    let status = output.status.code().expect("an exit status");
    Found { status, report: serde_json::from_slice(&report).unwrap(), text }
}

/// Registers the secrets of all sent bodies, so that the log is checked for them.
fn remember(service: &Service, sent: &Path) {
    let sent = std::fs::read_to_string(sent).unwrap();
    assert!(!sent.is_empty(), "schemathesis ran without its hooks");
    sent.lines().for_each(|line| service.remember_body(&serde_json::from_str(line).unwrap()));
}

/// Creates resources of all kinds, and a session and an API key with access to them. Returns their ids for
/// the hooks of schemathesis.
fn things(service: &Service) -> Value {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Event");
    let doomed_event = owner.new_event(&studio, "Doomed");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    let [(photo, upload, face), (doomed_photo, doomed_upload, _)] =
        [1, 2].map(|number| sent(&album, number));
    let folder = format!("/events/{event}/folders");
    let folder = owner.client.post(&folder, &json!({ "name": "F" })).is(201).field("id");
    let member = service.member(&owner, &studio, "viewer", None).membership(&owner, &studio);
    let spare = owner.new_key(&studio, "viewer", None).is(201).field("id");
    let key = owner.new_key(&studio, "owner", None).is(201).field("key");
    let invitation = owner.invite(&studio, &new_email(), "viewer", None).is(201).field("id");
    let sessions = owner.sign_in().get("/me/sessions").is(200).items();
    let session = sessions.iter().find(|session| session["current"] == true).unwrap();
    let cookie = owner.try_sign_in(&owner.password, None).is(201).cookie();
    let visitors = visitors(service, &owner, &event, &face);
    let mut things = json!({
        "studio": studio, "event": event, "folder": folder, "member": member, "key": spare,
        "invitation": invitation, "session": session["id"], "photo": photo, "upload": upload,
        "face": face,
        "doomed": { "event": doomed_event, "photo": doomed_photo, "upload": doomed_upload },
        "cookie": cookie, "authorization": format!("Bearer {key}"),
    });
    let (all, more) = (things.as_object_mut().unwrap(), visitors.as_object().unwrap().clone());
    for (name, more) in more {
        match (all.get_mut(&name).and_then(Value::as_object_mut), more.as_object()) {
            (Some(known), Some(more)) => known.extend(more.clone()),
            _ => drop(all.insert(name, more)),
        }
    }
    things
}

/// Creates an album with a visitor, and a guest. Returns their cookies and the ids of the related resources.
fn visitors(service: &Service, owner: &Person, event: &str, face: &str) -> Value {
    let path = |rest: &str| format!("/events/{event}/{rest}");
    let made = |rest: &str, body: Value| owner.client.post(&path(rest), &body).is(201);
    owner.client.patch(&format!("/events/{event}"), &json!({ "downloads": "original" })).is(200);
    let album = || made("albums", json!({ "name": "A", "annotate_pin": "975310" })).field("id");
    let (kept, doomed) = (album(), album());
    let link = made(&format!("albums/{kept}/links"), json!({}));
    let doomed_link = made(&format!("albums/{kept}/links"), json!({})).field("id");
    let outside = service.client();
    let entry = json!({ "token": link.field("token") });
    let visit = outside.post("/album/session", &entry).is(204).cookie();
    let second = json!({ "pin": "975310", "name": "V" });
    let named = outside.with_cookie(&visit).put("/album/annotator", &second).is(204);
    let visit = named.cookie();
    let guest = let_in(service, owner, event, face);
    let gone = new_link(owner, event);
    register(service, &gone, "Gone", &new_email());
    let listed = |rest: &str| owner.client.get(&path(rest)).is(200).items();
    let contacts = json!({ "contacts": [new_email(), new_email()] });
    owner.client.post(&path("guest-list"), &contacts).is(200);
    let entries = listed("guest-list");
    let (guests, links) = (listed("guests"), listed("guest-links"));
    json!({
        "album": kept, "link": link.field("id"), "album_cookie": visit,
        "guest": guests[0]["id"], "guest_link": links[0]["id"], "guest_cookie": guest.cookie(),
        "entry": entries[0]["id"],
        "doomed": {
            "entry": entries[1]["id"],
            "album": doomed, "link": doomed_link, "guest": guests[1]["id"],
            "guest_link": links[1]["id"],
        },
    })
}

/// Uploads and indexes a photo, and creates an upload without any bytes. Returns the ids of the photo, of the
/// upload and of the photo's face.
fn sent(album: &Album, number: usize) -> (String, String, String) {
    let picture = variant(&std::fs::read(sample("obama.jpg")).unwrap(), number);
    let photo = album.upload("a.jpg", &picture);
    assert_eq!(album.wait_until_indexed()["failed"], 0);
    let found = album.search(&picture, "?scoring=direct").is(200).document();
    let of_it = found["matches"].as_array().unwrap().iter().find(|it| it["photo"] == *photo);
    let face = of_it.expect("the photo's face")["face"].as_str().unwrap().to_owned();
    let announced = album.announce_as("b.jpg", 1 << 20, None, None).unwrap().is(201);
    let upload = place_of(&announced).rsplit('/').next().unwrap().to_owned();
    (photo, upload, face)
}

/// Returns the route patterns with at least one successful response in the log.
fn succeeded(log: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let (_, rest) = line.split_once("route=\"")?;
        let (route, rest) = rest.split_once('"')?;
        rest.contains("status=2").then(|| route.to_owned())
    };
    log.lines().filter_map(line).collect()
}

fn every_response_is_described(database: Database) {
    let service = Service::start_logging(sandbox!(), database, LOGGED);
    let cases = times("PICPICK_TEST_SCHEMA_CASES", 2000);
    let operations = operations(&service.client());
    let each = (cases / operations.len()).max(1).to_string();
    let schema = format!("{}/api/v1/openapi.json", service.address());
    let seed = std::env::var("PICPICK_TEST_SEED").unwrap_or_else(|_| "1".to_owned());
    let found = schemathesis(&service, &schema, &["--max-examples", &each, "--seed", &seed]);
    assert_eq!(found.status, 0, "{}", found.text);
    let tested = &found.report["operations"]["tested"];
    assert_eq!(*tested, operations.len(), "{}", found.text);
    let generated = found.report["test_cases"]["generated"].as_u64().unwrap();
    assert!(generated as usize >= cases / 2, "expected about {cases} cases, received {generated}");
    // Refused requests alone would not check the successful responses of a route.
    let succeeded = succeeded(&service.log());
    let routes: BTreeSet<&str> =
        operations.iter().map(|operation| operation.path.as_str()).collect();
    let failed = routes.iter().filter(|route| !succeeded.contains(&format!("/api/v1{route}")));
    let failed: Vec<&&str> = failed.collect();
    println!("{generated} cases; no success for {failed:?} of {} routes", routes.len());
    assert!(failed.len() * 4 < routes.len(), "no request succeeded for {failed:?}");
}

#[test]
fn every_response_is_described_on_sqlite() {
    every_response_is_described(Database::Sqlite);
}

#[test]
fn every_response_is_described_on_postgres() {
    every_response_is_described(Database::Postgres);
}

/// An operation id is `resource_verb`: lower-case words, the resource first. Generated clients use the id as
/// the name of a function.
#[test]
fn operation_ids_are_unique_and_name_resource_and_verb() {
    let service = Service::start_logging(sandbox!(), Database::Sqlite, LOGGED);
    let described = service.client().get("/openapi.json").is(200).document();
    let paths = described["paths"].as_object().unwrap().values();
    let described_operations = paths.flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<&str> = described_operations.filter_map(|it| it["operationId"].as_str()).collect();
    for id in &ids {
        let words: Vec<&str> = id.split('_').collect();
        let is_word =
            |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(words.len() > 1 && words.iter().all(is_word), "{id}");
    }
    assert_eq!(ids.len(), operations(&service.client()).len(), "every operation has an id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

/// Checks that a run fails if the description is wrong in one field.
#[test]
fn a_wrong_description_is_detected() {
    let service = Service::start_logging(sandbox!(), Database::Sqlite, LOGGED);
    let mut described = service.client().get("/openapi.json").is(200).document();
    let name = &mut described["components"]["schemas"]["Studio"]["properties"]["name"];
    assert_eq!(name["type"], "string");
    *name = json!({ "type": "integer" });
    let file = service.sandbox.path("wrong.json");
    std::fs::write(&file, described.to_string()).unwrap();
    let address = service.address();
    let only = ["--url", &address, "--include-path", "/api/v1/studios", "--max-examples", "5"];
    let found = schemathesis(&service, file.to_str().unwrap(), &only);
    assert_eq!(found.status, 1, "{}", found.text);
    assert!(found.text.contains("Response violates schema"), "{}", found.text);
}
