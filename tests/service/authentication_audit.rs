//! The audit log names each proof of an identity with the factors used, and no contact data (ASVS 5.0, 16.3.1).

use picpick_tests::guest::{let_in, wait_until};
use picpick_tests::{Request, Service, on_both_databases};
use serde_json::json;

use crate::account::sign_in::{code, with_second_factor};
use crate::album::studio::{ANNOTATE, Studio, VIEW, annotator, enter};
use crate::guest::Scene;
use crate::guest::limits::face_of;

on_both_databases!(
    sign_ins_are_recorded_with_their_factors,
    uses_of_keys_are_counted,
    entries_by_link_and_pin_are_recorded,
    visits_cannot_flood_the_log,
    refusals_are_logged_with_their_code,
);

/// Returns studio, actor, target and detail of the entries of `action`, oldest first.
fn entries(service: &Service, action: &str) -> Vec<Vec<String>> {
    service.texts(&format!(
        "SELECT studio_id, actor, target, detail FROM audit WHERE action = '{action}' ORDER BY number"
    ))
}

fn details(service: &Service, action: &str) -> Vec<String> {
    entries(service, action).into_iter().map(|mut entry| entry.remove(3)).collect()
}

fn sign_ins_are_recorded_with_their_factors(service: Service) {
    let owner = service.owner();
    owner.sign_in();
    let app = with_second_factor(&service, &owner);
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    owner.try_sign_in(&owner.password, Some(&code(&app, 0))).is(201);
    service.change_rows("UPDATE users SET totp_step = 0");
    let proof = json!({ "password": owner.password, "code": code(&app, 0) });
    let codes = owner.client.post("/me/recovery-codes", &proof).is(201).document();
    let recovery = codes["recovery_codes"][0].as_str().unwrap();
    owner.try_sign_in(&owner.password, Some(recovery)).is(201);
    let found = entries(&service, "sign_in");
    let (actor, target) = (format!("user:{}", owner.id), owner.id.clone());
    for (entry, detail) in
        found.iter().zip(["password", "password, app", "password, recovery code"])
    {
        assert_eq!(entry, &["", actor.as_str(), target.as_str(), detail]);
    }
    assert_eq!(found.len(), 3, "one entry for each sign-in: {found:?}");
    assert_eq!(details(&service, "second_factor_begin").len(), 1, "a proof before a change");
    let all = format!("{:?}", service.texts("SELECT actor, target, detail FROM audit"));
    assert!(!all.contains(&owner.email) && !all.contains(recovery), "no contact and no code");
    assert_eq!(service.run(&["audit", "verify"]).status, 0);
}

fn uses_of_keys_are_counted(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let made = owner.new_key(&studio, "viewer", None).is(201);
    let (id, client) = (made.field("id"), owner.client.with_key(&made.field("key")));
    for _ in 0..20 {
        client.get(&format!("/studios/{studio}")).is(200);
    }
    wait_until("an entry", || !entries(&service, "key_use").is_empty());
    let expected = [studio.as_str(), &format!("key:{id}"), &id, "count=1"];
    assert_eq!(entries(&service, "key_use"), [expected], "many requests are one use");
    owner.client.with_key("ppk_made-up-made-up").get("/studios").fails(401, "unauthenticated");
    assert_eq!(entries(&service, "key_use").len(), 1);
}

fn entries_by_link_and_pin_are_recorded(service: Service) {
    let scene = Scene::of(&service, &["obama.jpg"]);
    let face = face_of(&scene, "obama.jpg");
    let guest = let_in(&service, &scene.owner, &scene.album.event, &face);
    let found = entries(&service, "guest_enter");
    let [entry] = found.as_slice() else { panic!("one entry: {found:?}") };
    assert_eq!((&entry[0], entry[3].as_str()), (&scene.owner.studio(), "mailed link"));
    assert_eq!(entry[1], format!("guest:{}", entry[2]));
    for _ in 0..3 {
        guest.get("/guest/photos").is(200);
    }
    assert_eq!(entries(&service, "guest_enter").len(), 1, "requests leave none");
}

/// An album's visits are recorded one by one, up to a quota of the link; further visits are counted.
fn visits_cannot_flood_the_log(service: Service) {
    let studio = Studio::new(&service);
    let client = service.client();
    enter(&client, &studio.token, "000000").fails(401, "wrong_credentials");
    let named = annotator(&service, &studio, "Asha");
    for _ in 0..3 {
        named.get("/album").is(200);
    }
    let entered = entries(&service, "album_enter");
    let [entry] = entered.as_slice() else { panic!("one entry: {entered:?}") };
    assert_eq!((&entry[2], entry[3].as_str()), (&studio.album, "pin"));
    assert!(entry[1].starts_with("visitor:"));
    let annotated = entries(&service, "album_annotate");
    assert_eq!(
        annotated,
        [[entry[0].as_str(), &entry[1], &entry[2], "second pin"]],
        "the same session"
    );
    // A link without a PIN.
    let new = json!({ "name": "Open" });
    let album = studio.owner.client.post(&studio.photos.path("/albums"), &new).is(201).field("id");
    let links = studio.photos.path(&format!("/albums/{album}/links"));
    let made = studio.owner.client.post(&links, &json!({ "name": "All" })).is(201);
    let visit = json!({ "token": made.field("token") });
    client.post("/album/session", &visit).is(204);
    assert_eq!(details(&service, "album_enter"), ["pin", "link"]);
    // The link's quota is used up: visits go on, and the log gets one entry with their number.
    let subject = format!("album_entries:{}", made.field("id"));
    let used = format!(
        "UPDATE quotas SET tat_unix_s = tat_unix_s + 1000000000 WHERE subject = '{subject}'"
    );
    assert_eq!(service.change_rows(&used), 1);
    for _ in 0..12 {
        client.post("/album/session", &visit).is(204);
    }
    let counted = "SELECT CAST(COALESCE(SUM(pending), 0) AS BIGINT) FROM audit_counts WHERE action = 'album_enter'";
    wait_until("the count", || entries(&service, "album_enter").len() > 2);
    let found = entries(&service, "album_enter");
    assert!(found[2][3].starts_with("count=") && found[2][1] == "unknown", "{found:?}");
    let recorded: i64 = found[2..].iter().map(|entry| entry[3][6..].parse::<i64>().unwrap()).sum();
    assert_eq!((found.len(), recorded + service.number(counted)), (3, 12));
    // Another link has a quota of its own.
    enter(&client, &studio.token, VIEW).is(204);
    assert_eq!(details(&service, "album_enter").last().unwrap(), "pin");
    let all = format!("{:?}", service.texts("SELECT actor, target, detail FROM audit"));
    for secret in [VIEW, ANNOTATE, "Asha"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

/// Attempts to pass a check are in the service's log with the code of the check (ASVS 5.0, 16.3.3).
fn refusals_are_logged_with_their_code(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let viewer = service.member(&owner, &studio, "viewer", None);
    let path = format!("/studios/{studio}");
    let rename = json!({ "name": "Renamed" });
    let from_elsewhere = Request {
        method: "PATCH".into(),
        path: path.clone(),
        headers: vec![("sec-fetch-site".into(), "cross-site".into())],
        body: Some(("application/json".into(), rename.to_string().into_bytes())),
    };
    for (answer, status, code) in [
        (owner.client.patch(&path, &json!({ "name": "" })), 422, "invalid"),
        (owner.client.send(from_elsewhere), 403, "cross_site"),
        (viewer.client.patch(&path, &rename), 403, "forbidden"),
        (viewer.client.signed_out().get(&path), 401, "unauthenticated"),
        (owner.try_sign_in("battery staple wrong", None), 401, "wrong_credentials"),
    ] {
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        answer.fails(status, code);
        let named = |line: &str| {
            line.contains(&id) && line.contains("request completed") && line.contains(code)
        };
        wait_until(code, || service.log().lines().any(named));
    }
    let ok = owner.client.get(&path).is(200).headers["x-request-id"].to_str().unwrap().to_owned();
    let line = |log: String| log.lines().find(|line| line.contains(&ok)).map(str::to_owned);
    wait_until("a line", || line(service.log()).is_some());
    assert!(!line(service.log()).unwrap().contains("code"), "a success has no code");
}
