use picpick_tests::album::{Album, place_of, sha256, variant};
use picpick_tests::degrade::{self, Defect};
use picpick_tests::{Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    each_weak_photo_is_in_its_list_only,
    lists_are_paginated,
    invalid_requests_are_rejected,
);

const LISTS: [&str; 5] = ["small", "blurred", "turned", "without_face", "unreadable"];
const MADE: [Defect; 4] = [Defect::Small, Defect::Blurred, Defect::Turned, Defect::NoFace];

fn album(service: &Service) -> (Person, Album) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    (owner, album)
}

fn report(album: &Album) -> Value {
    album.client.get(&album.path("/coverage")).is(200).document()
}

/// Returns the first page of the list `what`.
fn listed(album: &Album, what: &str) -> Vec<Value> {
    album.client.get(&album.path(&format!("/coverage/photos?issue={what}"))).is(200).items()
}

fn numbers<const N: usize>(of: &Value, fields: [&str; N]) -> [u64; N] {
    fields.map(|field| of[field].as_u64().unwrap_or_else(|| panic!("{field}: {of}")))
}

/// Asserts that the photo counts and the face counts of a report each add up to their total.
fn assert_counts_add_up(report: &Value) {
    let [photos, searched, unread, waiting] =
        numbers(report, ["photos", "indexed", "unreadable", "pending"]);
    assert_eq!(photos, searched + unread + waiting, "{report}");
    let [faces, good, small, blurred, turned] =
        numbers(report, ["faces", "good", "small", "blurred", "turned"]);
    assert_eq!(faces, good + small + blurred + turned, "{report}");
}

fn each_weak_photo_is_in_its_list_only(service: Service) {
    let (_, album) = album(&service);
    let empty = report(&album);
    assert_eq!((&empty["photos"], &empty["expected_recall"]), (&json!(0), &Value::Null));
    let folder = json!({ "name": "Ceremony" });
    let folder = album.client.post(&album.path("/folders"), &folder).is(201).field("id");
    let good = std::fs::read(sample("obama.jpg")).unwrap();
    let announced = album.announce_as("good.jpg", good.len(), Some(&sha256(&good)), Some(&folder));
    album.send(&place_of(&announced.unwrap().is(201)), 0, &good).unwrap().is(204);
    let made = MADE.map(|kind| album.upload(kind.file(), &degrade::jpeg(kind)));
    let broken = album.upload("broken.jpg", &degrade::broken());
    assert_eq!(album.wait_until_indexed()["failed"], 1);
    let coverage = report(&album);
    assert_counts_add_up(&coverage);
    assert_eq!(
        numbers(&coverage, ["photos", "indexed", "unreadable", "without_face"]),
        [6, 5, 1, 1]
    );
    assert_eq!(numbers(&coverage, ["small", "blurred", "turned"]), [1, 1, 1], "{coverage}");
    let recall = coverage["expected_recall"].as_f64().unwrap();
    assert!((0.2..0.8).contains(&recall), "one of four faces is good: {recall}");
    let folders = coverage["folders"].as_array().unwrap();
    assert_eq!(folders.len(), 1, "{coverage}");
    assert_eq!((&folders[0]["id"], &folders[0]["name"]), (&json!(folder), &json!("Ceremony")));
    assert_eq!(numbers(&folders[0], ["indexed", "faces", "good"]), [1, 1, 1]);
    assert!(folders[0]["expected_recall"].as_f64().unwrap() > 0.9, "{coverage}");
    for (what, (id, name)) in LISTS
        .into_iter()
        .zip(made.iter().zip(MADE.map(Defect::file)).chain([(&broken, "broken.jpg")]))
    {
        let photos = listed(&album, what);
        assert_eq!(photos.len(), 1, "{what}: {photos:?}");
        let photo = &photos[0];
        assert_eq!((&photo["id"], &photo["name"]), (&json!(id), &json!(name)), "{what}");
        let faces = photo["faces"].as_array().unwrap();
        assert_eq!(
            faces.len(),
            usize::from(!["without_face", "unreadable"].contains(&what)),
            "{what}"
        );
        assert_eq!(photo.get("reason").is_some(), what == "unreadable", "{photo}");
        for face in faces {
            let shown = album.client.get(&album.path(&format!("/photos/{id}"))).is(200).document();
            let [width, height] = numbers(&shown, ["width", "height"]).map(|side| side as i64);
            let bbox: Vec<i64> = face["bbox"]
                .as_array()
                .unwrap()
                .iter()
                .map(|side| side.as_i64().unwrap())
                .collect();
            assert!(bbox[0] < width && bbox[1] < height && bbox[2] > 0 && bbox[3] > 0, "{face}");
            assert!((0.0..=1.0).contains(&face["quality"].as_f64().unwrap()), "{face}");
        }
    }
    // A removed photo is in no count and in no list.
    for id in [&made[0], &made[3], &broken] {
        album.client.delete(&album.path(&format!("/photos/{id}"))).is(200);
    }
    let coverage = report(&album);
    assert_counts_add_up(&coverage);
    assert_eq!(
        numbers(&coverage, ["photos", "unreadable", "without_face", "small", "blurred"]),
        [3, 0, 0, 0, 1]
    );
    for (what, left) in LISTS.into_iter().zip([0, 1, 1, 0, 0]) {
        assert_eq!(listed(&album, what).len(), left, "{what}");
    }
}

fn lists_are_paginated(service: Service) {
    let (_, album) = album(&service);
    let small = degrade::jpeg(Defect::Small);
    let mut sent: Vec<String> =
        (0..5).map(|nth| album.upload(&format!("{nth}.jpg"), &variant(&small, nth))).collect();
    let broken = degrade::broken();
    for nth in 0..3 {
        album.upload(&format!("broken {nth}.jpg"), &variant(&broken, nth));
    }
    album.wait_until_indexed();
    for (what, number) in [("small", 5), ("unreadable", 3)] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for page in 1.. {
            let path = format!("/coverage/photos?issue={what}&limit=2{cursor}");
            let answer = album.client.get(&album.path(&path)).is(200);
            found.extend(
                answer.items().iter().map(|photo| photo["id"].as_str().unwrap().to_owned()),
            );
            match answer.document()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => {
                    assert_eq!(page, number / 2 + 1, "{what}");
                    break;
                }
            }
        }
        let whole: Vec<Value> = listed(&album, what);
        assert!(whole.iter().map(|photo| photo["id"].as_str().unwrap()).eq(&found), "{what}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), number, "{what}: {found:?}");
        if what == "small" {
            sent.sort();
            assert_eq!(found, sent);
        }
    }
}

fn invalid_requests_are_rejected(service: Service) {
    let (owner, album) = album(&service);
    let get = |rest: &str| album.client.get(&album.path(&format!("/coverage/photos{rest}")));
    for bad in ["", "?issue=", "?issue=ugly", "?issue=Small", "?issue=small%00"] {
        get(bad).fails(422, "invalid");
    }
    for bad in ["limit=0", "limit=501", "cursor=x", "cursor=%00"] {
        get(&format!("?issue=small&{bad}")).fails(422, "invalid");
        get(&format!("?issue=unreadable&{bad}")).fails(422, "invalid");
    }
    for event in ["00000000000000000000000000000000", "nothing"] {
        owner.client.get(&format!("/events/{event}/coverage")).fails(404, "not_found");
        let photos = format!("/events/{event}/coverage/photos?issue=small");
        owner.client.get(&photos).fails(404, "not_found");
    }
}
