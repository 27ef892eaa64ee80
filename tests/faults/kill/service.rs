//! Kills the service with signal 9 at random times while photos are uploaded and indexed. All acknowledged
//! photos must be there, each indexed once. `PICPICK_TEST_SERVICE_KILLS` sets the number of kills (default
//! 20; the long run is 100).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use picpick_tests::album::{Album, CHUNK_BYTES, header, place_of, sha256, variant};
use picpick_tests::{Database, Rng, sample, service, times};

/// Upper bound of the number of photos that are sent between two kills.
const PHOTOS_MAX: u64 = 6;
const DELAY_MS_MAX: u64 = 1200;

/// The photos and uploads that the service has acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Photos: id by SHA-256.
    photos: BTreeMap<String, String>,
    /// Unfinished uploads: path and offset, by SHA-256.
    parts: BTreeMap<String, (String, usize)>,
}

/// Uploads a file in parts. Returns `None` if the service ends before the upload is complete.
fn send(album: &Album, bytes: &[u8], known: &mut Acknowledged, rng: &mut Rng) -> Option<()> {
    let hash = sha256(bytes);
    let announced = album.announce("photo.jpg", bytes).ok()?;
    if announced.status == 200 {
        known.photos.insert(hash, announced.field("photo"));
        return Some(());
    }
    let place = place_of(&announced.is(201));
    let mut offset: usize = header(
        &album
            .client
            .try_send(picpick_tests::client::Request {
                method: "HEAD".into(),
                path: place.clone(),
                ..Default::default()
            })
            .ok()?
            .is(200),
        "upload-offset",
    )
    .parse()
    .unwrap();
    if let Some((before, acknowledged)) = known.parts.get(&hash) {
        assert_eq!(*before, place, "an unfinished upload is resumed at its path");
        assert!(
            offset >= *acknowledged,
            "{acknowledged} bytes were acknowledged, {offset} are there"
        );
    }
    loop {
        assert!(offset <= bytes.len());
        let end = bytes.len().min(offset + CHUNK_BYTES * (1 + rng.throw(3) as usize));
        let sent = album.send(&place, offset, &bytes[offset..end]).ok()?.is(204);
        offset = header(&sent, "upload-offset").parse().unwrap();
        known.parts.insert(hash.clone(), (place.clone(), offset));
        if let Some(photo) = sent.headers.get("picpick-photo") {
            known.photos.insert(hash, photo.to_str().unwrap().to_owned());
            return Some(());
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_indexed_twice() {
    let kills = times("PICPICK_TEST_SERVICE_KILLS", 20);
    let mut rng = Rng::seeded("service kills");
    let mut service = service!(Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    // Each file has one face and more than one chunk.
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    let mut known = Acknowledged::default();
    let (mut next, mut unfinished) = (0, BTreeSet::new());
    for _ in 0..kills {
        let photos = 1 + rng.throw(PHOTOS_MAX);
        let delay = Duration::from_millis(rng.throw(DELAY_MS_MAX));
        let process = service.process_id();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        });
        let fresh = next..next + photos as usize;
        next = fresh.end;
        // Unfinished uploads are resumed first, as a client does.
        for number in std::mem::take(&mut unfinished).into_iter().chain(fresh) {
            if send(&album, &variant(&picture, number), &mut known, &mut rng).is_none() {
                unfinished.insert(number);
            }
        }
        killer.join().unwrap();
        service.kill();
        service.restart();
        let listed: BTreeSet<String> =
            album.photos().iter().map(|photo| photo["id"].as_str().unwrap().to_owned()).collect();
        let lost = known.photos.values().find(|photo| !listed.contains(*photo));
        assert_eq!(lost, None, "an acknowledged photo is lost");
    }
    for number in 0..next {
        send(&album, &variant(&picture, number), &mut known, &mut rng)
            .expect("the service is not killed any more");
    }
    let counts = album.wait_until_indexed();
    assert_eq!((&counts["failed"], &counts["cancelled"]), (&0.into(), &0.into()), "{counts}");
    assert_eq!(album.photos().len(), next, "each file is one photo");
    assert_eq!(known.photos.len(), next);
    let people = album.client.get(&album.path("/people")).is(200).document();
    assert_eq!(people["faces"], next, "each photo has one face");
    assert_eq!(album.found(&picture).len(), next, "a search finds each photo");
    println!("{kills} kills, {next} photos");
}
