//! Long documents: each holds a place until its end, and a few pieces of it are in memory.

use std::collections::{BTreeMap, BTreeSet};

use picpick_tests::guest::wait_until;
use picpick_tests::openapi::operations;
use picpick_tests::{Client, Service};
use serde_json::{Value, json};

use crate::album::studio::{Studio, annotator, read};
use crate::guest::erasure::Stream;

/// What bounds an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// A place until the end of the answer (`server/src/infra/places.rs`).
    Place,
    /// A picture that the service makes, of at most 2,048 px a side.
    Picture,
    /// A list with a greatest length: a limit of the service, of the request, or a number in the code.
    Limit,
    /// A short list of what members, or one user, made by hand: folders, sessions, keys; or of the faces that one
    /// guest is asked about. It is made whole under the request's slot (`server/src/infra/admission.rs`).
    Slot,
}

/// The operations whose answers are no single values and no pages. A new one needs a line here, and a place if its
/// size depends on the number of photos, guests, visitors or entries.
const LONG: &[(&str, Bound)] = &[
    ("DELETE /studios/{studio}/members/{member}", Bound::Slot),
    ("GET /album", Bound::Slot),
    ("GET /album/download", Bound::Place),
    ("GET /album/photos/{photo}/comments", Bound::Limit),
    ("GET /album/photos/{photo}/download", Bound::Place),
    ("GET /album/photos/{photo}/thumb", Bound::Picture),
    ("GET /album/photos/{photo}/web", Bound::Picture),
    ("GET /events/{event}/albums/{album}", Bound::Slot),
    ("GET /events/{event}/coverage", Bound::Slot),
    ("GET /events/{event}/export", Bound::Place),
    ("GET /events/{event}/guests/{guest}/export", Bound::Place),
    ("GET /events/{event}/matching", Bound::Limit),
    ("GET /events/{event}/people", Bound::Limit),
    ("GET /events/{event}/people/{face}", Bound::Limit),
    ("GET /events/{event}/photos/{photo}/original", Bound::Place),
    ("GET /events/{event}/photos/{photo}/thumb", Bound::Picture),
    ("GET /events/{event}/photos/{photo}/web", Bound::Picture),
    ("GET /events/{event}/progress", Bound::Place),
    ("GET /guest/export", Bound::Place),
    ("GET /guest/faces", Bound::Slot),
    ("GET /guest/faces/{face}", Bound::Picture),
    ("GET /guest/photos.zip", Bound::Place),
    ("GET /guest/photos/{photo}/download", Bound::Place),
    ("GET /guest/photos/{photo}/thumb", Bound::Picture),
    ("GET /guest/photos/{photo}/web", Bound::Picture),
    ("GET /guest/updates", Bound::Place),
    ("GET /me/export", Bound::Place),
    ("GET /me/sessions", Bound::Slot),
    ("GET /studios", Bound::Slot),
    ("GET /studios/{studio}/limits", Bound::Limit),
    ("PATCH /events/{event}/albums/{album}", Bound::Slot),
    ("POST /events/{event}/albums", Bound::Slot),
    ("POST /events/{event}/search", Bound::Limit),
    ("POST /events/{event}/search/face", Bound::Limit),
    ("POST /events/{event}/uploads/existing", Bound::Limit),
    ("POST /guest/invitation", Bound::Limit),
    ("POST /me/recovery-codes", Bound::Limit),
    ("PUT /me/second-factor", Bound::Limit),
];

/// Returns whether a document of `schema` has a list that is no page.
fn has_list(whole: &Value, schema: &Value, depth: usize) -> bool {
    let pointer = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    let schema = pointer.map_or(schema, |pointer| whole.pointer(pointer).unwrap());
    assert!(depth < 20, "a schema within itself: {schema}");
    let is = |kind: &str| {
        let kinds = &schema["type"];
        *kinds == kind || kinds.as_array().is_some_and(|all| all.contains(&json!(kind)))
    };
    if is("array") {
        return schema.get("maxItems").is_none();
    }
    let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|name| schema[name].as_array());
    let fields = schema["properties"].as_object().into_iter().flatten();
    let is_page = schema["properties"].get("next").is_some();
    let fields = fields.filter(|(name, _)| !(is_page && *name == "items"));
    let mut parts = choices.flatten().chain(fields.map(|(_, field)| field));
    parts.any(|part| has_list(whole, part, depth + 1))
}

pub fn every_long_answer_is_bounded(service: Service) {
    let whole = service.client().get("/openapi.json").is(200).document();
    let mut found = BTreeSet::new();
    for operation in operations(&service.client()) {
        let path = format!("/api/v1{}", operation.path);
        let item = &whole["paths"][&path][operation.method.to_lowercase()];
        for (status, response) in item["responses"].as_object().unwrap() {
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let is_json = kind == "application/json";
                let long = status.starts_with('2')
                    && (!is_json || has_list(&whole, &content["schema"], 0));
                if long {
                    found.insert(operation.name());
                }
            }
        }
    }
    let listed: BTreeMap<String, Bound> =
        LONG.iter().map(|(name, bound)| ((*name).to_owned(), *bound)).collect();
    let listed_names: BTreeSet<String> = listed.keys().cloned().collect();
    assert_eq!(found, listed_names, "a long answer needs a place and a line in this table");
    let places: Vec<_> = LONG.iter().filter(|(_, bound)| *bound == Bound::Place).collect();
    assert!(places.len() >= 9, "{places:?}");
}

/// Adds `count` audit entries about the user `id`, of about 2 kB each.
fn add_entries(service: &Service, id: &str, count: usize) {
    // Numbers below 0 leave those of the log's own entries free.
    let detail = "x".repeat(2000);
    service.change_rows(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO audit (number, at_unix_s, studio_id, actor, action, target, detail, hash, key_id, mac) \
         SELECT -i, 1, '', 'system', 'test', '{id}', '{detail}', '', '', '' FROM n"
    ));
}

fn numbers(export: &Value) -> Vec<i64> {
    let entries = export["audit"].as_array().unwrap().iter();
    entries.map(|entry| entry["number"].as_i64().unwrap()).collect()
}

/// The export of an account is as long as its audit log: an unread one holds a place, one for each user.
pub fn an_account_export_holds_a_place(service: Service) {
    let owner = service.owner();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    add_entries(&service, &owner.id, 12_000);
    let export = owner.client.get("/me/export").is(200).document();
    let numbers = numbers(&export);
    assert_eq!(numbers.len(), 10_000);
    assert!(numbers.is_sorted_by(|a, b| a > b), "newest first, and none twice");
    let before = resident_mib(&service);
    let mut held = Stream::open(&service, &owner.client, "/me/export");
    held.wait_for("\"audit\"");
    let grown = resident_mib(&service).saturating_sub(before);
    assert!(grown < 12, "{grown} MiB of a document of 20 MB are in memory");
    owner.client.get("/me/export").fails(429, "too_many_requests");
    owner.sign_in().get("/me/export").fails(429, "too_many_requests");
    // Neither another user nor another kind of answer waits for it.
    member.client.get("/me/export").is(200);
    let event = owner.new_event(&owner.studio(), "Wedding");
    owner.client.get(&format!("/events/{event}/export")).is(200);
    drop(held);
    wait_until("the place is free", || owner.client.get("/me/export").status == 200);
    // The end of the session ends the export.
    let leaving = owner.sign_in();
    let mut held = Stream::open(&service, &leaving, "/me/export");
    held.wait_for("\"audit\"");
    leaving.delete("/session").is(204);
    let rest = String::from_utf8_lossy(&held.rest()).into_owned();
    assert!(!rest.contains("\"number\":-9000"), "the rest is not sent");
}

/// Returns the resident memory of the service, MiB.
fn resident_mib(service: &Service) -> u64 {
    let path = format!("/proc/{}/status", service.process_id().as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn document(client: &Client, path: &str) -> Value {
    let body = client.get(path).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
    let text = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// An event of many rows is exported row by row: when the first bytes arrive, the others are in the database.
pub fn an_export_of_many_rows_needs_little_memory(service: Service) {
    const ROWS: usize = 50_000;
    let studio = Studio::new(&service);
    let photo = studio.upload("a.jpg", &read("obama.jpg"), None);
    let visitor = annotator(&service, &studio, "Asha");
    let comment = json!({ "text": "First" });
    visitor.post(&format!("/album/photos/{photo}/comments"), &comment).is(201);
    let path = studio.photos.path("/export");
    assert_eq!(document(&studio.owner.client, &path)["albums"][0]["comments"][0]["text"], "First");
    let text = "y".repeat(1000);
    service.change_rows(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
         INSERT INTO album_comments (id, visitor_id, photo_id, text, created_unix_s) \
         SELECT '00000000000000000000000000' || CAST(100000 + n.i AS TEXT), c.visitor_id, c.photo_id, '{text}', \
         c.created_unix_s + n.i % 7 FROM n CROSS JOIN album_comments c WHERE c.text = 'First'"
    ));
    let whole = document(&studio.owner.client, &path);
    let comments = whole["albums"][0]["comments"].as_array().unwrap();
    let ids: BTreeSet<&str> = comments.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!((comments.len(), ids.len()), (ROWS + 1, ROWS + 1), "each row once");
    assert_eq!(whole["photos"][0]["file"], "photos/a.jpg");
    let before = resident_mib(&service);
    let mut held = Stream::open(&service, &studio.owner.client, &path);
    held.wait_for("event.json");
    let grown = resident_mib(&service).saturating_sub(before);
    assert!(grown < 25, "{grown} MiB of a document of 60 MB are in memory");
    assert!(held.rest().windows(4).any(|part| part == b"PK\x05\x06"), "the archive has its end");
}
