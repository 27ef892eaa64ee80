//! The service with its photos in an S3 bucket: sealed objects, an outage of the object store, and the
//! deletion of all object versions.
//!
//! `PICPICK_TEST_OUTAGE_S` sets the minimum duration of the outage, seconds (default: 1).

use std::time::{Duration, Instant};

use picpick_engine::object_store::{self, ObjectMeta};
use picpick_tests::album::{Album, place_of, variant};
use picpick_tests::tcp_proxy::Line;
use picpick_tests::{Database, Outcome, S3Server, Service, sample, sandbox, service, times};

/// An address at which no server listens, like a host that is down.
const UNREACHABLE: &str = "127.0.0.1:1";

/// Starts a service that stores photos in the test server's bucket `bucket` under `prefix`, behind a TCP
/// proxy. Returns the service, the proxy and an event.
fn start(bucket: &str, prefix: &str) -> (Service, Line, Album) {
    let server = S3Server::start();
    let line = Line::to(server.says("endpoint"));
    let environment = vec![
        ("PICPICK_PHOTO_STORE", format!("s3://{}/{prefix}", server.says(bucket))),
        ("AWS_ENDPOINT_URL_S3", line.address.clone()),
        ("AWS_ACCESS_KEY_ID", server.says("access_key_id").to_owned()),
        ("AWS_SECRET_ACCESS_KEY", server.says("secret_access_key").to_owned()),
        ("PICPICK_S3_ENCRYPTION", "s3".to_owned()),
    ];
    let service = Service::start_with(sandbox!(), environment);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    (service, line, Album { client: owner.client, event })
}

fn objects(bucket: &str, prefix: &str) -> Vec<ObjectMeta> {
    let server = S3Server::start();
    let at = format!("s3://{}/{prefix}", server.says(bucket));
    object_store::open(&at, Some(&server.access())).unwrap().list("").unwrap()
}

#[test]
fn photos_in_a_bucket_are_sealed_and_deleted_with_all_versions() {
    let (service, _line, album) = start("versioned", "sealed");
    let selfie = std::fs::read(sample("obama2.jpg")).unwrap();
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    let photo = album.upload("a.jpg", &picture);
    album.wait_until_indexed();
    assert_eq!(album.found(&selfie), std::slice::from_ref(&photo));
    let original = album.client.get(&album.path(&format!("/photos/{photo}/original"))).is(200);
    assert!(original.body == picture, "the original is returned unchanged");
    let server = S3Server::start();
    let bucket = server.says("versioned");
    let stored = objects("versioned", "sealed");
    let names: Vec<String> = stored.iter().map(|object| object.name.clone()).collect();
    let expected =
        ["original", "thumb", "web"].map(|kind| format!("{}/{photo}.{kind}", album.event));
    assert_eq!(names, expected);
    let at = format!("s3://{bucket}/sealed");
    let place = object_store::open(&at, Some(&server.access())).unwrap();
    for name in &names {
        let bytes = place.get(name).unwrap().unwrap();
        assert!(!bytes.starts_with(&[0xff, 0xd8]), "{name} is not sealed");
        assert!(
            !bytes.windows(64).any(|part| part == &picture[1000..1064]),
            "{name} is not sealed"
        );
        let encryption = server.encryption(bucket, &format!("sealed/{name}"));
        assert_eq!(encryption.0.as_deref(), Some("AES256"), "{name}");
    }
    album.client.delete(&album.path("")).is(200);
    assert_eq!(objects("versioned", "sealed"), []);
    for name in &names {
        assert_eq!(server.versions(bucket, &format!("sealed/{name}")), 0, "{name}");
    }
    drop(service);
}

#[test]
fn an_outage_of_the_object_store_delays_work() {
    let (service, line, album) = start("plain", "outage");
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    let control = |order: &str| {
        let order = serde_json::json!({ "action": order });
        album.client.post(&album.path("/jobs"), &order).is(200);
    };
    // Three photos are pending in the bucket. The connection is cut before the service reads them.
    control("pause");
    let photos: Vec<String> =
        (0..3).map(|number| album.upload("a.jpg", &variant(&picture, number))).collect();
    let cut = Instant::now();
    line.leads_to(UNREACHABLE);
    control("resume");
    service.wait_for_log("indexing will be retried");
    let counts = album.counts();
    assert_eq!((&counts["failed"], &counts["done"]), (&0.into(), &0.into()), "{counts}");
    // An upload cannot be completed during the outage; its bytes are kept.
    let fourth = variant(&picture, 4);
    let place = place_of(&album.announce("d.jpg", &fourth).unwrap().is(201));
    let refused = album.send(&place, 0, &fourth).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "busy"), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(album.offset(&place), fourth.len());
    // Requests that need no object store are answered.
    assert_eq!(album.photos().len(), 3);
    let outage = Duration::from_secs(times("PICPICK_TEST_OUTAGE_S", 1) as u64);
    std::thread::sleep(outage.saturating_sub(cut.elapsed()));
    let counts = album.counts();
    assert_eq!((&counts["failed"], &counts["done"]), (&0.into(), &0.into()), "{counts}");
    let back = Instant::now();
    line.leads_to(S3Server::start().says("endpoint"));
    let done = album.send(&place, fourth.len(), &[]).unwrap().is(204);
    assert!(done.headers.contains_key("picpick-photo"));
    let counts = album.wait_until_indexed();
    assert_eq!((&counts["failed"], &counts["done"]), (&0.into(), &4.into()), "{counts}");
    println!("outage of {:.1?}, recovered within {:.1?}", back - cut, back.elapsed());
    let mut found = album.found(&picture);
    found.sort();
    assert!(found.len() == 4 && photos.iter().all(|photo| found.contains(photo)));
}

#[test]
fn photos_are_uploaded_from_a_bucket() {
    let server = S3Server::start();
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let key = owner.new_key(&studio, "photographer", Some(&event)).is(201).field("key");
    let at = format!("s3://{}/import", server.says("plain"));
    let place = object_store::open(&at, Some(&server.access())).unwrap();
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    for number in 0..3 {
        place.put(&format!("card-{number}/same.jpg"), &variant(&picture, number)).unwrap();
    }
    place.put("card-0/notes.txt", b"no photo").unwrap();
    let upload = || {
        let mut command = service.command();
        command
            .env("PICPICK_API_KEY", &key)
            .env("AWS_ENDPOINT_URL_S3", server.says("endpoint"))
            .env("AWS_ACCESS_KEY_ID", server.says("access_key_id"))
            .env("AWS_SECRET_ACCESS_KEY", server.says("secret_access_key"))
            .args(["--json", "upload", &service.address(), &event, &at]);
        Outcome::of(&mut command).document()
    };
    let first = upload();
    assert_eq!((&first["uploaded"], &first["existing"]), (&3.into(), &0.into()), "{first}");
    assert_eq!(first["rejected"].as_array().unwrap().len(), 1, "{first}");
    let again = upload();
    assert_eq!((&again["uploaded"], &again["existing"]), (&0.into(), &3.into()), "{again}");
    let album = Album { client: owner.client, event: event.clone() };
    assert_eq!(album.photos().len(), 3);
    assert!(album.photos().iter().all(|photo| photo["name"] == "same.jpg"));
    assert_eq!(album.wait_until_indexed()["done"], 3);
}
