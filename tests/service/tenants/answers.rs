use picpick_tests::album::header;
use picpick_tests::guest::wait_until;
use picpick_tests::{Answer, Client, Request, Service};
use serde_json::json;

use super::{add_large_photos, event_of, threads};
use crate::album::studio::{Studio, VIEW, enter};
use crate::guest::erasure::Stream;

/// Places for exports of one studio.
const EXPORTS: usize = 4;
/// Places for archives of one studio's visitors and guests.
const ARCHIVES: usize = 16;

/// Sends a request whose response may be a 503.
fn get(client: &Client, path: &str) -> Answer {
    let request = Request { method: "GET".into(), path: path.into(), ..Request::default() };
    client.try_send(request).unwrap()
}

fn assert_busy(answer: Answer) {
    let answer = answer.fails(503, "busy");
    assert!(header(&answer, "retry-after").parse::<u64>().unwrap() > 0);
}

/// S4: an export that is not read holds a place and no thread; a studio's exports leave the others theirs.
pub fn exports_hold_places_until_their_end(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (stranger, elsewhere) = service.stranger(&owner);
    let theirs = event_of(&stranger, &elsewhere);
    add_large_photos(&theirs, 1);
    let events: Vec<_> = (0..=EXPORTS).map(|_| event_of(&owner, &studio)).collect();
    events.iter().for_each(|event| add_large_photos(event, 2));
    let before = threads(&service);
    let mut held: Vec<Stream> = events[..EXPORTS]
        .iter()
        .map(|event| {
            let mut export = Stream::open(&service, &owner.client, &event.path("/export"));
            export.wait_for("event.json");
            export
        })
        .collect();
    // One caller exports an event once at a time.
    get(&owner.client, &events[0].path("/export")).fails(429, "too_many_requests");
    assert_busy(get(&owner.client, &events[EXPORTS].path("/export")));
    // Neither another member nor an API key gets more places of the same studio.
    let admin = service.member(&owner, &studio, "admin", None);
    assert_busy(get(&admin.client, &events[0].path("/export")));
    get(&stranger.client, &theirs.path("/export")).is(200);
    // The pool's threads end when they are idle; a parked one would stay.
    wait_until("no export occupies a thread", || threads(&service) <= before + 2);
    // A place is free as soon as its reader is gone.
    drop(held.pop());
    wait_until("the place is free", || {
        get(&owner.client, &events[EXPORTS].path("/export")).status == 200
    });
    // Who reads on gets the whole archive.
    let rest = held.remove(0).rest();
    assert!(rest.windows(4).any(|part| part == b"PK\x05\x06"), "the archive has its end");
}

/// Returns clients of `count` visits of the studio's album.
fn visits(service: &Service, studio: &Studio, count: usize) -> Vec<Client> {
    let visit = |_| {
        let client = service.client();
        client.with_cookie(&enter(&client, &studio.token, VIEW).is(204).cookie())
    };
    (0..count).map(visit).collect()
}

fn with_downloads(service: &Service) -> Studio {
    let studio = Studio::new(service);
    studio.rules(&json!({ "downloads": "original" }));
    add_large_photos(&studio.photos, 2);
    studio
}

fn open_archives(service: &Service, visits: &[Client]) -> Vec<Stream> {
    let open = |client| {
        let mut stream = Stream::open(service, client, "/album/download");
        stream.wait_for("photos/");
        stream
    };
    visits.iter().map(open).collect()
}

/// S17: readers of one album that read nothing leave the archives of another studio alone.
pub fn slow_readers_of_one_album_block_no_other_studio(service: Service) {
    let studio = with_downloads(&service);
    let (stranger, elsewhere) = service.stranger(&studio.owner);
    let theirs = event_of(&stranger, &elsewhere);
    stranger.client.patch(&theirs.path(""), &json!({ "downloads": "original" })).is(200);
    add_large_photos(&theirs, 1);
    let new = json!({ "name": "Other", "view_pin": VIEW });
    let album = stranger.client.post(&theirs.path("/albums"), &new).is(201).field("id");
    let links = theirs.path(&format!("/albums/{album}/links"));
    let token = stranger.client.post(&links, &json!({ "name": "Family" })).is(201).field("token");
    let outside = service.client();
    let visitor = outside.with_cookie(&enter(&outside, &token, VIEW).is(204).cookie());
    let visits = visits(&service, &studio, ARCHIVES + 1);
    let held = open_archives(&service, &visits[..ARCHIVES]);
    visits[0].get("/album/download").fails(429, "too_many_requests");
    assert_busy(get(&visits[ARCHIVES], "/album/download"));
    let archive = get(&visitor, "/album/download").is(200).body;
    assert!(archive.len() > 7_000_000, "{}", archive.len());
    drop(held);
    wait_until("the places are free", || get(&visits[ARCHIVES], "/album/download").status == 200);
}

/// A sibling of S17 within one studio: its visitors cannot keep its members from an export.
pub fn a_studio_keeps_exports_while_visitors_hold_its_archives(service: Service) {
    let studio = with_downloads(&service);
    let visits = visits(&service, &studio, ARCHIVES);
    let held = open_archives(&service, &visits);
    let export = get(&studio.owner.client, &studio.photos.path("/export")).is(200).body;
    assert!(export.windows(4).any(|part| part == b"PK\x05\x06"));
    drop(held);
}

/// A sibling of S4: originals that are not read hold places of their studio, and little memory.
pub fn unread_originals_block_no_other_studio(service: Service) {
    let owner = service.owner();
    let (stranger, elsewhere) = service.stranger(&owner);
    let (ours, theirs) = (event_of(&owner, &owner.studio()), event_of(&stranger, &elsewhere));
    add_large_photos(&ours, 1);
    add_large_photos(&theirs, 1);
    let original = |album: &picpick_tests::album::Album| {
        let photo = album.photos().remove(0)["id"].as_str().unwrap().to_owned();
        album.path(&format!("/photos/{photo}/original"))
    };
    let path = original(&ours);
    let open = |_| {
        let mut stream = Stream::open(&service, &owner.client, &path);
        stream.wait_for("\r\n\r\n");
        stream
    };
    let held: Vec<Stream> = (0..64).map(open).collect();
    assert_busy(get(&owner.client, &path));
    assert!(get(&stranger.client, &original(&theirs)).is(200).body.len() > 7_000_000);
    // A part that fits into one piece needs no place.
    let range = Request {
        method: "GET".into(),
        path: path.clone(),
        headers: vec![("range".into(), "bytes=0-1000".into())],
        body: None,
    };
    owner.client.try_send(range).unwrap().is(206);
    drop(held);
    wait_until("the places are free", || get(&owner.client, &path).status == 200);
}
