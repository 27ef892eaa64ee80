use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picpick_tests::album::sha256;
use picpick_tests::pictures::Drawing;
use picpick_tests::tcp_proxy::Line;
use picpick_tests::{Outcome, Person, Rng, Service, sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A service with an event, and an API key that may upload photos to it.
struct Stage {
    service: Service,
    owner: Person,
    event: String,
    key: String,
}

impl Stage {
    fn new() -> Self {
        // Clients reach the service through a proxy at another port of this address.
        let environment = vec![("PICPICK_ALLOW_HOST", "127.0.0.1".to_owned())];
        let service = Service::start_with(sandbox!(), environment);
        let owner = service.owner();
        let studio = owner.studio();
        let event = owner.new_event(&studio, "Event");
        let key = owner.new_key(&studio, "editor", Some(&event)).is(201).field("key");
        Self { service, owner, event, key }
    }

    /// Returns the command `picpick COMMAND --json URL EVENT`, with the API key in its environment.
    fn command(&self, command: &str, url: &str) -> Command {
        let mut program = self.service.sandbox.command();
        program.env("PICPICK_API_KEY", &self.key).args([command, "--json", url, &self.event]);
        program
    }

    fn upload(&self, url: &str, arguments: &[&str], path: &Path) -> Outcome {
        Outcome::of(self.command("upload", url).args(arguments).arg(path))
    }

    /// Returns the name and the SHA-256 of each photo of the event, sorted.
    fn photos(&self) -> Vec<(String, String)> {
        let list = self.owner.client.get(&format!("/events/{}/photos?limit=500", self.event));
        let text = |photo: &Value, field: &str| photo[field].as_str().unwrap().to_owned();
        let pair = |photo: &Value| (text(photo, "name"), text(photo, "sha256"));
        let mut photos: Vec<_> = list.is(200).items().iter().map(pair).collect();
        photos.sort();
        photos
    }
}

/// Creates a folder with `number` different photos of at least `bytes` each.
fn photos(stage: &Stage, number: usize, bytes: usize) -> PathBuf {
    let folder = stage.service.sandbox.folder("photos", &[]);
    let mut rng = Rng::seeded("upload");
    for name in 0..number {
        // Bytes after the JPEG's end marker enlarge the file without changing the picture.
        let mut photo = Drawing::blank(64, 64).jpeg();
        while photo.len() < bytes {
            photo.extend(rng.number().to_le_bytes());
        }
        std::fs::write(folder.join(format!("{name:03}.jpg")), photo).unwrap();
    }
    folder
}

/// Returns the name and the SHA-256 of each file in `folder`, sorted.
fn files(folder: &Path) -> Vec<(String, String)> {
    let pair = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let hash = sha256(&std::fs::read(entry.path()).unwrap());
        (entry.file_name().into_string().unwrap(), hash)
    };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(pair).collect();
    files.sort();
    files
}

fn bytes_of(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn number(document: &Value, field: &str) -> u64 {
    document[field].as_u64().unwrap_or_else(|| panic!("no '{field}': {document}"))
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// Waits up to 120 s until `holds` returns true; panics with `what` otherwise.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < end, "not within 120 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_key_file_that_others_may_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new();
    let folder = photos(&stage, 1, 0);
    let file = stage.service.sandbox.path("api-key");
    std::fs::write(&file, &stage.key).unwrap();
    for (mode, is_open) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let arguments = ["--key-file", file.to_str().unwrap()];
        let sent = stage.upload(&stage.service.address(), &arguments, &folder);
        assert_eq!(sent.status, 0, "{sent:?}");
        assert_eq!(sent.stderr.contains("chmod 0600"), is_open, "{}", sent.stderr);
    }
}

#[test]
fn every_photo_arrives_intact_over_a_breaking_connection() {
    let stage = Stage::new();
    let folder = photos(&stage, 12, 1_500_000);
    let line = Line::to(&stage.service.address());
    let mut rng = Rng::seeded("cuts");
    line.cut((0..25).map(|_| 10_000 + rng.throw(1_200_000)));
    let sent = stage.upload(&line.address, &[], &folder);
    assert_eq!(sent.status, 0, "{sent:?}");
    let document = sent.document();
    assert_eq!(
        (number(&document, "uploaded"), number(&document, "existing")),
        (12, 0),
        "{document}"
    );
    assert!(
        line.cuts_left() < 20,
        "the connection did not break often enough: {} cuts are left",
        line.cuts_left()
    );
    assert!(sent.stderr.contains("waiting to retry"), "{sent:?}");
    // Only bytes of interrupted requests were sent again.
    let (all, twice) = (number(&document, "bytes_sent"), number(&document, "bytes_resent"));
    assert_eq!(all - twice, bytes_of(&folder), "{document}");
    assert!(twice > 0 && twice < bytes_of(&folder), "{document}");
    assert_eq!(stage.photos(), files(&folder));

    let again = stage.upload(&line.address, &[], &folder);
    let document = again.document();
    assert_eq!((again.status, number(&document, "existing")), (0, 12), "{again:?}");
    assert_eq!(number(&document, "bytes_sent"), 0);
}

#[test]
fn an_upload_survives_a_killed_service() {
    let mut stage = Stage::new();
    let folder = photos(&stage, 6, 1_500_000);
    let line = Line::to(&stage.service.address());
    line.slow(2_000_000);
    let mut command = stage.command("upload", &line.address);
    command.args(["--connections", "2"]).arg(&folder);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("bytes are sent", || line.carried() > 2_500_000);
    stage.service.kill();
    stage.service.restart();
    line.leads_to(&stage.service.address());
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), number(&document, "uploaded")), (Some(0), 6), "{output:?}");
    assert_eq!(stage.photos(), files(&folder));
}

#[test]
fn ctrl_c_loses_little_and_the_next_run_resumes() {
    let stage = Stage::new();
    let folder = photos(&stage, 3, 3_000_000);
    let line = Line::to(&stage.service.address());
    line.slow(1_000_000);
    let mut command = stage.command("upload", &line.address);
    command.args(["--connections", "1"]).arg(&folder);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("bytes are sent", || line.carried() > 1_700_000);
    interrupt(&child);
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "Ctrl-C also interrupts the transfer of a photo"
    );
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &first["stopped"]), (Some(1), &Value::Bool(true)), "{first}");
    assert!(number(&first, "uploaded") < 3, "{first}");

    line.slow(0);
    let rest = stage.upload(&line.address, &[], &folder);
    let second = rest.document();
    assert_eq!(rest.status, 0, "{rest:?}");
    assert_eq!(number(&second, "uploaded") + number(&second, "existing"), 3, "{second}");
    let all = bytes_of(&folder);
    assert!(number(&second, "bytes_sent") < all - 900_000, "of {all}: {second}");
    assert_eq!(stage.photos(), files(&folder));
}

#[test]
fn invalid_files_are_reported_and_the_rest_arrives() {
    let stage = Stage::new();
    let folder = photos(&stage, 2, 100_000);
    let photo = std::fs::read(folder.join("000.jpg")).unwrap();
    std::fs::write(folder.join("copy.jpg"), photo).unwrap();
    std::fs::write(folder.join("notes.txt"), "no photo").unwrap();
    // The file starts with a JPEG signature, so that only the service detects that it is not a photo.
    std::fs::write(folder.join("torn.jpg"), [0xff, 0xd8, 0xff, 0xe0, 0, 1, 2, 3, 4, 5]).unwrap();
    let sent = stage.upload(&stage.service.address(), &["--folder", "Church"], &folder);
    let document = sent.document();
    assert_eq!((sent.status, number(&document, "uploaded")), (0, 2), "{sent:?}");
    assert_eq!(number(&document, "duplicates"), 1, "{document}");
    let mut refused = picpick_tests::file_names(&document["rejected"], "path");
    refused.sort();
    assert_eq!(refused, ["notes.txt", "torn.jpg"], "{document}");
    for entry in document["rejected"].as_array().unwrap() {
        assert_eq!(entry["code"], "not_a_photo", "{document}");
    }
    let folders = stage.owner.client.get(&format!("/events/{}/folders", stage.event)).is(200);
    let [church] = folders.items().try_into().unwrap();
    assert_eq!(church["name"], "Church");
    let path = format!("/events/{}/photos?folder={}", stage.event, church["id"].as_str().unwrap());
    assert_eq!(stage.owner.client.get(&path).is(200).items().len(), 2);

    // The existing folder is reused. An upload of only invalid files fails.
    let bad = folder.join("notes.txt");
    let sent = stage.upload(&stage.service.address(), &["--folder", "Church"], &bad);
    assert_eq!(sent.status, 1, "{sent:?}");
}

#[test]
fn invalid_uploads_fail_at_once_and_reveal_no_key() {
    let stage = Stage::new();
    let folder = photos(&stage, 1, 10_000);
    let url = stage.service.address();
    let run = |url: &str, event: &str, key: Option<&str>, more: &[&str]| {
        let mut command = stage.service.sandbox.command();
        command.env_remove("PICPICK_API_KEY").args(["upload", url, event]).args(more).arg(&folder);
        key.map(|key| command.env("PICPICK_API_KEY", key));
        let begun = Instant::now();
        let outcome = Outcome::of(&mut command);
        assert!(begun.elapsed() < Duration::from_secs(20), "{outcome:?}");
        assert!(!outcome.stderr.contains("ppk_w") && !outcome.stderr.contains(&stage.key));
        outcome
    };
    let key = Some(stage.key.as_str());
    let event = stage.event.as_str();
    assert!(run(&url, event, Some("ppk_wrong"), &[]).failed(1).contains("API key"));
    assert!(run(&url, &"0a".repeat(16), key, &[]).failed(1).contains("no event"));
    assert!(run(&url, "Event", key, &[]).failed(2).contains("id"));
    assert!(run(&url, event, None, &[]).failed(2).contains("PICPICK_API_KEY"));
    assert!(run("http://photos.example.com", event, key, &[]).failed(2).contains("https"));
    assert_eq!(run(&url, event, key, &["--connections", "0"]).status, 2);
    // No server listens on this port: the client gives up after the retry timeout.
    let gone = Line::to("127.0.0.1:1");
    let outcome = run(&gone.address, event, key, &["--retry-timeout-s", "2"]);
    assert!(outcome.failed(1).contains("no progress"), "{outcome:?}");
    assert!(stage.photos().is_empty());
}

#[test]
fn files_in_a_watched_folder_are_uploaded() {
    let stage = Stage::new();
    let source = photos(&stage, 3, 200_000);
    let watched = stage.service.sandbox.folder("watched", &[]);
    std::fs::copy(source.join("000.jpg"), watched.join("000.jpg")).unwrap();
    let mut command = stage.command("watch", &stage.service.address());
    command.args(["--settle", "1"]).arg(&watched);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the existing file is sent", || stage.photos().len() == 1);
    // A growing file is sent only once it no longer changes.
    let whole = std::fs::read(source.join("001.jpg")).unwrap();
    for part in 1..=6 {
        std::fs::write(watched.join("001.jpg"), &whole[..whole.len() * part / 6]).unwrap();
        std::thread::sleep(Duration::from_millis(400));
    }
    std::fs::create_dir(watched.join("below")).unwrap();
    std::fs::copy(source.join("002.jpg"), watched.join("below/002.jpg")).unwrap();
    until("the other files are sent", || stage.photos().len() == 3);
    assert_eq!(stage.photos(), files(&source));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), number(&document, "uploaded")), (Some(0), 3), "{output:?}");
    assert_eq!(document["rejected"], serde_json::json!([]), "no incomplete file was sent");
}
