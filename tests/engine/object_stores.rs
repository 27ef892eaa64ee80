//! Tests of the object stores that backups are written to. One suite runs on a local folder and on an S3
//! bucket; other tests cover the failures of each. The S3 service checks signatures and keeps versions.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use picpick_engine::object_store::{self, Encryption, ObjectMeta, ObjectStore};
use picpick_tests::{CorruptingProxy, S3Server, Tmpfs};

const LARGE_BYTES: usize = 20 * 1024 * 1024;

/// Opens `prefix` of the bucket `bucket` as an object store.
fn bucket(bucket: &str, prefix: &str) -> Box<dyn ObjectStore> {
    let server = S3Server::start();
    let at = format!("s3://{}/{prefix}", server.says(bucket));
    let place = object_store::open(&at, Some(&server.access())).unwrap();
    assert_eq!(place.name(), at);
    place
}

fn folder(at: &Path) -> Box<dyn ObjectStore> {
    let place = object_store::open(at.to_str().unwrap(), None).unwrap();
    assert_eq!(place.name(), at.to_str().unwrap());
    place
}

fn object(name: &str, bytes: u64) -> ObjectMeta {
    ObjectMeta { name: name.into(), bytes }
}

/// Checks that `result` is an error whose message contains `parts`. Returns the message.
fn fails<T>(result: picpick_engine::Result<T>, parts: &[&str]) -> String {
    let message = result.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "expected '{part}' in: {message}");
    }
    assert!(!message.contains('\n'), "one sentence: {message}");
    message
}

fn stores_objects(place: &dyn ObjectStore) {
    assert_eq!(place.list("").unwrap(), []);
    assert_eq!(place.get("a/b").unwrap(), None);
    place.delete("a/b").unwrap();
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    place.put("a/b", &all).unwrap();
    place.put("a/b-c", b"").unwrap();
    place.put("a.toml", b"first").unwrap();
    place.put("a.toml", b"2nd").unwrap();
    place.put("ab/A_b-0.9", b"x").unwrap();
    assert_eq!(place.get("a/b").unwrap().as_deref(), Some(all.as_slice()));
    assert_eq!(place.get("a/b-c").unwrap().as_deref(), Some(b"".as_slice()));
    assert_eq!(place.get("a.toml").unwrap().as_deref(), Some(b"2nd".as_slice()));
    // Neither a prefix of an object's name nor a name below an object is an object.
    for absent in ["a", "ab", "a/b/c", "a.toml/x"] {
        assert_eq!(place.get(absent).unwrap(), None, "{absent}");
    }
    let (b, c, x) = (object("a/b", 100_000), object("a/b-c", 0), object("ab/A_b-0.9", 1));
    let toml = object("a.toml", 3);
    assert_eq!(place.list("").unwrap(), [toml.clone(), b.clone(), c.clone(), x.clone()]);
    assert_eq!(place.list("a").unwrap(), [toml, b.clone(), c.clone(), x]);
    assert_eq!(place.list("a/").unwrap(), [b.clone(), c.clone()]);
    assert_eq!(place.list("a/b").unwrap(), [b.clone(), c.clone()]);
    assert_eq!(place.list("a/b-").unwrap(), [c]);
    assert_eq!(place.list("b").unwrap(), []);
    assert_eq!(place.list("b/c/d").unwrap(), []);
    place.delete("a/b-c").unwrap();
    place.delete("a/b-c").unwrap();
    assert_eq!(place.get("a/b-c").unwrap(), None);
    assert_eq!(place.list("a/").unwrap(), [b]);
    for name in ["a/b", "a.toml", "ab/A_b-0.9"] {
        place.delete(name).unwrap();
    }
    assert_eq!(place.list("").unwrap(), []);
}

fn stores_a_large_object(place: &dyn ObjectStore) {
    let bytes: Vec<u8> =
        (0..LARGE_BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let start = Instant::now();
    place.put("large", &bytes).unwrap();
    let put = start.elapsed();
    assert!(place.get("large").unwrap().unwrap() == bytes);
    println!("{}: 20 MiB put in {put:?}, read in {:?}", place.name(), start.elapsed() - put);
    let part = place.get_range("large", 9_000_000..17_000_000).unwrap().unwrap();
    assert!(
        part == bytes[9_000_000..17_000_000],
        "a range across the borders of the multipart upload"
    );
    let end = LARGE_BYTES as u64;
    assert_eq!(
        place.get_range("large", end - 1..end + 9).unwrap().unwrap(),
        bytes[LARGE_BYTES - 1..]
    );
    assert_eq!(place.get_range("large", end + 1..end + 2).unwrap().unwrap(), b"");
    assert_eq!(place.get_range("absent", 0..1).unwrap(), None);
    assert_eq!(place.list("").unwrap(), [object("large", LARGE_BYTES as u64)]);
    place.delete("large").unwrap();
}

#[test]
fn a_bucket_encrypts_as_configured() {
    let server = S3Server::start();
    let bytes = vec![7; LARGE_BYTES];
    for (requested, expected) in [
        (Encryption::S3, ("AES256", None)),
        (Encryption::Kms(Some("key-1".into())), ("aws:kms", Some("key-1"))),
    ] {
        let at = format!("s3://{}/encryption", server.says("plain"));
        let place =
            object_store::open(&at, Some(&server.access().with_encryption(requested))).unwrap();
        for (name, bytes) in [("small", &bytes[..100]), ("large", &bytes[..])] {
            place.put(name, bytes).unwrap();
            let found = server.encryption(server.says("plain"), &format!("encryption/{name}"));
            let expected = (Some(expected.0.to_owned()), expected.1.map(str::to_owned));
            assert_eq!(found, expected, "{name}");
            assert!(place.get(name).unwrap().unwrap() == bytes);
            place.delete(name).unwrap();
        }
    }
}

/// Puts more objects than S3 lists on one page, from four threads, and lists them.
fn lists_more_than_a_page(place: &dyn ObjectStore) {
    let names: Vec<String> = (0..1_100).map(|i| format!("ID/segments/{i:08x}")).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for names in names.chunks(names.len().div_ceil(4)) {
            scope.spawn(move || names.iter().for_each(|name| place.put(name, b"x").unwrap()));
        }
    });
    let put = start.elapsed();
    place.put("other/a", b"").unwrap();
    let start = Instant::now();
    let expected: Vec<ObjectMeta> = names.iter().map(|name| object(name, 1)).collect();
    assert_eq!(place.list("ID/").unwrap(), expected);
    println!("{}: 1,100 objects put in {put:?}, listed in {:?}", place.name(), start.elapsed());
}

fn refuses_invalid_names(place: &dyn ObjectStore) {
    for name in [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a..b", ".a",
        "a b", "a\nb", "a\0b", "a\u{7f}b", "a\\b", "ä", "a%2Fb", "a?b", "a#b", "a.tmp", "*",
    ] {
        let quoted = format!("'{}' is not an object's name", name.escape_debug());
        let parts = [place.name(), quoted];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        fails(place.put(name, b"x"), &parts);
        fails(place.get(name), &parts);
        fails(place.delete(name), &parts);
    }
    for prefix in ["/", "..", "../", "a/..", "a//", "a\n", ".", "a/.", "ä"] {
        fails(place.list(prefix), &["is not an object's name"]);
    }
    assert_eq!(place.list("").unwrap(), []);
}

#[test]
fn a_folder_stores_objects() {
    let sandbox = tempfile::tempdir().unwrap();
    stores_objects(&*folder(&sandbox.path().join("deep/backup")));
    assert_eq!(std::fs::read_dir(sandbox.path().join("deep/backup")).unwrap().count(), 0);
}

#[test]
fn a_bucket_stores_objects() {
    stores_objects(&*bucket("plain", "keeps"));
    stores_objects(&*bucket("plain", "keeps/deeper.2"));
    stores_objects(&*bucket("versioned", "keeps"));
}

#[test]
fn both_store_a_large_object() {
    let sandbox = tempfile::tempdir().unwrap();
    stores_a_large_object(&*folder(sandbox.path()));
    stores_a_large_object(&*bucket("plain", "large"));
}

#[test]
fn both_list_more_than_a_page() {
    let sandbox = tempfile::tempdir().unwrap();
    lists_more_than_a_page(&*folder(sandbox.path()));
    lists_more_than_a_page(&*bucket("plain", "pages"));
}

#[test]
fn both_refuse_invalid_names() {
    let sandbox = tempfile::tempdir().unwrap();
    refuses_invalid_names(&*folder(&sandbox.path().join("in")));
    assert_eq!(
        std::fs::read_dir(sandbox.path()).unwrap().count(),
        1,
        "nothing was created beside it"
    );
    refuses_invalid_names(&*bucket("plain", "odd"));
}

#[test]
fn a_prefix_hides_objects_outside_of_it() {
    let (outer, inner) = (bucket("plain", "beside"), bucket("plain", "beside/inner"));
    outer.put("inner2/a", b"x").unwrap();
    inner.put("a", b"x").unwrap();
    assert_eq!(inner.list("").unwrap(), [object("a", 1)]);
    assert_eq!(outer.list("").unwrap(), [object("inner/a", 1), object("inner2/a", 1)]);
}

#[test]
fn deleting_removes_all_versions_of_one_object_only() {
    let server = S3Server::start();
    let (name, place) = (server.says("versioned"), bucket("versioned", "versions"));
    for content in [b"1", b"2", b"3"] {
        place.put("a", content).unwrap();
        place.put("a-longer", content).unwrap();
    }
    assert_eq!(server.versions(name, "versions/a"), 3);
    place.delete("a").unwrap();
    assert_eq!(place.get("a").unwrap(), None);
    assert_eq!(server.versions(name, "versions/a"), 0);
    assert_eq!(server.versions(name, "versions/a-longer"), 3);
    // Another program writes more versions than fit on one page.
    server.add_versions(name, "versions/many", 1_005);
    assert_eq!(place.list("many").unwrap().len(), 1);
    place.delete("many").unwrap();
    assert_eq!(server.versions(name, "versions/many"), 0);
    place.delete("many").unwrap();
    assert_eq!(server.versions(name, "versions/many"), 0, "no delete marker is left");
}

#[test]
fn objects_are_deleted_on_a_service_without_versioning() {
    let server = S3Server::start();
    let without = CorruptingProxy::new(server.says("endpoint"), |answer| {
        if String::from_utf8_lossy(answer).contains("<ListVersionsResult") {
            let body = "<Error><Code>NotImplemented</Code><Message>No.</Message></Error>";
            let head = "HTTP/1.1 501 Not Implemented\r\ncontent-type: application/xml";
            *answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into();
        }
    });
    let secret = server.says("secret_access_key");
    let access = server.access_at(&without.endpoint, "access_key_id", secret);
    let at = format!("s3://{}/unversioned", server.says("plain"));
    let place = object_store::open(&at, Some(&access)).unwrap();
    place.put("a", b"x").unwrap();
    place.put("ab", b"x").unwrap();
    place.delete("a").unwrap();
    place.delete("a").unwrap();
    assert_eq!(place.list("").unwrap(), [object("ab", 1)]);
}

#[test]
fn denied_access_and_missing_buckets_are_reported() {
    let server = S3Server::start();
    let (endpoint, plain) = (server.says("endpoint"), server.says("plain"));
    let at = format!("s3://{plain}/denied");
    let secret = "n0t-the-secret";
    let wrong = server.access_at(endpoint, "access_key_id", secret);
    let message =
        fails(object_store::open(&at, Some(&wrong)), &[&at, endpoint, "secret access key"]);
    assert!(!message.contains(secret) && !message.contains(server.says("access_key_id")));
    let stranger = server.access_at(endpoint, "stranger_id", server.says("stranger_secret"));
    fails(object_store::open(&at, Some(&stranger)), &[&at, endpoint, "denied access"]);
    let swapped = server.access_at(endpoint, "stranger_secret", secret);
    fails(object_store::open(&at, Some(&swapped)), &[&at, endpoint, "access key id"]);
    let nowhere = object_store::open("s3://picpick-nowhere/a", Some(&server.access()));
    fails(nowhere, &["s3://picpick-nowhere/a", "no bucket 'picpick-nowhere'", endpoint]);
    fails(object_store::open(&at, None), &[&at, "credentials"]);
}

#[test]
fn an_unreachable_endpoint_is_reported_in_time() {
    let server = S3Server::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let start = Instant::now();
    let access = server.access_at(&endpoint, "access_key_id", "secret");
    fails(
        object_store::open("s3://bucket/a", Some(&access)),
        &["s3://bucket/a", &endpoint, "no connection", "refused"],
    );
    println!("a closed port is an error after {:?}", start.elapsed());
    // This listener accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let access = server.access_at(&endpoint, "access_key_id", "secret");
    fails(
        object_store::open("s3://bucket/a", Some(&access)),
        &["s3://bucket/a", &endpoint, "did not answer in time"],
    );
    println!("a silent port is an error after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let server = S3Server::start();
    let at = format!("s3://{}/tls", server.says("plain"));
    let tls = server.says("tls");
    let access = server.access_at(tls, "access_key_id", server.says("secret_access_key"));
    fails(object_store::open(&at, Some(&access)), &[&at, "no connection", tls, "certificate"]);
    // The server at this endpoint does not use TLS.
    let plain = server.says("endpoint").replace("http:", "https:");
    let access = server.access_at(&plain, "access_key_id", server.says("secret_access_key"));
    fails(object_store::open(&at, Some(&access)), &[&at, "no connection", &plain]);
}

#[test]
fn a_corrupted_response_is_an_error() {
    let server = S3Server::start();
    bucket("plain", "spoiled").put("a", &b"content ".repeat(1_000)).unwrap();
    let at = format!("s3://{}/spoiled", server.says("plain"));
    let open = |proxy: &CorruptingProxy| {
        let secret = server.says("secret_access_key");
        let access = server.access_at(&proxy.endpoint, "access_key_id", secret);
        object_store::open(&at, Some(&access)).unwrap()
    };
    let changed = CorruptingProxy::new(server.says("endpoint"), |answer| {
        let end = answer.len().saturating_sub(100);
        if answer.ends_with(b"content ") {
            answer[end] ^= 1;
        }
    });
    let place = open(&changed);
    fails(place.get("a"), &[&at, "cannot read a", &changed.endpoint, "incomplete or damaged"]);
    let cut = CorruptingProxy::new(server.says("endpoint"), |answer| {
        if answer.ends_with(b"content ") {
            answer.truncate(answer.len() - 100);
        }
    });
    let place = open(&cut);
    let before = cut.connections();
    fails(place.get("a"), &[&at, "cannot read a", &cut.endpoint, "incomplete or damaged"]);
    assert_eq!(cut.connections() - before, 3, "the read is retried");
    let foreign = CorruptingProxy::new(server.says("endpoint"), |answer| {
        *answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nHello".to_vec();
    });
    let access = server.access_at(&foreign.endpoint, "access_key_id", "secret");
    fails(object_store::open(&at, Some(&access)), &[&at, &foreign.endpoint, "404", "not S3's"]);
}

#[test]
fn a_read_only_folder_can_be_read_but_not_written() {
    let sandbox = tempfile::tempdir().unwrap();
    let at = sandbox.path().join("disk");
    let disk = if rustix::process::geteuid().is_root() {
        let Some(disk) = Tmpfs::new(&at, 8) else {
            println!("left out: root may not mount a file system here");
            return;
        };
        Some(disk)
    } else {
        None
    };
    folder(&at).put("a/b", b"x").unwrap();
    let set = |writable: bool| match &disk {
        Some(disk) => disk.set_writable(writable),
        None => {
            let mode = std::fs::Permissions::from_mode(if writable { 0o700 } else { 0o500 });
            std::fs::set_permissions(at.join("a"), mode).unwrap();
        }
    };
    set(false);
    let place = folder(&at);
    assert_eq!(place.list("").unwrap(), [object("a/b", 1)]);
    assert_eq!(place.get("a/b").unwrap().as_deref(), Some(b"x".as_slice()));
    fails(place.put("a/c", b"x"), &[at.to_str().unwrap()]);
    fails(place.put("a/b", b"y"), &[at.to_str().unwrap()]);
    fails(place.delete("a/b"), &[at.to_str().unwrap()]);
    set(true);
    assert_eq!(place.get("a/b").unwrap().as_deref(), Some(b"x".as_slice()));
}

#[test]
fn a_file_instead_of_the_folder_is_refused_and_left_unchanged() {
    let sandbox = tempfile::tempdir().unwrap();
    let file = sandbox.path().join("backup");
    std::fs::write(&file, "mine").unwrap();
    for at in [file.clone(), file.join("below")] {
        fails(object_store::open(at.to_str().unwrap(), None), &[at.to_str().unwrap()]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    let place = folder(&sandbox.path().join("other"));
    std::fs::write(sandbox.path().join("other/a"), "mine").unwrap();
    fails(place.put("a/b", b"x"), &[sandbox.path().join("other/a").to_str().unwrap()]);
    assert_eq!(place.get("a/b").unwrap(), None);
}

#[test]
fn temporary_files_of_a_crash_are_ignored() {
    let sandbox = tempfile::tempdir().unwrap();
    let place = folder(sandbox.path());
    place.put("a/b", b"whole").unwrap();
    for left in ["a/b.0123456789abcdef.tmp", "a/c.fedcba9876543210.tmp", "d.0000000000000000.tmp"] {
        std::fs::write(sandbox.path().join(left), "ha").unwrap();
    }
    assert_eq!(place.list("").unwrap(), [object("a/b", 5)]);
    assert_eq!(place.list("a/b").unwrap(), [object("a/b", 5)]);
    assert_eq!(place.get("a/c").unwrap(), None);
    place.put("a/b", b"new").unwrap();
    place.put("a/c", b"new").unwrap();
    assert_eq!(place.list("a/").unwrap(), [object("a/b", 3), object("a/c", 3)]);
}
