use picpick_tests::accounts::new_email;
use picpick_tests::album::variant;
use picpick_tests::guest::new_link;
use picpick_tests::openapi::unknown_id;
use picpick_tests::outbox::latest_to;
use picpick_tests::{Client, Outcome, Person, Service, sample};
use serde_json::{Value, json};

use super::{Scene, picture, privacy_log};

pub fn removal(scene: &Scene, contact: &str) -> Value {
    json!({ "event": scene.album.event, "name": "By Stander", "contact": contact, "message": "Left of\nthe stage" })
}

/// Finding S14: a person who never agreed asks, the studio erases, and faces of later photos are not stored.
pub fn people_in_photos_are_taken_out_and_stay_out(mut service: Service) {
    let scene = Scene::of(&service);
    let email = new_email();
    service.remember(&email);
    service.client().post("/privacy/requests", &removal(&scene, &email)).is(204);
    let open = scene.get("/privacy-requests")["items"].as_array().unwrap().clone();
    assert_eq!(
        (&open[0]["contact"], &open[0]["message"]),
        (&json!(email), &json!("Left of\nthe stage"))
    );
    let (face, request) = (scene.face("obama2.jpg"), open[0]["id"].clone());
    let path = scene.album.path("/erasures");
    let erase = |client: &Client, face: &str, request: &Value, opt_out: bool| {
        let body = json!({ "face": face, "privacy_request": request, "opt_out": opt_out });
        client.post(&path, &body)
    };
    let editor = service.member(&scene.owner, &scene.owner.studio(), "editor", None);
    erase(&editor.client, &face, &request, true).fails(403, "forbidden");
    let owner = &scene.owner.client;
    erase(owner, &face, &json!(unknown_id()), true).fails(404, "not_found");
    erase(owner, &unknown_id(), &request, true).fails(404, "not_found");
    let done = erase(owner, &face, &request, true).is(200).document();
    assert_eq!(
        (&done["erasure"]["state"], &done["erasure"]["faces"]),
        (&json!("erased"), &json!(3))
    );
    let receipt: Value = serde_json::from_str(done["receipt"].as_str().unwrap()).unwrap();
    let details = &receipt["receipt"]["details"];
    assert_eq!((&details["requested_by"], &details["opt_out"]), (&json!("person"), &json!(true)));
    latest_to(&service, &email, "The studio has deleted your face data");
    erase(owner, &face, &request, true).fails(404, "not_found");
    // Later photos, also after a restart, and for a guest who shows that face.
    let later = |number: usize| {
        scene.album.upload(&format!("{number}.jpg"), &variant(&picture("obama3.jpg"), number));
        scene.album.wait_until_indexed();
        assert!(scene.found("obama.jpg").is_empty());
        assert_eq!(scene.people()["faces"], 1, "only the other man's face is stored");
    };
    later(1);
    service.kill();
    service.restart();
    later(2);
    let export = scene.album.client.get(&scene.album.path("/export")).is(200).body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(export)).unwrap();
    let event = std::io::read_to_string(zip.by_name("event.json").unwrap()).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let kept_out = &event["suppressed"][0];
    assert_eq!(kept_out["kind"], "opt_out");
    assert!(kept_out["omitted_faces"].as_u64().unwrap() >= 2, "{kept_out}");
    assert!(kept_out.get("embedding").is_none());
    assert_eq!(service.run(&["--json", "scan"]).document()["residue"], 0);
    the_command_line_erases_through_the_service(&service, &scene);
    let kinds: Vec<Value> = privacy_log(&scene).iter().map(|it| it["kind"].clone()).collect();
    for kind in ["removal", "opt_out", "erasure"] {
        assert!(kinds.contains(&json!(kind)), "{kinds:?}");
    }
}

/// The command line erases through a running service. Without an opt-out, only the faces of the photos so far go.
fn the_command_line_erases_through_the_service(service: &Service, scene: &Scene) {
    let picture_of = |name: &str| sample(name).to_string_lossy().into_owned();
    let (address, selfie) = (service.address(), picture_of("biden.jpg"));
    let key = scene.owner.new_key(&scene.owner.studio(), "admin", None).is(201).field("key");
    let cli = |rest: &[&str]| {
        let mut command = service.command();
        let event = scene.album.event.as_str();
        let first = ["--json", "erase", event, "--server", &address, "--selfie", &selfie];
        Outcome::of(command.env("PICPICK_API_KEY", &key).args(first).args(rest))
    };
    assert_eq!(cli(&[]).document()["erased"], false);
    assert_eq!(scene.found("biden.jpg").len(), 1);
    let done = cli(&["--yes"]).document();
    assert_eq!((&done["erased"], &done["receipt"]["faces"]), (&json!(true), &json!(1)));
    assert!(scene.found("biden.jpg").is_empty());
    scene.album.upload("other.jpg", &variant(&picture("biden.jpg"), 3));
    scene.album.wait_until_indexed();
    let face = scene.face("biden.jpg");
    let body = json!({ "face": face });
    let done = scene.owner.client.post(&scene.album.path("/erasures"), &body).is(200).document();
    assert_eq!(done["erasure"]["requested_by"], "studio");
    assert!(scene.found("biden.jpg").is_empty());
    scene.album.upload("later.jpg", &variant(&picture("biden.jpg"), 7));
    scene.album.wait_until_indexed();
    assert_eq!(scene.found("biden.jpg").len(), 1);
}

/// A sibling of S14: requests reach the studio alone, in bounded numbers, leave no contact behind, and the public page
/// says what it must.
pub fn requests_of_people_are_answered_limited_and_logged(service: Service) {
    let scene = Scene::of(&service);
    let client = service.client();
    let email = new_email();
    service.remember(&email);
    let ask = |change: &dyn Fn(&mut Value)| {
        let mut body = removal(&scene, &email);
        change(&mut body);
        client.post("/privacy/requests", &body)
    };
    ask(&|body| body["name"] = json!(" ")).fails(422, "invalid");
    ask(&|body| body["contact"] = json!("no contact")).fails(422, "invalid");
    ask(&|body| body["message"] = json!("x".repeat(1001))).fails(422, "invalid");
    for event in [unknown_id(), "x".into(), "%00".into()] {
        ask(&|body| body["event"] = json!(event)).fails(404, "not_found");
    }
    for _ in 0..3 {
        ask(&|_| ()).is(204);
    }
    ask(&|_| ()).fails(429, "too_many_requests");
    ask(&|body| body["contact"] = json!("+91 98765 43210")).is(204);
    let sealed = "SELECT COUNT(*) FROM privacy_requests WHERE name LIKE '%Stander%' OR contact LIKE '%@%' \
                  OR message LIKE '%stage%'";
    assert_eq!(service.number(sealed), 0);
    let viewer = service.member(&scene.owner, &scene.owner.studio(), "viewer", None);
    viewer.client.get(&scene.album.path("/privacy-requests")).fails(403, "forbidden");
    let open = scene.get("/privacy-requests")["items"].as_array().unwrap().clone();
    assert_eq!(open.len(), 4);
    for one in &open {
        let path = scene.album.path(&format!("/privacy-requests/{}", one["id"].as_str().unwrap()));
        scene.owner.client.delete(&path).is(204);
        scene.owner.client.delete(&path).fails(404, "not_found");
    }
    latest_to(&service, &email, "The studio has not deleted face data");
    let left = "SELECT COUNT(*) FROM privacy_requests WHERE contact IS NOT NULL OR contact_hash IS NOT NULL";
    assert_eq!(service.number(left), 0);
    let guest = scene.guest(&service, "biden.jpg");
    guest.get("/guest/export").is(200);
    let log = privacy_log(&scene);
    let of = |kind: &str, outcome: &str| {
        log.iter().filter(|it| it["kind"] == kind && it["outcome"] == outcome).count()
    };
    assert_eq!((of("removal", "declined"), of("access", "answered")), (4, 1), "{log:?}");
    viewer
        .client
        .get(&format!("/studios/{}/privacy-log", scene.owner.studio()))
        .fails(403, "forbidden");
    the_public_page_says_what_it_must(&service, &scene, &viewer);
}

/// The studio's own text is on the public page, escaped.
fn the_public_page_says_what_it_must(service: &Service, scene: &Scene, viewer: &Person) {
    let path = scene.album.path("/privacy-notice");
    let body = json!({ "text": "Children: ask <us>.\nNo photos in the garden." });
    viewer.client.put(&path, &body).fails(403, "forbidden");
    let notice = scene.owner.client.put(&path, &body).is(200).document();
    assert!(notice["qr_svg"].as_str().unwrap().starts_with("<"));
    let public = notice["url"].as_str().unwrap();
    assert!(public.ends_with(&format!("/privacy/{}", scene.album.event)));
    let page = |address: &str| {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let mut answer = config.build().new_agent().get(address).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let address = format!("{}/privacy/{}", service.address(), scene.album.event);
    for (language, words) in [
        ("en", ["What is collected", "Take me out", "72 hours", "Legal basis: consent"]),
        ("hi", ["क्या इकट्ठा होता है", "मुझे इन फ़ोटो से हटाएँ", "72 घंटे", "कानूनी आधार: सहमति"]),
    ] {
        let (status, text) = page(&format!("{address}?lang={language}"));
        assert_eq!(status, 200);
        for words in words.iter().chain(&["Children: ask &lt;us&gt;.", "Wedding"]) {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let (status, unknown) = page(&format!("{}/privacy/{}", service.address(), unknown_id()));
    assert!(status == 404 && !unknown.contains("Wedding"));
    // The pages of guests link to it.
    let token = new_link(&scene.owner, &scene.album.event);
    service.remember(&token);
    let (_, entry) = page(&format!("{}/g/{token}", service.address()));
    assert!(entry.contains(&format!("/privacy/{}", scene.album.event)));
}
