//! Fills the disk under a running service. A refusal names its cause, and once there is space again each request
//! succeeds without a restart.

use picpick_tests::{Database, Service, Tmpfs, sandbox};
use serde_json::json;

/// Writes in each round, more than the pool has connections.
const WRITES: usize = 24;

/// Returns the status of `/readyz`, and its reasons. Waits until the cached result is too old.
fn readiness(service: &Service) -> (u16, String) {
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = agent.get(format!("{}/readyz", service.address())).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn a_service_recovers_from_a_full_disk_without_a_restart() {
    let sandbox = sandbox!();
    let Some(disk) = Tmpfs::new(&sandbox.data(), 160) else { return };
    let service = Service::start(sandbox, Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let albums = format!("/events/{event}/albums");
    assert_eq!(readiness(&service).0, 200);
    for round in 0..3 {
        disk.fill(0);
        let mut refused = 0;
        for nth in 0..WRITES {
            let name = format!("{round} {nth} {}", "x".repeat(60));
            let album = json!({ "name": name });
            let answer = owner.client.try_json("POST", &albums, Some(&album)).unwrap();
            if answer.status != 201 {
                answer.fails(507, "disk_full");
                refused += 1;
            }
        }
        println!("round {round}: {refused} of {WRITES} refused");
        assert!(refused > WRITES / 2, "{refused}");
        let (status, reasons) = readiness(&service);
        assert!(status == 503 && reasons.contains("disk_full"), "{status}: {reasons}");
        disk.make_room();
        for nth in 0..WRITES {
            let album = json!({ "name": format!("{round} after {nth}") });
            owner.client.post(&albums, &album).is(201);
        }
        assert_eq!(readiness(&service).0, 200);
    }
}
