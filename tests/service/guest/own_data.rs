use picpick_tests::guest::CONSENT;
use picpick_tests::openapi::unknown_id;
use picpick_tests::{Client, sample};
use serde_json::{Value, json};

use super::{Scene, comparable, photos, set};

/// Checks that the export, by the guest and by the studio, holds all data of the guest and no template.
pub fn exports_are_complete(scene: &Scene, guest: &Client) {
    let id = scene.owner.client.get(&scene.album.path("/guests")).is(200).items()[0]["id"].clone();
    let path = scene.album.path(&format!("/guests/{}/export", id.as_str().unwrap()));
    for answer in [guest.get("/guest/export").is(200), scene.owner.client.get(&path).is(200)] {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(answer.body)).unwrap();
        assert_eq!(zip.len(), 3, "guest.json and two photos");
        let export = std::io::read_to_string(zip.by_name("guest.json").unwrap()).unwrap();
        let export: Value = serde_json::from_str(&export).unwrap();
        assert_eq!((&export["id"], &export["name"]), (&id, &json!("Guest")));
        assert_eq!(
            (export["photos"].as_array().unwrap().len(), &export["consents"][0]["version"]),
            (2, &json!(CONSENT))
        );
        assert!(
            export["template_images"].as_u64().unwrap() >= 3 && export.get("embedding").is_none()
        );
    }
    let event = scene.owner.client.get(&scene.album.path("/export")).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(event)).unwrap();
    let event = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["guests"][0]["id"], id);
}

/// Checks that photos in a hidden folder, and photos that the guest has rejected, give 404.
pub fn hidden_and_rejected_photos_are_missing(scene: &Scene, guest: &Client) {
    let client = &scene.owner.client;
    let folder =
        client.post(&scene.album.path("/folders"), &json!({ "name": "F" })).is(201).field("id");
    let photo = &scene.ids[0];
    client
        .patch(&scene.album.path(&format!("/photos/{photo}")), &json!({ "folder": folder }))
        .is(200);
    let hide = |hidden: bool| {
        let path = scene.album.path(&format!("/folders/{folder}"));
        client.patch(&path, &json!({ "hidden": hidden })).is(200);
    };
    hide(true);
    assert_eq!(photos(guest), set(&scene.ids[1..2]));
    guest.get(&format!("/guest/photos/{photo}/thumb")).fails(404, "not_found");
    assert_eq!(guest.get("/guest").is(200).document()["photos"], 1);
    hide(false);
    let items = guest.get("/guest/photos").is(200).items();
    let item = items.iter().find(|item| item["id"] == photo.as_str()).unwrap();
    let face = format!("/guest/faces/{}", item["face"].as_str().unwrap());
    guest.put(&face, &json!({ "claim": "reject" })).is(204);
    assert_eq!(photos(guest), set(&scene.ids[1..2]));
    guest.get(&format!("/guest/photos/{photo}/web")).fails(404, "not_found");
    guest.put(&face, &json!({ "claim": "clear" })).is(204);
    assert_eq!(photos(guest), set(&scene.ids[..2]));
    // A claim on another person's face is rejected like one on an unknown face.
    let found =
        scene.album.search(&std::fs::read(sample("biden.jpg")).unwrap(), "").is(200).document();
    let foreign = format!("/guest/faces/{}", found["matches"][0]["face"].as_str().unwrap());
    let unknown = format!("/guest/faces/{}", unknown_id());
    for claim in ["confirm", "reject", "clear"] {
        let body = json!({ "claim": claim });
        let refused = guest.put(&foreign, &body).is(404);
        assert_eq!(comparable(&refused), comparable(&guest.put(&unknown, &body)));
    }
    assert_eq!(comparable(&guest.get(&foreign).is(404)), comparable(&guest.get(&unknown)));
}
