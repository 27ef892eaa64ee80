//! Running responses end when the caller's access ends: exports, archives and event streams.

use std::io::{Read as _, Write as _};

use picpick_tests::album::{Album, place_of};
use picpick_tests::guest::{let_in, wait_until};
use picpick_tests::{Client, Person, Service, on_both_databases, sample};
use serde_json::json;

use crate::guest::erasure::{Stream, large};

on_both_databases!(
    an_export_ends_with_the_members_access,
    progress_ends_with_the_members_access,
    an_upload_of_a_removed_member_becomes_no_photo,
);

/// The end record of a ZIP archive.
const END: &[u8] = b"PK\x05\x06";

fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(END.len()).any(|part| part == END)
}

/// An event with photos that are far larger than the buffers between the service and a client that does
/// not read.
fn with_large_photos(service: &Service) -> (Person, Album) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    let jpeg = std::fs::read(sample("obama.jpg")).unwrap();
    // A part of the archive is a whole photo, and the service queues up to 8 parts.
    for number in 0..16 {
        album.upload(&format!("{number}.jpg"), &large(&jpeg, number));
    }
    album.wait_until_indexed();
    (owner, album)
}

fn an_export_ends_with_the_members_access(service: Service) {
    let (owner, album) = with_large_photos(&service);
    let studio = owner.studio();
    let change = json!({ "downloads": "original" });
    owner.client.patch(&album.path(""), &change).is(200);
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    let found = album.search(&picture, "").is(200).document();
    let face = found["matches"][0]["face"].as_str().unwrap();
    let_in(&service, &owner, &album.event, face);
    let guest = owner.client.get(&album.path("/guests")).is(200).items().remove(0);
    let of_guest = album.path(&format!("/guests/{}/export", guest["id"].as_str().unwrap()));
    for (path, begin) in [(album.path("/export"), "event.json"), (of_guest, "guest.json")] {
        // By a removed member, by a demoted member, and by an API key whose creator was removed.
        for way in 0..3 {
            let admin = service.member(&owner, &studio, "admin", None);
            let client = match way {
                2 => {
                    let key = admin.new_key(&studio, "admin", None).is(201).field("key");
                    service.client().with_key(&key)
                }
                _ => admin.client.clone(),
            };
            let mut export = Stream::open(&service, &client, &path);
            export.wait_for(begin);
            let member = format!("/studios/{studio}/members/{}", admin.membership(&owner, &studio));
            match way {
                1 => {
                    let role = json!({ "role": "viewer" });
                    owner.client.patch(&member, &role).is(204);
                }
                _ => {
                    owner.client.delete(&member).is(200);
                }
            }
            assert!(!has_end(&export.rest()), "the archive is aborted: {path} {way}");
        }
    }
    assert!(has_end(&owner.client.get(&album.path("/export")).is(200).body));
}

fn progress_ends_with_the_members_access(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let viewer = service.member(&owner, &studio, "viewer", None);
    let signed_out = service.member(&owner, &studio, "viewer", None);
    let key = owner.new_key(&studio, "viewer", None).is(201);
    let keyed = service.client().with_key(&key.field("key"));
    let watch = |client: &Client| {
        let mut stream = Stream::open(&service, client, &format!("/events/{event}/progress"));
        stream.wait_for("event: progress");
        stream
    };
    let streams = [&viewer.client, &signed_out.client, &keyed].map(watch);
    let member = format!("/studios/{studio}/members/{}", viewer.membership(&owner, &studio));
    owner.client.delete(&member).is(200);
    signed_out.client.delete("/session").is(204);
    owner.client.delete(&format!("/studios/{studio}/keys/{}", key.field("id"))).is(204);
    // The service ends a stream by itself after 5 minutes only; `rest` waits for 2.
    streams.into_iter().for_each(|stream| drop(stream.rest()));
    let doomed = watch(&owner.client);
    owner.client.delete(&format!("/events/{event}")).is(200);
    doomed.rest();
}

fn an_upload_of_a_removed_member_becomes_no_photo(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = owner.new_event(&studio, "Wedding");
    let member = service.member(&owner, &studio, "photographer", None);
    let theirs = Album { client: member.client.clone(), event: event.clone() };
    let picture = large(&std::fs::read(sample("obama.jpg")).unwrap(), 1);
    let announced = theirs.announce("a.jpg", &picture).unwrap().is(201);
    let place = place_of(&announced);
    let address = service.address();
    let address = address.strip_prefix("http://").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let cookie = member.client.cookie().unwrap();
    write!(
        stream,
        "PATCH /api/v1{place} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\
         Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n\
         Content-Length: {}\r\n\r\n",
        picture.len()
    )
    .unwrap();
    let (first, rest) = picture.split_at(picture.len() / 2);
    stream.write_all(first).unwrap();
    wait_until("the part is being received", || theirs.offset(&place) > 0);
    let path = format!("/studios/{studio}/members/{}", member.membership(&owner, &studio));
    owner.client.delete(&path).is(200);
    stream.write_all(rest).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let ours = Album { client: owner.client.clone(), event };
    assert!(ours.photos().is_empty());
}
