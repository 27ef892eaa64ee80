use std::collections::BTreeSet;

use picpick_tests::album::Album;
use picpick_tests::guest::let_in;
use picpick_tests::pictures::Drawing;
use picpick_tests::{Client, Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    a_higher_threshold_loses_photos_and_a_reset_restores_them,
    only_valid_offsets_from_allowed_roles_are_accepted,
    a_search_is_not_laxer_than_the_event,
);

/// Three photos of one man, one of another man, and one of a party.
const PHOTOS: [&str; 5] = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "sample4.jpg"];
/// Sizes to which a photo of the first man is reduced, pixels. The smaller the copy, the lower its similarity
/// to his other faces.
const SIDES_PX: [u32; 6] = [48, 56, 60, 64, 68, 72];

fn event_with(service: &Service, photos: &[&str]) -> (Person, Album) {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    for name in photos {
        album.upload(name, &std::fs::read(sample(name)).unwrap());
    }
    album.wait_until_indexed();
    (owner, album)
}

fn set<'a>(items: impl IntoIterator<Item = &'a Value>, field: &str) -> BTreeSet<String> {
    items.into_iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// Returns the event's matching report with a preview of the threshold offset `stricter`, or of the current
/// offset if `None`.
fn report(album: &Album, stricter: Option<f64>) -> Value {
    let query = stricter.map(|added| format!("?threshold_offset={added}")).unwrap_or_default();
    album.client.get(&album.path(&format!("/matching{query}"))).is(200).document()
}

/// Sets the event's threshold offset.
fn set_offset(album: &Album, stricter: f64) {
    album.client.put(&album.path("/matching"), &json!({ "threshold_offset": stricter })).is(204);
}

fn searched(album: &Album, face: &str) -> BTreeSet<String> {
    let found = album.client.post(&album.path("/search/face"), &json!({ "face": face })).is(200);
    set(found.document()["matches"].as_array().unwrap(), "photo")
}

fn seen(guest: &Client) -> BTreeSet<String> {
    set(&guest.get("/guest/photos").is(200).items(), "id")
}

/// Returns the photos that guests would lose by the previewed offset.
fn missed(document: &Value) -> BTreeSet<String> {
    let dropped = document["preview"]["lost_matches"].as_array().unwrap();
    set(dropped.iter().filter(|dropped| dropped["guest"] == true), "photo")
}

/// Returns a face of the person with the most photos.
fn most_frequent_face(album: &Album) -> String {
    let people = album.client.get(&album.path("/people")).is(200).document();
    people["people"][0]["face"].as_str().unwrap().to_owned()
}

fn a_higher_threshold_loses_photos_and_a_reset_restores_them(mut service: Service) {
    let (owner, album) = event_with(&service, &PHOTOS);
    let whole = Drawing::open(&sample(PHOTOS[0]));
    for side in SIDES_PX {
        album.upload(&format!("{side}.jpg"), &whole.within(side).jpeg());
    }
    album.wait_until_indexed();
    let face = most_frequent_face(&album);
    let guest = let_in(&service, &owner, &album.event, &face);
    let before = report(&album, None);
    assert_eq!(
        (&before["threshold_offset"], &before["threshold"]),
        (&json!(0.0), &before["formula"])
    );
    assert_eq!(before["calibrated"], Value::Null, "too few pairs for a calibration");
    assert!(before["evidence"]["pairs"].as_u64() < before["evidence"]["pairs_needed"].as_u64());
    assert_eq!(missed(&before), BTreeSet::new());
    let (usual, usually_found) = (seen(&guest), searched(&album, &face));
    let steps: Vec<f64> = (1..=20).map(|step| f64::from(step) / 100.0).collect();
    // Finds the smallest offset whose preview loses a photo of the guest.
    let (stricter, preview) = steps
        .iter()
        .map(|added| (*added, report(&album, Some(*added))))
        .find(|(_, report)| !missed(report).is_empty())
        .expect("an offset that loses the face with few pixels");
    assert_eq!(seen(&guest), usual, "a preview changes nothing");
    let (now, then) = (
        &preview["preview"]["guests"]["photos_current"],
        &preview["preview"]["guests"]["photos_preview"],
    );
    assert_eq!(now.as_u64().unwrap() as usize, usual.len());
    assert_eq!(then.as_u64().unwrap() as usize, usual.len() - missed(&preview).len());
    for dropped in preview["preview"]["lost_matches"].as_array().unwrap() {
        assert!(dropped["similarity"].as_f64() < dropped["threshold"].as_f64(), "{dropped}");
        assert_eq!(dropped["bbox"].as_array().unwrap().len(), 4);
    }
    set_offset(&album, stricter);
    let left: BTreeSet<String> = usual.difference(&missed(&preview)).cloned().collect();
    assert_eq!(seen(&guest), left, "exactly the previewed photos are lost, at once");
    let found = searched(&album, &face);
    assert!(found.is_subset(&usually_found) && found.len() < usually_found.len(), "{found:?}");
    let gone = missed(&preview).into_iter().next().unwrap();
    guest.get(&format!("/guest/photos/{gone}/web")).is(404);
    let given = json!({ "face": face });
    let path = album.path("/search/face?similarity_min=0.3");
    let own = album.client.post(&path, &given).is(200).document();
    assert_eq!(
        own["threshold"].as_f64().unwrap() as f32,
        0.3,
        "the offset does not change a given similarity_min"
    );
    service.stop();
    service.restart();
    assert_eq!(seen(&guest), left, "the offset survives a restart");
    let after = report(&album, None);
    assert!((after["threshold_offset"].as_f64().unwrap() - stricter).abs() < 1e-6);
    // A smaller offset than the current one restores photos and loses none.
    let back = report(&album, Some(0.0));
    assert_eq!(back["preview"]["guests"]["photos_preview"].as_u64().unwrap() as usize, usual.len());
    assert_eq!(back["preview"]["lost_matches_total"], 0);
    set_offset(&album, 0.0);
    assert_eq!((seen(&guest), searched(&album, &face)), (usual, usually_found));
    let audit = format!("/studios/{}/audit?limit=500", owner.studio());
    let entries = owner.client.get(&audit).is(200).items();
    let noted = entries.iter().filter(|entry| entry["action"] == "matching_change");
    assert_eq!(noted.count(), 2);
}

fn only_valid_offsets_from_allowed_roles_are_accepted(service: Service) {
    let (owner, album) = event_with(&service, &[]);
    let path = album.path("/matching");
    for wrong in [-0.01, 0.21, 1e9] {
        album.client.put(&path, &json!({ "threshold_offset": wrong })).fails(422, "invalid");
        album.client.get(&format!("{path}?threshold_offset={wrong}")).fails(422, "invalid");
    }
    album.client.put(&path, &json!({})).fails(422, "invalid");
    album.client.get(&format!("{path}?threshold_offset=NaN")).fails(422, "invalid");
    let empty = report(&album, Some(0.2));
    assert_eq!((&empty["faces"], &empty["preview"]["lost_matches"]), (&json!(0), &json!([])));
    assert_eq!(empty["threshold_offset"], json!(0.0), "no rejected value was stored");
    let member = service.member(&owner, &owner.studio(), "photographer", None);
    member.client.get(&path).is(200);
    member.client.put(&path, &json!({ "threshold_offset": 0.1 })).fails(403, "forbidden");
}

/// A search can raise the event's threshold; only owners and admins can go below it, and the audit log
/// names both.
fn a_search_is_not_laxer_than_the_event(service: Service) {
    let (owner, album) = event_with(&service, &["obama.jpg", "biden.jpg", "sample4.jpg"]);
    let studio = owner.studio();
    set_offset(&album, 0.05);
    let threshold = report(&album, None)["threshold"].as_f64().unwrap();
    let picture = std::fs::read(sample("obama2.jpg")).unwrap();
    let found = album.search(&picture, "").is(200).document();
    let face = json!({ "face": found["matches"][0]["face"] });
    let usual = found["matches"].as_array().unwrap().len();
    let by = |client: &Client, query: &str| {
        let theirs = Album { client: client.clone(), event: album.event.clone() };
        let selfie = theirs.search(&picture, query).is(200).document();
        let path = theirs.path(&format!("/search/face{query}"));
        [selfie, client.post(&path, &face).is(200).document()]
    };
    let applied = |answer: &Value| answer["threshold"].as_f64().unwrap();
    let lowered = || {
        let path = format!("/studios/{studio}/audit?limit=500");
        let entries = owner.client.get(&path).is(200).items();
        let ours = entries.into_iter().filter(|it| it["action"] == "search_below_threshold");
        ours.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for role in ["photographer", "editor"] {
        let person = service.member(&owner, &studio, role, None).client;
        let key = owner.new_key(&studio, role, None).is(201).field("key");
        for client in [person, service.client().with_key(&key)] {
            for query in ["?similarity_min=0", "?similarity_min=0.1&scoring=expand"] {
                let [selfie, by_face] = by(&client, query);
                for answer in [&selfie, &by_face] {
                    assert!((applied(answer) - threshold).abs() < 1e-6, "{role} {query} {answer}");
                }
                assert_eq!(selfie["matches"].as_array().unwrap().len(), usual);
            }
            let [selfie, _] = by(&client, "?similarity_min=0.9");
            assert!((applied(&selfie) - 0.9).abs() < 1e-6, "a search may be stricter");
        }
    }
    assert!(lowered().is_empty());
    for role in ["owner", "admin"] {
        let client = service.member(&owner, &studio, role, None).client;
        for answer in by(&client, "?similarity_min=0") {
            assert_eq!(applied(&answer), 0.0);
            assert!(answer["matches"].as_array().unwrap().len() > usual, "{answer}");
        }
    }
    let expected = format!("similarity_min: {threshold:.3} to 0.000");
    assert_eq!(lowered(), vec![expected; 4]);
}
