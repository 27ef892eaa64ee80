use picpick_tests::album::Album;
use picpick_tests::client::Answer;
use picpick_tests::{Person, Service, on_both_databases, sample};
use serde_json::{Value, json};

on_both_databases!(
    merges_and_splits_are_durable_and_reversible,
    a_person_is_hidden_and_shown_again,
    corrections_are_deleted_with_their_faces,
    people_of_one_photo_are_merged_only_if_confirmed,
    invalid_corrections_are_rejected,
);

/// Three portraits of one man, and one of another man.
const PHOTOS: [&str; 4] = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"];

struct PeopleStudio {
    owner: Person,
    album: Album,
    /// The photos' ids, in the order of their names.
    photos: Vec<String>,
}

fn studio(service: &Service, names: &[&str]) -> PeopleStudio {
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Wedding");
    let album = Album { client: owner.client.clone(), event };
    let upload = |name: &&str| album.upload(name, &std::fs::read(sample(name)).unwrap());
    let photos = names.iter().map(upload).collect();
    assert_eq!(album.wait_until_indexed()["failed"], 0);
    let studio = PeopleStudio { owner, album, photos };
    // People are clustered once indexing has ended.
    studio.wait_for(|people| !people.is_empty());
    studio
}

impl PeopleStudio {
    fn people(&self, which: &str) -> Vec<Value> {
        let answer = self.album.client.get(&self.album.path(&format!("/people{which}"))).is(200);
        answer.document()["people"].as_array().unwrap().clone()
    }

    /// Waits up to two minutes until `holds` returns true for the people. Returns them.
    fn wait_for(&self, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let tries = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            self.people("")
        });
        tries.take(2400).find(|people| holds(people)).expect("the people within two minutes")
    }

    /// Returns the number of faces of each listed person, largest first.
    fn sizes(&self) -> Vec<u64> {
        self.people("").iter().map(|person| person["faces"].as_u64().unwrap()).collect()
    }

    /// Sends the correction `what`: `merge`, `split` or `hide`. Returns the response.
    fn correct(&self, what: &str, body: &Value) -> Answer {
        self.album.client.post(&self.album.path(&format!("/people/{what}")), body)
    }

    /// Returns the faces of the person that has `face`, lowest similarity first.
    fn faces(&self, face: &str) -> Vec<Value> {
        let answer = self.album.client.get(&self.album.path(&format!("/people/{face}"))).is(200);
        answer.document()["items"].as_array().unwrap().clone()
    }

    /// Returns the only face of the photo with index `photo`.
    fn face_in(&self, photo: usize) -> String {
        let photo = &self.photos[photo];
        let all = self.people("?hidden=true");
        let faces = all.iter().flat_map(|person| self.faces(person["face"].as_str().unwrap()));
        let found = faces.into_iter().find(|face| face["photo"] == **photo);
        found.expect("a face of the photo")["face"].as_str().unwrap().to_owned()
    }
}

fn merges_and_splits_are_durable_and_reversible(mut service: Service) {
    let studio = studio(&service, &PHOTOS);
    assert_eq!(studio.sizes(), [3, 1]);
    let [a, b, c, d] = [0, 1, 2, 3].map(|photo| studio.face_in(photo));
    studio.correct("merge", &json!({ "faces": [a, d] })).is(204);
    assert_eq!(studio.sizes(), [4]);
    let faces = studio.faces(&a);
    let fits: Vec<f64> = faces.iter().map(|face| face["similarity"].as_f64().unwrap()).collect();
    assert!(fits.is_sorted(), "the lowest similarity comes first: {fits:?}");
    assert_eq!(faces[0]["face"], *d, "the other man");
    service.stop();
    service.restart();
    assert_eq!(studio.sizes(), [4], "the merge survives a restart");
    // Splits undo the merge, and also hold for a photo that is added later.
    studio.correct("split", &json!({ "faces": [d] })).is(204);
    assert_eq!(studio.sizes(), [3, 1]);
    studio.correct("split", &json!({ "faces": [b] })).is(204);
    assert_eq!(studio.sizes(), [2, 1, 1]);
    studio.album.upload("sample4.jpg", &std::fs::read(sample("sample4.jpg")).unwrap());
    studio.album.wait_until_indexed();
    studio.wait_for(|people| people.len() > 3);
    let of =
        |face: &str| studio.faces(face).iter().map(|it| it["face"].clone()).collect::<Vec<_>>();
    assert!(
        !of(&b).contains(&json!(a)) && of(&a).contains(&json!(c)),
        "a new photo does not change the split"
    );
    studio.correct("merge", &json!({ "faces": [c, b] })).is(204);
    assert!(of(&b).contains(&json!(a)), "a later merge retracts the split");
    let audit = format!("/studios/{}/audit?limit=500", studio.owner.studio());
    let audit = String::from_utf8(studio.owner.client.get(&audit).is(200).body).unwrap();
    assert!(audit.contains("people_merge") && audit.contains("people_split"));
    assert!(![a, b, c, d].iter().any(|face| audit.contains(face)), "the audit names no face");
}

fn a_person_is_hidden_and_shown_again(mut service: Service) {
    let studio = studio(&service, &PHOTOS);
    let face = studio.face_in(0);
    studio.correct("hide", &json!({ "face": face, "hidden": true })).is(204);
    let listed = || {
        let answer = studio.album.client.get(&studio.album.path("/people")).is(200).document();
        (studio.sizes(), answer["hidden"].clone())
    };
    assert_eq!(listed(), (vec![1], json!(1)));
    let all = studio.people("?hidden=true");
    let hidden: Vec<&Value> = all.iter().map(|person| &person["hidden"]).collect();
    assert_eq!(hidden, [&json!(false), &json!(true)], "hidden people come last");
    // A hidden person is still found by a search.
    let found = studio.album.search(&std::fs::read(sample("obama.jpg")).unwrap(), "").is(200);
    assert_eq!(found.document()["matches"].as_array().unwrap().len(), 3);
    service.stop();
    service.restart();
    assert_eq!(studio.sizes(), [1]);
    studio.correct("hide", &json!({ "face": face, "hidden": false })).is(204);
    assert_eq!(studio.sizes(), [3, 1]);
}

fn corrections_are_deleted_with_their_faces(service: Service) {
    let studio = studio(&service, &PHOTOS);
    let (b, d) = (studio.face_in(1), studio.face_in(3));
    studio.correct("split", &json!({ "faces": [b] })).is(204);
    studio.correct("merge", &json!({ "faces": [b, d] })).is(204);
    assert_eq!(studio.sizes(), [2, 2]);
    let photo = &studio.photos[1];
    studio.album.client.delete(&studio.album.path(&format!("/photos/{photo}"))).is(200);
    assert_eq!(studio.sizes(), [2, 1]);
    studio.correct("merge", &json!({ "faces": [b, d] })).fails(404, "not_found");
    // A photo that was deleted and is uploaded again has no corrections.
    studio.album.upload("obama2.jpg", &std::fs::read(sample("obama2.jpg")).unwrap());
    studio.album.wait_until_indexed();
    let people = studio.wait_for(|people| people.iter().any(|person| person["faces"] == 3));
    assert_eq!(people.len(), 2, "{people:?}");
}

fn people_of_one_photo_are_merged_only_if_confirmed(service: Service) {
    let studio = studio(&service, &["sample4.jpg"]);
    let people = studio.people("");
    assert!(people.len() > 1, "a photo of several people");
    let faces = [&people[0]["face"], &people[1]["face"]];
    let refused = studio.correct("merge", &json!({ "faces": faces }));
    assert!(refused.field("detail").contains(&studio.photos[0]), "the error names the photo");
    refused.fails(409, "shared_photo");
    assert_eq!(studio.people("").len(), people.len());
    studio.correct("merge", &json!({ "faces": faces, "allow_same_photo": true })).is(204);
    assert_eq!(studio.people("").len(), people.len() - 1);
}

fn invalid_corrections_are_rejected(service: Service) {
    let studio = studio(&service, &PHOTOS);
    let [a, b, c, d] = [0, 1, 2, 3].map(|photo| studio.face_in(photo));
    let none = "0123456789abcdef0123456789abcdef";
    studio.correct("merge", &json!({ "faces": [a, none] })).fails(404, "not_found");
    studio.correct("split", &json!({ "faces": [none] })).fails(404, "not_found");
    studio.correct("hide", &json!({ "face": none, "hidden": true })).fails(404, "not_found");
    studio.correct("split", &json!({ "faces": [a, d] })).fails(409, "not_one_person");
    studio.correct("split", &json!({ "faces": [a, b, c] })).fails(409, "split_takes_all_faces");
    for faces in [json!([]), json!([a]), json!(["x", a]), json!(vec![&a; 51])] {
        studio.correct("merge", &json!({ "faces": faces })).fails(422, "invalid");
    }
    studio.correct("split", &json!({ "faces": [] })).fails(422, "invalid");
    let get = |path: &str| studio.album.client.get(&studio.album.path(path));
    get(&format!("/people/{none}")).fails(404, "not_found");
    get("/people/no-face").fails(404, "not_found");
    get(&format!("/people/{a}?limit=0")).fails(422, "invalid");
    let few = get(&format!("/people/{a}?limit=1")).is(200).document();
    assert_eq!((few["items"].as_array().unwrap().len(), &few["faces"]), (1, &json!(3)));
    // The face is unknown in another event of the studio, and the event is unknown to another studio.
    let owner = &studio.owner;
    let other = owner.new_event(&owner.studio(), "Other");
    let body = json!({ "faces": [a, b] });
    owner.client.post(&format!("/events/{other}/people/merge"), &body).fails(404, "not_found");
    let (stranger, _) = service.stranger(owner);
    let foreign = |method: &str, path: &str, body: Option<&Value>| {
        stranger.client.json(method, &studio.album.path(path), body).fails(404, "not_found");
    };
    foreign("POST", "/people/merge", Some(&body));
    foreign("POST", "/people/split", Some(&json!({ "faces": [a] })));
    foreign("POST", "/people/hide", Some(&json!({ "face": a, "hidden": true })));
    foreign("GET", &format!("/people/{a}"), None);
    // A photographer may see people, but not correct them.
    let looking = service.member(owner, &owner.studio(), "photographer", None);
    looking.client.get(&studio.album.path(&format!("/people/{a}"))).is(200);
    looking.client.post(&studio.album.path("/people/merge"), &body).fails(403, "forbidden");
    assert_eq!(studio.sizes(), [3, 1], "no rejected correction was applied");
}
