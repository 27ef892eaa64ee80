use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, variant};
use picpick_tests::guest::{let_in, letter, new_link, register, wait_until};
use picpick_tests::{Client, Service, sample};
use serde_json::Value;

use super::limits::face_of;
use super::{Scene, add};

/// A response that has no end until the service closes it.
pub struct Stream(TcpStream);

impl Stream {
    pub fn open(service: &Service, client: &Client, path: &str) -> Self {
        let address = service.address();
        let host = address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let credential = client.credential().unwrap();
        write!(
            stream,
            "GET /api/v1{path} HTTP/1.1\r\nHost: {host}\r\n{credential}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        Self(stream)
    }

    /// Reads until `part` has arrived.
    pub fn wait_for(&mut self, part: &str) {
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(part.as_bytes()) {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&read));
            read.extend(byte);
        }
    }

    /// Reads up to the end of the stream and returns the bytes. Panics if the stream does not end.
    pub fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert!(
                error.kind() == std::io::ErrorKind::ConnectionReset,
                "the stream does not end: {error}"
            ),
        }
        rest
    }
}

/// A stream ends soon after its session, even if it is idle. A session has at most four streams.
pub fn streams_end_with_their_session(service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let face = face_of(&scene, "obama.jpg");
    let guest = || let_in(&service, &scene.owner, &scene.album.event, &face);
    let (leaver, expired) = (guest(), guest());
    let watch = |guest: &Client| {
        let mut stream = Stream::open(&service, guest, "/guest/updates");
        stream.wait_for("event: update");
        stream
    };
    let streams: Vec<Stream> = (0..4).map(|_| watch(&leaver)).collect();
    leaver.get("/guest/updates").fails(429, "too_many_requests");
    let idle = watch(&expired);
    leaver.delete("/guest/session").is(204);
    streams.into_iter().for_each(|stream| drop(stream.rest()));
    // The row is deleted directly, so the stream is not notified and detects the end by polling.
    assert!(service.change_rows("DELETE FROM guest_sessions") > 0);
    idle.rest();
}

/// Returns the picture `jpeg` in a file of about 8 MB, padded with JPEG comments.
pub fn large(jpeg: &[u8], number: usize) -> Vec<u8> {
    let comment = [[0xff, 0xfe, 0xff, 0xff].as_slice(), &[b' '; 0xffff - 2]].concat();
    let jpeg = variant(jpeg, number);
    let (start, rest) = jpeg.split_at(2);
    [start, &comment.repeat(120), rest].concat()
}

/// The end of a guest's session aborts the guest's export.
pub fn an_export_ends_with_its_session(service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    scene.allow("original");
    let jpeg = std::fs::read(sample("obama.jpg")).unwrap();
    for number in 0..6 {
        scene.album.upload(&format!("{number}.jpg"), &large(&jpeg, number));
    }
    scene.album.wait_until_indexed();
    let guest = let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    // The archive is far larger than the buffers between the service and a client that does not read.
    let mut export = Stream::open(&service, &guest, "/guest/export");
    export.wait_for("guest.json");
    guest.get("/guest/photos.zip").fails(429, "too_many_requests");
    guest.delete("/guest/session").is(204);
    let rest = export.rest();
    let end = b"PK\x05\x06";
    assert!(
        !rest.windows(4).any(|part| part == end),
        "the archive is aborted before its end record"
    );
}

/// An event that cannot be opened blocks neither the erasure of other events' guests nor the e-mails to them.
pub fn an_event_that_cannot_be_opened_blocks_no_other(mut service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let folders = service.sandbox.data().join("collections");
    let broken = std::fs::read_dir(&folders).unwrap().next().unwrap().unwrap().path();
    let client = scene.owner.client.clone();
    let other = scene.owner.new_event(&scene.owner.studio(), "Another wedding");
    let album = Album { client, event: other.clone() };
    add(&album, "obama.jpg");
    album.wait_until_indexed();
    let found = album.search(&std::fs::read(sample("obama.jpg")).unwrap(), "").is(200).document();
    let face = found["matches"][0]["face"].as_str().unwrap();
    let link = new_link(&scene.owner, &other);
    let of_first = |rest: &str| format!("{rest} event_id = '{}'", scene.album.event);
    // The guests of the broken event come first in every scan.
    let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    register(&service, &scene.token, "Broken", &new_email());
    let_in(&service, &scene.owner, &other, face);
    register(&service, &link, "Goes", &new_email());
    assert_eq!(service.stop(), Some(0));
    std::fs::rename(&broken, service.sandbox.path("elsewhere")).unwrap();
    service.change_rows("UPDATE guests SET erasing_unix_s = 1 WHERE verified_unix_s IS NULL");
    service.change_rows("UPDATE guests SET notify = 2, notified_unix_s = 1");
    service.change_rows(&of_first("UPDATE guests SET notified_unix_s = 0 WHERE"));
    service.restart();
    wait_until("the other event's guest is erased", || {
        service.number("SELECT COUNT(*) FROM guests WHERE erasing_unix_s IS NOT NULL") == 1
    });
    assert!(letter(&service, "there is 1 new photo").contains("Another wedding"));
    // The event's export also holds a guest without a template.
    let lost = register(&service, &link, "Lost", &new_email());
    lost.get("/guest").is(200);
    service.change_rows("UPDATE guests SET verified_unix_s = 1 WHERE verified_unix_s IS NULL");
    let export = album.client.get(&album.path("/export")).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(export)).unwrap();
    let event = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let guests = event["guests"].as_array().unwrap().iter();
    let mut photos: Vec<usize> =
        guests.map(|guest| guest["photos"].as_array().unwrap().len()).collect();
    photos.sort_unstable();
    assert_eq!(photos, [0, 1], "{}", event["guests"]);
}

/// A template whose guest's row is gone is erased at the next start.
pub fn orphaned_templates_are_erased(mut service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    let stays = let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    assert_eq!(service.stop(), Some(0));
    let first = "DELETE FROM guests WHERE id IN (SELECT guest_id FROM guest_sessions \
                 ORDER BY created_unix_s, id LIMIT 1)";
    assert_eq!(service.change_rows(first), 1);
    service.restart();
    wait_until("the template is erased", || {
        service.number("SELECT COUNT(*) FROM receipts WHERE receipt LIKE '%person%'") == 1
    });
    let guests = scene.owner.client.get(&scene.album.path("/guests")).is(200).items();
    assert_eq!(guests.len(), 1);
    let _ = stays;
}
