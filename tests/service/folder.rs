use picpick_tests::album::{Album, CHUNK_BYTES, header, place_of, sha256, variant};
use picpick_tests::openapi::unknown_id;
use picpick_tests::{Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    photos_are_moved_together_or_not_at_all,
    photos_are_removed_together_with_one_receipt,
    an_upload_resumes_into_its_folder,
);

struct FolderScene {
    album: Album,
    other: Album,
    picture: Vec<u8>,
}

impl FolderScene {
    fn new(service: &Service) -> Self {
        let owner = service.owner();
        let studio = owner.studio();
        let [album, other] = ["Wedding", "Other"].map(|name| {
            let event = owner.new_event(&studio, name);
            Album { client: owner.client.clone(), event }
        });
        Self { album, other, picture: std::fs::read(sample("obama.jpg")).unwrap() }
    }

    fn folder(&self, name: &str) -> String {
        let path = self.album.path("/folders");
        self.album.client.post(&path, &json!({ "name": name })).is(201).field("id")
    }

    /// Returns the sorted ids of the photos that the list with `query` holds.
    fn listed(&self, query: &str) -> Vec<String> {
        let photos = self.album.client.get(&self.album.path(&format!("/photos{query}"))).is(200);
        sorted(photos.items().iter().map(|photo| photo["id"].as_str().unwrap().to_owned()))
    }

    /// Creates an upload of the picture's variant `number` for a folder and sends its first chunk. Returns
    /// the upload's path.
    fn begin(&self, number: usize, folder: Option<&str>) -> String {
        let picture = variant(&self.picture, number);
        let place = self.announce(&picture, folder);
        self.album.send(&place, 0, &picture[..CHUNK_BYTES]).unwrap().is(204);
        place
    }

    fn announce(&self, picture: &[u8], folder: Option<&str>) -> String {
        let hash = sha256(picture);
        place_of(
            &self.album.announce_as("a.jpg", picture.len(), Some(&hash), folder).unwrap().is(201),
        )
    }

    /// Sends the remaining chunks of the upload at `place`. Returns the photo as the API shows it.
    fn finish(&self, number: usize, place: &str) -> Value {
        let picture = variant(&self.picture, number);
        let sent = self.album.send(place, CHUNK_BYTES, &picture[CHUNK_BYTES..]).unwrap().is(204);
        let photo = header(&sent, "picpick-photo");
        self.album.client.get(&self.album.path(&format!("/photos/{photo}"))).is(200).document()
    }
}

fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

fn photos_are_moved_together_or_not_at_all(service: Service) {
    let scene = FolderScene::new(&service);
    let FolderScene { album, other, picture } = &scene;
    let photos: Vec<String> =
        (0..3).map(|number| album.upload("a.jpg", &variant(picture, number))).collect();
    let foreign = other.upload("b.jpg", picture);
    let (first, second) = (scene.folder("First"), scene.folder("Second"));
    let shift = |photos: &[&String], folder: &str| {
        album.client.patch(&album.path("/photos"), &json!({ "photos": photos, "folder": folder }))
    };
    let moved = shift(&[&photos[0], &photos[1], &photos[0]], &first).is(200);
    assert_eq!(moved.document()["photos"], 2, "a photo listed twice counts once");
    let both = sorted(photos[..2].iter().cloned());
    assert_eq!(scene.listed(&format!("?folder={first}")), both);
    assert_eq!(scene.listed("?unfiled=true"), photos[2..]);
    assert_eq!(scene.listed("?unfiled=false").len(), 3);
    // If a single id is not a photo of the event, no photo is moved.
    for bad in [foreign, unknown_id(), "x".to_owned(), String::new()] {
        shift(&[&photos[0], &bad], &second).fails(422, "invalid");
    }
    shift(&[&photos[0]], &unknown_id()).fails(422, "invalid");
    shift(&[], &second).fails(422, "invalid");
    shift(&[&photos[0]; 501], &second).fails(422, "invalid");
    assert_eq!(scene.listed(&format!("?folder={first}")), both);
    shift(&[&photos[0]; 500], &second).is(200);
    shift(&[&photos[0], &photos[1], &photos[2]], "").is(200);
    assert_eq!(scene.listed("?unfiled=true").len(), 3);
    assert_eq!(service.run(&["--json", "audit", "verify"]).status, 0);
}

fn photos_are_removed_together_with_one_receipt(service: Service) {
    let scene = FolderScene::new(&service);
    let FolderScene { album, other, picture } = &scene;
    let photos: Vec<String> =
        (0..3).map(|number| album.upload("a.jpg", &variant(picture, number))).collect();
    let foreign = other.upload("b.jpg", picture);
    album.wait_until_indexed();
    // Two photos are not indexed. One of them is removed together with other photos, the other alone.
    album.client.post(&album.path("/jobs"), &json!({ "action": "pause" })).is(200);
    let [along, alone] = [3, 4].map(|number| album.upload("a.jpg", &variant(picture, number)));
    let remove = |photos: &[&String]| {
        album.client.post(&album.path("/photos/bulk-delete"), &json!({ "photos": photos }))
    };
    remove(&[&photos[0], &foreign]).fails(422, "invalid");
    remove(&[]).fails(422, "invalid");
    assert_eq!(scene.listed("").len(), 5);
    let receipt = remove(&[&photos[0], &photos[1], &along]).is(200).field("receipt");
    assert!(receipt.contains("\"photos\":2"), "{receipt}");
    assert_eq!(scene.listed(""), sorted([photos[2].clone(), alone.clone()].into_iter()));
    assert_eq!(album.found(picture), [photos[2].clone()]);
    let files =
        std::fs::read_dir(service.sandbox.data().join("photos").join(&album.event)).unwrap();
    let names: Vec<String> =
        files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    for gone in [&photos[0], &photos[1], &along] {
        assert!(!names.iter().any(|name| name.starts_with(gone)), "{names:?}");
    }
    remove(&[&photos[0]]).fails(422, "invalid");
    assert_eq!(
        remove(&[&alone]).is(200).document(),
        json!({}),
        "no receipt: there was no face to erase"
    );
    // The other event is unchanged.
    assert_eq!(other.photos().len(), 1);
    album.client.post(&album.path("/jobs"), &json!({ "action": "resume" })).is(200);
    assert_eq!(album.wait_until_indexed()["done"], 1);
}

fn an_upload_resumes_into_its_folder(service: Service) {
    let scene = FolderScene::new(&service);
    let (first, second) = (scene.folder("First"), scene.folder("Second"));
    // A client that announces the file again without a folder resumes the upload into the same folder.
    let place = scene.begin(1, Some(&first));
    assert_eq!(scene.announce(&variant(&scene.picture, 1), None), place);
    assert_eq!(scene.finish(1, &place)["folder"], first.as_str());
    // A client that names another folder moves the upload there.
    let place = scene.begin(2, Some(&first));
    assert_eq!(scene.announce(&variant(&scene.picture, 2), Some(&second)), place);
    assert_eq!(scene.finish(2, &place)["folder"], second.as_str());
    // If the folder is deleted before the upload is complete, the photo is in no folder.
    let place = scene.begin(3, Some(&second));
    let path = scene.album.path(&format!("/folders/{second}"));
    scene.album.client.delete(&path).is(204);
    assert_eq!(scene.finish(3, &place).get("folder"), None);
}
