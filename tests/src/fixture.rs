use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::copy;
use crate::postgres;
use crate::sandbox::Sandbox;
use crate::service::{Database, Service};

/// Returns the path of a file of the fixture `before-redesign`; the README of the fixture describes
/// its files.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/before-redesign").join(name)
}

/// Returns a JSON document of the fixture.
pub fn document(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Copies the data folder of the fixture into the sandbox.
pub fn copy_data(sandbox: &Sandbox) {
    copy(&path("data"), &sandbox.data());
}

/// Starts a service on a copy of the fixture's data folder and database. Returns it with the accounts and
/// ids of that database.
pub fn service(sandbox: Sandbox, database: Database) -> (Service, Value) {
    let (name, url) = match database {
        Database::Sqlite => {
            ("sqlite", format!("sqlite:{}?mode=rwc", sandbox.data().join("service.db").display()))
        }
        Database::Postgres => ("postgres", postgres::fresh_database()),
    };
    copy_data(&sandbox);
    let facts = document("service.json")[name].clone();
    postgres::run_script(&url, &text(&format!("{name}.sql")));
    // The number has 64 bits, because the age in microseconds exceeds 32 bits within an hour.
    let seconds = format!("CAST({} AS BIGINT)", age_s(&facts));
    postgres::run_script(&url, &text("shift.sql").replace(":seconds", &seconds));
    // The keyring also stores the end of the event.
    let event = facts["event"].as_str().unwrap();
    sandbox.done(["collections", "keep", event, "--days", "1000"]);
    (Service::start_on(sandbox, (database == Database::Postgres).then_some(url)), facts)
}

/// Returns the seconds since the fixture was made; negative if this machine's clock is behind.
fn age_s(facts: &Value) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now as i64 - facts["made_unix_s"].as_i64().unwrap()
}
