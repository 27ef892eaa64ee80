use std::io::{Cursor, Read as _};

use picpick_tests::album::{Album, CHUNK_BYTES, header, place_of, sha256, variant};
use picpick_tests::client::{Answer, Request};
use picpick_tests::{PARTY, Rng, Service, on_both_databases, sample, times};
use serde_json::{Value, json};

on_both_databases!(
    a_photo_is_uploaded_in_parts_and_stored_once,
    invalid_files_are_rejected,
    a_part_at_a_wrong_offset_is_rejected,
    files_support_ranges_and_conditional_requests,
    a_selfie_finds_the_right_photos,
    concurrent_searches_find_the_same_as_single_ones,
    indexing_is_controlled_and_observed,
    a_removed_photo_is_gone,
    a_photo_viewed_during_its_removal_leaves_no_files,
    an_event_is_deleted_while_its_photos_are_indexed,
    an_event_is_exported,
);

fn read(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

fn album(service: &Service) -> Album {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    Album { client: owner.client, event }
}

fn get(album: &Album, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    album.client.send(Request { method: "GET".into(), path: album.path(path), headers, body: None })
}

fn a_photo_is_uploaded_in_parts_and_stored_once(service: Service) {
    let album = album(&service);
    let picture = read("obama.jpg");
    let known = |hashes: &[&str]| {
        let body = json!({ "sha256": hashes });
        album.client.post(&album.path("/uploads/existing"), &body).is(200).document()["existing"]
            .clone()
    };
    assert_eq!(known(&[&sha256(&picture)]), json!([]));
    let announced = album.announce("Obama & Söhne.jpg", &picture).unwrap().is(201);
    let place = place_of(&announced);
    // If a connection breaks, the service stores the complete chunks and drops the incomplete one.
    let sent = album.send(&place, 0, &picture[..CHUNK_BYTES + 5000]).unwrap().is(204);
    assert_eq!(header(&sent, "upload-offset"), CHUNK_BYTES.to_string());
    // A client that has lost its state gets the same upload when it announces the file again.
    let again = album.announce("again.jpg", &picture).unwrap().is(201);
    assert_eq!(
        (place_of(&again), header(&again, "upload-offset")),
        (place.clone(), CHUNK_BYTES.to_string())
    );
    let done = album.send(&place, CHUNK_BYTES, &picture[CHUNK_BYTES..]).unwrap().is(204);
    let photo = header(&done, "picpick-photo");
    assert_eq!(
        album.offset(&place),
        picture.len(),
        "a client that did not receive the last response reads the offset"
    );
    assert_eq!(known(&[&sha256(&picture), &sha256(b"other")]), json!([sha256(&picture)]));
    assert_eq!(album.announce("b.jpg", &picture).unwrap().is(200).field("photo"), photo);
    // Without a hash the duplicate is detected only after the upload; no second photo is created.
    let blind = place_of(&album.announce_as("c.jpg", picture.len(), None, None).unwrap().is(201));
    let done = album.send(&blind, 0, &picture).unwrap().is(204);
    assert_eq!(header(&done, "picpick-photo"), photo);
    let photos = album.photos();
    assert_eq!(photos.len(), 1);
    assert_eq!(photos[0]["name"], "Obama & Söhne.jpg");
    assert_eq!(
        (&photos[0]["sha256"], &photos[0]["bytes"]),
        (&json!(sha256(&picture)), &json!(picture.len()))
    );
    assert_eq!(album.wait_until_indexed()["done"], 1);
}

fn invalid_files_are_rejected(service: Service) {
    let album = album(&service);
    let text = b"This is a shopping list.".repeat(10);
    let place = place_of(&album.announce("list.jpg", &text).unwrap().is(201));
    album.send(&place, 0, &text).unwrap().fails(422, "not_a_photo");
    // The rejected upload is discarded.
    assert_eq!(album.send(&place, 0, &text).unwrap().status, 404);
    let picture = read("obama.jpg");
    let other = variant(&picture, 1);
    let place = place_of(
        &album.announce_as("a.jpg", other.len(), Some(&sha256(&picture)), None).unwrap().is(201),
    );
    album.send(&place, 0, &other).unwrap().fails(422, "checksum_mismatch");
    let hash = sha256(&picture);
    let announce = |length: usize, hash: &str, folder: Option<&str>| {
        album.announce_as("a.jpg", length, Some(hash), folder).unwrap()
    };
    announce(0, &hash, None).fails(422, "not_a_photo");
    announce(1 << 40, &hash, None).fails(413, "too_large");
    announce(100, "no hash", None).fails(422, "invalid");
    announce(100, &hash, Some("00000000000000000000000000000000")).fails(422, "invalid");
    for bad in ["", "a\nb.jpg", &"x".repeat(300)] {
        assert_eq!(album.announce(bad, &picture).unwrap().status, 422, "{bad:?}");
    }
    // A picture that declares enormous dimensions is rejected without decoding.
    let bomb = picpick_tests::pictures::png_claiming(60_000);
    let place = place_of(&album.announce("bomb.png", &bomb).unwrap().is(201));
    album.send(&place, 0, &bomb).unwrap().fails(422, "not_a_photo");
    assert_eq!(album.photos().len(), 0);
    let left = std::fs::read_dir(service.sandbox.data().join("uploads")).unwrap().count();
    assert_eq!(left, 0, "no bytes of rejected uploads are kept");
}

fn a_part_at_a_wrong_offset_is_rejected(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let album = Album { client: owner.client.clone(), event: owner.new_event(&studio, "Wedding") };
    let picture = read("obama.jpg");
    let place = place_of(&album.announce("a.jpg", &picture).unwrap().is(201));
    album.send(&place, 0, &picture[..2 * CHUNK_BYTES]).unwrap().is(204);
    // The service responds before it has read the body. A client that is still sending may miss the response,
    // so the request is repeated.
    let refused = |offset: usize, part: &[u8]| {
        let answers = std::iter::from_fn(|| Some(album.send(&place, offset, part)));
        answers.take(20).find_map(Result::ok).expect("an answer")
    };
    refused(0, &picture).fails(409, "conflict");
    refused(3 * CHUNK_BYTES, &picture[3 * CHUNK_BYTES..]).fails(409, "conflict");
    let beyond = [&picture[2 * CHUNK_BYTES..], &[0; 100]].concat();
    refused(2 * CHUNK_BYTES, &beyond).fails(413, "too_large");
    let offset = album.offset(&place);
    let headers = |version: &str| {
        vec![
            ("tus-resumable".to_owned(), version.to_owned()),
            ("upload-offset".to_owned(), offset.to_string()),
        ]
    };
    let patch = |kind: &str, version: &str| {
        let body = Some((kind.to_owned(), picture[offset..].to_vec()));
        album.client.send(Request {
            method: "PATCH".into(),
            path: place.clone(),
            headers: headers(version),
            body,
        })
    };
    patch("image/jpeg", "1.0.0").fails(415, "unsupported_media_type");
    patch("application/offset+octet-stream", "0.2.2").fails(412, "precondition_failed");
    album.client.delete(&place).is(204);
    assert_eq!(album.send(&place, offset, &picture[offset..]).unwrap().status, 404);
    let stranger = service.member(&owner, &studio, "viewer", None);
    let theirs = Album { client: stranger.client, event: album.event.clone() };
    theirs.announce("a.jpg", &picture).unwrap().fails(403, "forbidden");
}

fn files_support_ranges_and_conditional_requests(service: Service) {
    let album = album(&service);
    let picture = read("obama.jpg");
    let photo = album.upload("Straße \"1\".jpg", &picture);
    let path = format!("/photos/{photo}/original");
    let whole = get(&album, &path, &[]).is(200);
    assert!(whole.body == picture);
    assert_eq!(header(&whole, "content-type"), "image/jpeg");
    assert!(header(&whole, "content-disposition").contains("Stra%C3%9Fe%20%221%22.jpg"));
    let tag = header(&whole, "etag");
    assert!(get(&album, &path, &[("if-none-match", &tag)]).is(304).body.is_empty());
    for (range, from, to) in [
        ("bytes=0-99", 0, 100),
        ("bytes=65530-65545", 65_530, 65_546),
        ("bytes=-7", picture.len() - 7, picture.len()),
        ("bytes=200000-", 200_000, picture.len()),
    ] {
        let part = get(&album, &path, &[("range", range)]).is(206);
        assert!(part.body == picture[from..to], "{range}");
        let expected = format!("bytes {from}-{}/{}", to - 1, picture.len());
        assert_eq!(header(&part, "content-range"), expected);
    }
    get(&album, &path, &[("range", "bytes=9999999-")]).fails(416, "range_not_satisfiable");
    // If the ETag in `If-Range` does not match, the whole file is sent.
    assert_eq!(
        get(&album, &path, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).status,
        200
    );
    for (kind, side) in [("web", 2048), ("thumb", 480)] {
        let shown = get(&album, &format!("/photos/{photo}/{kind}"), &[]).is(200);
        let (width, height) = picpick_tests::album::jpeg_size(&shown.body);
        assert!(
            width.max(height) <= side && width.max(height) >= side.min(400),
            "{kind}: {width} × {height}"
        );
        assert!(!shown.body.windows(4).any(|part| part == b"Exif"), "{kind} holds EXIF data");
    }
    get(&album, "/photos/00000000000000000000000000000000/original", &[]).fails(404, "not_found");
}

fn a_selfie_finds_the_right_photos(service: Service) {
    let album = album(&service);
    let mut ids = std::collections::BTreeMap::new();
    for name in PARTY.iter().chain(&["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"]) {
        ids.insert(album.upload(name, &read(name)), (*name).to_owned());
    }
    assert_eq!(album.wait_until_indexed()["done"], ids.len());
    let names = |found: &[String]| -> Vec<String> {
        let mut names: Vec<String> = found.iter().map(|id| ids[id].clone()).collect();
        names.sort();
        names
    };
    let found = album.found(&read("obama2.jpg"));
    assert_eq!(names(&found), ["obama.jpg", "obama2.jpg", "obama3.jpg"]);
    let answer = album.search(&read("obama2.jpg"), "?scoring=direct&limit=1").is(200).document();
    let best = &answer["matches"][0];
    assert_eq!(answer["matches"].as_array().unwrap().len(), 1);
    assert_eq!((&best["kind"], answer["faces_detected"].as_u64()), (&json!("direct"), Some(1)));
    assert!(best["similarity"].as_f64() > answer["threshold"].as_f64());
    // A search by a face that was found gives the same photos.
    let face = json!({ "face": best["face"] });
    let by_face = album.client.post(&album.path("/search/face"), &face).is(200).document();
    let by_face: Vec<String> = by_face["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["photo"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names(&by_face), ["obama.jpg", "obama2.jpg", "obama3.jpg"]);
    let pair = json!({ "a": best["face"], "b": best["face"] });
    let same = album.client.post(&album.path("/compare"), &pair).is(200).document();
    assert_eq!(same["same_person"], true);
    album.search(&read(PARTY[0]), "").fails(422, "no_face");
    album.search(b"no picture", "").fails(422, "not_a_photo");
    album.search(&read("obama2.jpg"), "?similarity_min=2").fails(422, "invalid");
    album.search(&read("obama2.jpg"), "?limit=0").fails(422, "invalid");
    let absent = json!({ "face": "00000000000000000000000000000000" });
    album.client.post(&album.path("/search/face"), &absent).fails(404, "not_found");
    album.client.post(&album.path("/search/face"), &json!({ "face": "x" })).fails(422, "invalid");
}

fn concurrent_searches_find_the_same_as_single_ones(service: Service) {
    let album = album(&service);
    for name in PARTY.iter().chain(&["obama.jpg", "obama2.jpg", "biden.jpg"]) {
        album.upload(name, &read(name));
    }
    album.wait_until_indexed();
    let people = album.client.get(&album.path("/people")).is(200).document();
    let people = people["people"].as_array().unwrap().iter();
    let faces: Vec<Value> = people.map(|person| json!({ "face": person["face"] })).collect();
    assert!(faces.len() >= 3, "{faces:?}");
    let search = |face: &Value| {
        let found = album.client.post(&album.path("/search/face?scoring=expand"), face).is(200);
        let mut found = found.document();
        found["elapsed_ms"].take();
        found
    };
    let alone: Vec<Value> = faces.iter().map(&search).collect();
    std::thread::scope(|threads| {
        for start in 0..8 {
            let (faces, alone, search) = (&faces, &alone, &search);
            threads.spawn(move || {
                for number in start..start + 2 * faces.len() {
                    let number = number % faces.len();
                    assert_eq!(search(&faces[number]), alone[number]);
                }
            });
        }
    });
}

fn indexing_is_controlled_and_observed(service: Service) {
    let album = album(&service);
    let picture = read("obama.jpg");
    let control = |order: &str| -> Value {
        album.client.post(&album.path("/jobs"), &json!({ "action": order })).is(200).document()
    };
    assert_eq!(control("pause")["paused"], true);
    for number in 0..3 {
        album.upload("a.jpg", &variant(&picture, number));
    }
    assert_eq!(control("pause")["ready"], 3);
    let cancelled = control("cancel");
    assert_eq!((&cancelled["cancelled"], &cancelled["ready"]), (&json!(3), &json!(0)));
    control("resume");
    assert_eq!(album.photos()[0]["indexing"], "cancelled");
    control("retry");
    assert_eq!(album.wait_until_indexed()["done"], 3);
    let begun = std::time::Instant::now();
    let progress = album.client.get(&album.path("/progress")).is(200);
    assert_eq!(header(&progress, "content-type"), "text/event-stream");
    assert!(begun.elapsed().as_secs() < 60, "the stream begins at once and ends by itself");
    album.client.post(&album.path("/jobs"), &json!({ "action": "hurry" })).fails(422, "invalid");
}

fn a_removed_photo_is_gone(service: Service) {
    let album = album(&service);
    let (other, picture) = (read("obama.jpg"), read("obama2.jpg"));
    let (stays, goes) = (album.upload("a.jpg", &other), album.upload("b.jpg", &picture));
    album.wait_until_indexed();
    assert_eq!(album.found(&picture).len(), 2);
    let removed = album.client.delete(&album.path(&format!("/photos/{goes}"))).is(200);
    let receipt = removed.field("receipt");
    assert!(receipt.contains("\"photos\":1"), "{receipt}");
    assert_eq!(album.found(&picture), [stays]);
    for rest in ["", "/original", "/web", "/thumb"] {
        get(&album, &format!("/photos/{goes}{rest}"), &[]).fails(404, "not_found");
    }
    let files =
        std::fs::read_dir(service.sandbox.data().join("photos").join(&album.event)).unwrap();
    let names: Vec<String> =
        files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.starts_with(&goes)), "{names:?}");
    // The photo can be uploaded again.
    let again = album.upload("b.jpg", &picture);
    album.wait_until_indexed();
    assert_eq!(album.photos().len(), 2);
    assert!(album.found(&picture).contains(&again));
}

fn a_photo_viewed_during_its_removal_leaves_no_files(service: Service) {
    let album = album(&service);
    album.client.post(&album.path("/jobs"), &json!({ "action": "pause" })).is(200);
    let picture = read("sample1.jpg");
    for round in 0..8 {
        let photo = album.upload("a.jpg", &variant(&picture, round));
        let path = format!("/photos/{photo}");
        // The derivatives do not exist yet, so each request renders one. A rendering may end after the photo
        // is removed.
        std::thread::scope(|threads| {
            for kind in ["web", "thumb", "web", "thumb"] {
                let (album, path) = (&album, &path);
                threads.spawn(move || {
                    let answer = get(album, &format!("{path}/{kind}"), &[]);
                    assert!([200, 404].contains(&answer.status), "{answer:?}");
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(15 * round as u64));
            album.client.delete(&album.path(&path)).is(200);
        });
        let folder = service.sandbox.data().join("photos").join(&album.event);
        let left: Vec<_> = std::fs::read_dir(folder).map_or_else(|_| Vec::new(), Iterator::collect);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Deletes events at random moments after an upload. `PICPICK_TEST_DELETIONS` sets the
/// number of deletions (default: 12).
fn an_event_is_deleted_while_its_photos_are_indexed(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let mut rng = Rng::seeded("deletions");
    for _ in 0..times("PICPICK_TEST_DELETIONS", 12) {
        let event = owner.new_event(&studio, "Short");
        let album = Album { client: owner.client.clone(), event };
        album.upload("a.jpg", &read("obama.jpg"));
        std::thread::sleep(std::time::Duration::from_millis(rng.throw(250)));
        let deleted = album.client.delete(&album.path("")).is(200);
        assert!(!deleted.field("receipt").is_empty());
        album.client.get(&album.path("")).is(404);
    }
}

fn an_event_is_exported(service: Service) {
    let album = album(&service);
    let folders = album.path("/folders");
    let folder = album.client.post(&folders, &json!({ "name": "../Trauung" })).is(201).field("id");
    let (a, b) = (read("obama.jpg"), read("biden.jpg"));
    let announced =
        album.announce_as("same.jpg", a.len(), Some(&sha256(&a)), Some(&folder)).unwrap();
    album.send(&place_of(&announced.is(201)), 0, &a).unwrap().is(204);
    album.upload("same.jpg", &b);
    album.upload("same.jpg", &variant(&b, 1));
    // The archive is not compressed again for a client that accepts compressed responses.
    let archive = get(&album, "/export", &[("accept-encoding", "gzip")]).is(200);
    assert!(!archive.headers.contains_key("content-encoding"), "photos do not compress");
    let listed = get(&album, "/photos", &[("accept-encoding", "gzip")]).is(200);
    assert_eq!(header(&listed, "content-encoding"), "gzip");
    let mut archive = zip::ZipArchive::new(Cursor::new(archive.body)).unwrap();
    let mut contents = String::new();
    archive.by_name("event.json").unwrap().read_to_string(&mut contents).unwrap();
    for word in ["embedding", "face", "template"] {
        assert!(
            !contents.replace("\"finding guests' photos\"", "").contains(word),
            "{word}: {contents}"
        );
    }
    let contents: Value = serde_json::from_str(&contents).unwrap();
    let photos = contents["photos"].as_array().unwrap();
    assert_eq!((photos.len(), archive.len()), (3, 4));
    for photo in photos {
        let name = photo["file"].as_str().unwrap();
        assert!(name.starts_with("photos/") && !name.contains(".."), "{name}");
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(photo["sha256"], sha256(&bytes), "{name}");
    }
    assert!(photos.iter().any(|photo| photo["folder"] == "../Trauung"));
}
