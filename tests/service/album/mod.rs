//! Albums as visitors use them: PINs, expiry, links, folders, downloads, watermarks, picks and comments. Each
//! scenario runs on SQLite and on PostgreSQL.

mod concurrency;
mod pages;
mod pins;
pub mod studio;

use std::io::{Cursor, Read as _};

use concurrency::{an_entry_during_a_revocation_gives_no_access, concurrent_changes_all_apply};
use pages::{
    a_page_asks_for_a_proof_of_work, pages_reject_other_sites_and_sessions_of_other_albums,
    pages_work_without_scripts, picks_and_notes_are_plain_forms,
};
use picpick_tests::album::{header, jpeg_size, variant};
use picpick_tests::openapi::unknown_id;
use picpick_tests::{Answer, Client, Request, Service, on_both_databases};
use pins::{
    a_changed_pin_makes_known_browsers_strangers,
    a_cookie_without_the_host_prefix_is_ignored_over_https,
    a_solution_works_once_for_one_album_and_visit,
    a_visit_is_delayed_alone_and_its_failures_expire, addresses_of_a_network_share_a_counter,
    an_album_with_a_guesser_stays_usable, guessing_is_delayed_and_reported_and_survives_a_restart,
};
use serde_json::{Value, json};
use studio::{ANNOTATE, Studio, VIEW, annotator, enter, listed, read, visitor};

on_both_databases!(
    a_view_pin_opens_an_album_and_an_annotate_pin_adds_rights,
    guessing_is_delayed_and_reported_and_survives_a_restart,
    a_cookie_without_the_host_prefix_is_ignored_over_https,
    a_visit_is_delayed_alone_and_its_failures_expire,
    a_solution_works_once_for_one_album_and_visit,
    an_album_with_a_guesser_stays_usable,
    a_page_asks_for_a_proof_of_work,
    addresses_of_a_network_share_a_counter,
    a_changed_pin_makes_known_browsers_strangers,
    closing_an_album_ends_its_sessions_at_once,
    concurrent_changes_all_apply,
    an_entry_during_a_revocation_gives_no_access,
    folders_decide_which_photos_are_visible,
    downloads_follow_event_and_folder_rules,
    a_visitor_has_a_download_quota,
    a_watermark_is_in_the_pixels,
    hidden_photos_are_indistinguishable_from_unknown_ones,
    picks_belong_to_one_visitor,
    comments_are_visible_to_annotators_and_the_studio,
    pages_work_without_scripts,
    picks_and_notes_are_plain_forms,
    pages_reject_other_sites_and_sessions_of_other_albums,
);

fn a_view_pin_opens_an_album_and_an_annotate_pin_adds_rights(service: Service) {
    let studio = Studio::new(&service);
    let photo = studio.upload("a.jpg", &read("obama.jpg"), None);
    let client = service.client();
    for path in ["/album", "/album/photos", &format!("/album/photos/{photo}/thumb")] {
        client.get(path).fails(401, "unauthenticated");
    }
    enter(&client, &studio.token, "111111").fails(401, "wrong_credentials");
    enter(&client, &studio.token, ANNOTATE).fails(401, "wrong_credentials");
    enter(&client, &studio.token, "").fails(401, "wrong_credentials");
    enter(&client, "ppa_nothing", VIEW).fails(410, "gone");
    let entered = enter(&client, &studio.token, "482 913").is(204);
    let set = header(&entered, "set-cookie");
    assert!(set.contains("HttpOnly; SameSite=Lax; Max-Age=43200"), "{set}");
    let inside = client.with_cookie(&entered.cookie());
    let album = inside.get("/album").is(200).document();
    assert_eq!((&album["name"], &album["photos"]), (&json!("Asha & Ben"), &json!(1)));
    assert_eq!((&album["annotates"], album.get("visitor")), (&json!(true), None));
    assert_eq!(listed(&inside), std::slice::from_ref(&photo));
    // A member's session opens no album, and an album session opens no other route.
    studio.owner.client.get("/album").fails(401, "unauthenticated");
    inside.get("/me").fails(401, "unauthenticated");
    inside.get(&studio.photos.path("/photos")).fails(401, "unauthenticated");
    // Without the annotate PIN, picks and comments are rejected.
    let pick = format!("/album/photos/{photo}/pick");
    inside.put(&pick, &json!({ "important": true })).fails(403, "forbidden");
    let comments = format!("/album/photos/{photo}/comments");
    inside.post(&comments, &json!({ "text": "x" })).fails(403, "forbidden");
    inside.get(&comments).fails(403, "forbidden");
    let second = |pin: &str| inside.put("/album/annotator", &json!({ "pin": pin, "name": "Asha" }));
    second(VIEW).fails(401, "wrong_credentials");
    let named = second(ANNOTATE).is(204).cookie();
    // The session gets a new token with the annotate right, so that an intercepted old token is useless.
    inside.get("/album").fails(401, "unauthenticated");
    let inside = client.with_cookie(&named);
    inside.put(&pick, &json!({ "important": true })).is(204);
    assert_eq!(inside.get("/album").is(200).document()["visitor"], "Asha");
    // A new annotate PIN revokes the annotate right; a new view PIN ends the session.
    studio.change(&json!({ "annotate_pin": "998877" })).is(200);
    inside.delete(&pick).fails(403, "forbidden");
    studio.change(&json!({ "annotate_pin": VIEW })).fails(422, "invalid");
    studio.change(&json!({ "view_pin": "123456" })).is(200);
    inside.get("/album").fails(401, "unauthenticated");
    // Without a view PIN the link is enough. A visitor who leaves has no session.
    studio.change(&json!({ "view_pin": "" })).is(200);
    let inside = client.with_cookie(&enter(&client, &studio.token, "").is(204).cookie());
    inside.delete("/album/session").is(204);
    inside.get("/album").fails(401, "unauthenticated");
    for bad in ["12345", "1234567890123", "12345a"] {
        studio.change(&json!({ "view_pin": bad })).fails(422, "invalid");
    }
}

fn closing_an_album_ends_its_sessions_at_once(service: Service) {
    let studio = Studio::new(&service);
    let photo = studio.upload("a.jpg", &read("obama.jpg"), None);
    let thumb = format!("/album/photos/{photo}/thumb");
    let (other, _) = studio.new_link();
    let first = visitor(&service, &studio);
    let client = service.client();
    let second = client.with_cookie(&enter(&client, &other, VIEW).is(204).cookie());
    // Withdrawing a link ends the sessions that were opened with it, and no others.
    studio.owner.client.delete(&studio.path(&format!("/links/{}", studio.link))).is(204);
    first.get(&thumb).fails(401, "unauthenticated");
    enter(&client, &studio.token, VIEW).fails(410, "gone");
    second.get(&thumb).is(200);
    let links = studio.owner.client.get(&studio.path("/links")).is(200).items();
    assert!(links.len() == 1 && links[0].get("token").is_none(), "{links:?}");
    // An expired album ends all its sessions; a later end reopens them.
    let long_ago = json!({ "ends_unix_s": 1 });
    studio.change(&long_ago).is(200);
    second.get(&thumb).fails(401, "unauthenticated");
    enter(&client, &other, VIEW).fails(410, "gone");
    studio.change(&json!({ "ends_unix_s": 4_000_000_000_i64 })).is(200);
    second.get(&thumb).is(200);
    // A session also ends with its own expiry, and with the deletion of the event.
    service.change_rows("UPDATE album_sessions SET expires_unix_s = 1");
    second.get(&thumb).fails(401, "unauthenticated");
    let again = client.with_cookie(&enter(&client, &other, VIEW).is(204).cookie());
    studio.owner.client.delete(&studio.photos.path("")).is(200);
    again.get(&thumb).fails(401, "unauthenticated");
    enter(&client, &other, VIEW).fails(410, "gone");
}

fn folders_decide_which_photos_are_visible(service: Service) {
    let studio = Studio::new(&service);
    let open = studio.folder("Party", &json!({}));
    let hidden = studio.folder("Boudoir", &json!({ "hidden": true }));
    let picture = read("obama.jpg");
    let shown = studio.upload("a.jpg", &picture, Some(&open));
    let secret = studio.upload("b.jpg", &variant(&picture, 1), Some(&hidden));
    let loose = studio.upload("c.jpg", &variant(&picture, 2), None);
    let client = visitor(&service, &studio);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let both = sorted(vec![shown.clone(), loose.clone()]);
    assert_eq!(sorted(listed(&client)), both);
    let album = client.get("/album").is(200).document();
    assert_eq!(album["photos"], 2);
    assert_eq!(album["folders"], json!([{ "id": open, "name": "Party", "photos": 1 }]));
    assert_eq!(client.get(&format!("/album/photos?folder={hidden}")).is(200).items().len(), 0);
    // The id of a hidden cover is not disclosed.
    studio.change(&json!({ "cover": secret })).is(200);
    assert_ne!(client.get("/album").is(200).document()["cover"], secret.as_str());
    studio.change(&json!({ "cover": unknown_id() })).fails(422, "invalid");
    // A hidden folder with photos cannot be deleted, because its photos would become visible.
    let folder = studio.photos.path(&format!("/folders/{hidden}"));
    studio.owner.client.delete(&folder).fails(409, "conflict");
    // An album limited to one folder shows that folder's photos, and no photo once the folder is deleted.
    studio.change(&json!({ "folders": [open] })).is(200);
    assert_eq!(listed(&client), std::slice::from_ref(&shown));
    studio.change(&json!({ "folders": [hidden] })).is(200);
    assert_eq!(listed(&client).len(), 0);
    studio.owner.client.patch(&folder, &json!({ "hidden": false })).is(200);
    assert_eq!(listed(&client), [secret]);
    studio.change(&json!({ "folders": [open] })).is(200);
    studio.owner.client.delete(&studio.photos.path(&format!("/folders/{open}"))).is(204);
    assert_eq!(listed(&client).len(), 0);
    studio.change(&json!({ "all_folders": true })).is(200);
    assert_eq!(listed(&client).len(), 3);
    studio.change(&json!({ "folders": [unknown_id()] })).fails(422, "invalid");
}

fn downloads_follow_event_and_folder_rules(service: Service) {
    let studio = Studio::new(&service);
    let picture = read("sample1.jpg");
    let private = studio.folder("Private", &json!({ "downloads": "off" }));
    let gift = studio.folder("Gift", &json!({ "downloads": "original" }));
    let plain = studio.upload("Größe 1.jpg", &picture, None);
    let excluded = studio.upload("b.jpg", &variant(&picture, 1), Some(&private));
    let given = studio.upload("c.jpg", &variant(&picture, 2), Some(&gift));
    let client = visitor(&service, &studio);
    let take = |photo: &str| client.get(&format!("/album/photos/{photo}/download"));
    // Downloads are off by default.
    take(&plain).fails(403, "forbidden");
    assert_eq!(take(&given).is(200).body, variant(&picture, 2));
    for (rule, expected) in [("web", "web"), ("original", "original"), ("off", "off")] {
        studio.rules(&json!({ "downloads": rule }));
        let described = client.get(&format!("/album/photos/{plain}")).is(200).document();
        assert_eq!(described["download"], expected);
        take(&excluded).fails(403, "forbidden");
        match rule {
            "web" => {
                let web = take(&plain).is(200);
                let saved = header(&web, "content-disposition");
                assert!(saved.starts_with("attachment") && saved.ends_with("1.jpg"), "{saved}");
                let (width, height) = jpeg_size(&web.body);
                assert!(width.max(height) <= 2048 && web.body != picture, "{width} {height}");
                let viewed = client.get(&format!("/album/photos/{plain}/web")).is(200);
                assert_eq!(viewed.body, web.body);
            }
            "original" => assert_eq!(take(&plain).is(200).body, picture),
            _ => drop(take(&plain).fails(403, "forbidden")),
        }
    }
    // The archive holds only the photo of the folder "Gift", because the event allows no downloads.
    let zip = || {
        let all = client.get("/album/download").is(200).body;
        let mut archive = zip::ZipArchive::new(Cursor::new(all)).unwrap();
        let mut files = Vec::new();
        for at in 0..archive.len() {
            let mut file = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            files.push((file.name().unwrap().into_owned(), bytes));
        }
        files
    };
    assert_eq!(zip(), [("photos/Gift/c.jpg".to_owned(), variant(&picture, 2))]);
    studio.rules(&json!({ "downloads": "web", "watermark": "Lumen" }));
    let files = zip();
    assert_eq!(files.len(), 2, "photos of the private folder are left out");
    let web = |photo: &str| client.get(&format!("/album/photos/{photo}/web")).is(200).body;
    for photo in [&plain, &given] {
        assert!(files.iter().any(|(_, bytes)| *bytes == web(photo)), "with the watermark");
    }
    studio.change(&json!({ "downloads_max": 5 })).is(200);
    client.get("/album/download").fails(403, "forbidden");
    studio.change(&json!({ "downloads_max": 0 })).is(200);
    studio.rules(&json!({ "downloads": "web", "watermark": "" }));
    let folder = studio.photos.path(&format!("/folders/{private}"));
    studio.owner.client.patch(&folder, &json!({ "downloads": "as_event" })).is(200);
    take(&excluded).is(200);
    studio.owner.client.patch(&folder, &json!({ "downloads": "all" })).fails(422, "invalid");
    studio.owner.client.patch(&folder, &json!({ "name": "Gift" })).fails(409, "conflict");
}

fn a_visitor_has_a_download_quota(service: Service) {
    let studio = Studio::new(&service);
    let picture = read("obama.jpg");
    studio.rules(&json!({ "downloads": "original" }));
    studio.change(&json!({ "downloads_max": 2 })).is(200);
    let photos: Vec<String> =
        (0..3).map(|at| studio.upload("a.jpg", &variant(&picture, at), None)).collect();
    let take =
        |client: &Client, at: usize| client.get(&format!("/album/photos/{}/download", photos[at]));
    let client = visitor(&service, &studio);
    take(&client, 0).is(200);
    take(&client, 0).is(200);
    // A new session from the same address and with the same link does not reset the quota.
    let again = |client: &Client| {
        client.delete("/album/session").is(204);
        client.with_cookie(&enter(&client.signed_out(), &studio.token, VIEW).is(204).cookie())
    };
    let client = again(&client);
    assert_eq!(client.get("/album").is(200).document()["downloads_left"], 1);
    take(&client, 1).is(200);
    let client = again(&client);
    take(&client, 2).fails(429, "too_many_requests");
    take(&client, 0).is(200);
    let client = visitor(&service, &studio);
    take(&client, 0).is(200);
    assert_eq!(client.get("/album").is(200).document()["downloads_left"], 1);
    let named = json!({ "pin": ANNOTATE, "name": "Ben" });
    let client = client.with_cookie(&client.put("/album/annotator", &named).is(204).cookie());
    take(&client, 1).is(200);
    take(&client, 2).fails(429, "too_many_requests");
    take(&client, 1).is(200);
    // A visitor with the same name shares the quota on another device.
    let device = annotator(&service, &studio, "ben");
    take(&device, 2).fails(429, "too_many_requests");
    take(&device, 0).is(200);
    // Another visitor has a quota of their own.
    take(&visitor(&service, &studio), 2).is(200);
    studio.change(&json!({ "downloads_max": 0 })).is(200);
    take(&client, 2).is(200);
}

/// Returns the mean absolute difference of two JPEGs of the same size, 0 to 255.
fn difference(one: &[u8], other: &[u8]) -> f64 {
    let limits = picpick_engine::DecodeLimits::default();
    let decode = |bytes: &[u8]| {
        let header = picpick_engine::Picture::probe(bytes, &limits).unwrap();
        header.decode(bytes, &limits).unwrap()
    };
    let (one, other) = (decode(one), decode(other));
    assert_eq!((one.width(), one.height()), (other.width(), other.height()));
    let pairs = one.pixels().iter().zip(other.pixels());
    let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / one.pixels().len() as f64
}

fn a_watermark_is_in_the_pixels(service: Service) {
    let studio = Studio::new(&service);
    let picture = read("sample1.jpg");
    let photo = studio.upload("a.jpg", &picture, None);
    studio.rules(&json!({ "downloads": "original" }));
    let client = visitor(&service, &studio);
    let web = || client.get(&format!("/album/photos/{photo}/web")).is(200);
    let take = || client.get(&format!("/album/photos/{photo}/download")).is(200);
    let plain = web();
    assert_eq!(take().body, picture);
    studio.rules(&json!({ "watermark": "© Lumen Søren" }));
    let marked = web();
    let changed = difference(&plain.body, &marked.body);
    assert!((1.0..40.0).contains(&changed), "a mean difference of {changed}");
    assert_ne!(header(&plain, "etag"), header(&marked, "etag"));
    // A visitor gets the watermarked picture instead of the original, although originals may be downloaded.
    assert_eq!(take().body, marked.body);
    assert_eq!(web().body, marked.body, "the stored picture is returned");
    studio.rules(&json!({ "watermark": "Another" }));
    let another = web();
    assert!(difference(&marked.body, &another.body) > 1.0, "the new text replaces the old one");
    // Members see the photos without the watermark.
    let own = studio.photos.path(&format!("/photos/{photo}/web"));
    assert_eq!(studio.owner.client.get(&own).is(200).body, plain.body);
    studio.rules(&json!({ "watermark": "" }));
    assert_eq!(web().body, plain.body);
    let bad = json!({ "watermark": "शादी" });
    studio.owner.client.patch(&studio.photos.path(""), &bad).fails(422, "invalid");
    studio.owner.client.delete(&studio.photos.path(&format!("/photos/{photo}"))).is(200);
    let folder = service.sandbox.data().join("photos").join(&studio.photos.event);
    let left = std::fs::read_dir(folder).map_or(0, Iterator::count);
    assert_eq!(left, 0, "the watermarked picture is deleted with the photo");
}

/// Returns the headers that could distinguish two responses, without request id and date.
fn comparable_headers(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let own = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut all: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    all.sort();
    all
}

fn hidden_photos_are_indistinguishable_from_unknown_ones(service: Service) {
    let studio = Studio::new(&service);
    let picture = read("obama.jpg");
    let hidden = studio.folder("Hidden", &json!({ "hidden": true }));
    let elsewhere = studio.folder("Elsewhere", &json!({}));
    let shown = studio.folder("Shown", &json!({}));
    let own = studio.upload("own.jpg", &picture, Some(&shown));
    let secret = studio.upload("hidden.jpg", &variant(&picture, 1), Some(&hidden));
    let other = studio.upload("elsewhere.jpg", &variant(&picture, 2), Some(&elsewhere));
    studio.change(&json!({ "folders": [shown, hidden] })).is(200);
    studio.rules(&json!({ "downloads": "original" }));
    // A photo of another event of the same studio.
    let event = studio.owner.new_event(&studio.owner.studio(), "Another");
    let another = picpick_tests::album::Album { client: studio.owner.client.clone(), event };
    let foreign = another.upload("foreign.jpg", &picture);
    let client = annotator(&service, &studio, "Asha");
    client.get(&format!("/album/photos/{own}/web")).is(200);
    for (method, rest, body) in [
        ("GET", "", None),
        ("GET", "/thumb", None),
        ("GET", "/web", None),
        ("GET", "/download", None),
        ("GET", "/comments", None),
        ("POST", "/comments", Some(json!({ "text": "hello" }))),
        ("PUT", "/pick", Some(json!({ "important": false }))),
        ("DELETE", "/pick", None),
    ] {
        let ask = |photo: &str| {
            client.json(method, &format!("/album/photos/{photo}{rest}"), body.as_ref())
        };
        let unknown = ask(&unknown_id()).fails(404, "not_found");
        for photo in [&secret, &other, &foreign, "no id at all", "%00"] {
            let answer = ask(&photo.replace(' ', "%20"));
            assert_eq!(answer.status, 404, "{answer:?}");
            assert_eq!(answer.body, unknown.body, "{answer:?}");
            assert_eq!(comparable_headers(&answer), comparable_headers(&unknown), "{answer:?}");
        }
    }
    // A comment of another album is indistinguishable from a missing one.
    let comment = client.post(&format!("/album/photos/{own}/comments"), &json!({ "text": "hi" }));
    let comment = comment.is(201).field("id");
    let new = json!({ "name": "Second", "annotate_pin": ANNOTATE });
    let second = studio.owner.client.post(&studio.photos.path("/albums"), &new).is(201).field("id");
    let second = Studio { album: second, ..studio };
    let (token, _) = second.new_link();
    let stranger = service.client();
    let stranger = stranger.with_cookie(&enter(&stranger, &token, "").is(204).cookie());
    let named = json!({ "pin": ANNOTATE, "name": "Asha" });
    let named = stranger.put("/album/annotator", &named).is(204).cookie();
    let stranger = stranger.with_cookie(&named);
    let resolve =
        |id: &str| stranger.patch(&format!("/album/comments/{id}"), &json!({ "resolved": true }));
    let (foreign, unknown) = (resolve(&comment), resolve(&unknown_id()));
    assert_eq!((foreign.status, &foreign.body), (404, &unknown.body));
    assert_eq!(comparable_headers(&foreign), comparable_headers(&unknown));
    assert_eq!(stranger.get(&format!("/album/photos/{own}/comments")).is(200).items().len(), 0);
}

fn picks_belong_to_one_visitor(service: Service) {
    let studio = Studio::new(&service);
    let picture = read("obama.jpg");
    let photo = studio.upload("a.jpg", &picture, None);
    let quiet = studio.upload("b.jpg", &variant(&picture, 1), None);
    let (asha, ben) = (annotator(&service, &studio, "Asha"), annotator(&service, &studio, "Ben"));
    let pick = format!("/album/photos/{photo}/pick");
    asha.put(&pick, &json!({ "important": false })).is(204);
    asha.put(&pick, &json!({ "important": true })).is(204);
    ben.put(&format!("/album/photos/{quiet}/pick"), &json!({ "important": false })).is(204);
    // A visitor sees only their own picks. The name identifies the visitor in every session.
    let picked = |client: &Client| {
        let items = client.get("/album/photos?picked=true").is(200).items();
        items.iter().map(|it| (it["name"].clone(), it["important"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(picked(&asha), [(json!("a.jpg"), json!(true))]);
    assert_eq!(picked(&ben), [(json!("b.jpg"), json!(false))]);
    assert_eq!(picked(&annotator(&service, &studio, " ASHA ")).len(), 1);
    assert_eq!(picked(&visitor(&service, &studio)).len(), 0);
    // A deleted pick, photo or album does not appear any more.
    asha.delete(&pick).is(204);
    assert_eq!(picked(&asha).len(), 0);
    let owner = &studio.owner.client;
    owner.delete(&studio.photos.path(&format!("/photos/{quiet}"))).is(200);
    assert_eq!(owner.get(&studio.path("/picks")).is(200).items().len(), 0);
    owner.delete(&studio.path("")).is(204);
    asha.get("/album").fails(401, "unauthenticated");
}

fn comments_are_visible_to_annotators_and_the_studio(service: Service) {
    let studio = Studio::new(&service);
    let photo = studio.upload("a.jpg", &read("obama.jpg"), None);
    let (asha, ben) = (annotator(&service, &studio, "Asha"), annotator(&service, &studio, "Ben"));
    for (client, important) in [(&asha, true), (&ben, false)] {
        let pick = format!("/album/photos/{photo}/pick");
        client.put(&pick, &json!({ "important": important })).is(204);
    }
    let comments = format!("/album/photos/{photo}/comments");
    let made = asha.post(&comments, &json!({ "text": "Red eyes\n here", "x": 0.25, "y": 1.0 }));
    let made = made.is(201).document();
    assert_eq!((&made["text"], &made["x"]), (&json!("Red eyes here"), &json!(0.25)));
    for bad in [
        json!({ "text": "" }),
        json!({ "text": "x", "x": 0.5 }),
        json!({ "text": "x", "x": 2, "y": 0 }),
    ] {
        asha.post(&comments, &bad).fails(422, "invalid");
    }
    let open = |client: &Client| {
        client.get(&format!("/album/photos/{photo}")).is(200).document()["comments"].clone()
    };
    assert_eq!((open(&ben), open(&visitor(&service, &studio))), (json!(1), json!(0)));
    let seen = ben.get(&comments).is(200).items();
    assert_eq!((&seen[0]["visitor"], &seen[0]["own"]), (&json!("Asha"), &json!(false)));
    let path = format!("/album/comments/{}", made["id"].as_str().unwrap());
    ben.delete(&path).fails(403, "forbidden");
    ben.patch(&path, &json!({ "resolved": true })).is(204);
    assert_eq!(open(&ben), 0);
    // The studio sees the comment and reopens it.
    let owner = &studio.owner.client;
    let received = owner.get(&studio.path("/comments")).is(200).items();
    assert!(received.len() == 1 && received[0]["resolved_unix_s"].is_i64(), "{received:?}");
    let answer = studio.path(&format!("/comments/{}", made["id"].as_str().unwrap()));
    owner.patch(&answer, &json!({ "resolved": false })).is(204);
    assert_eq!(open(&ben), 1);
    assert_eq!(owner.get(&studio.path("/picks")).is(200).items().len(), 2);
    let first = owner.get(&studio.path("/picks?limit=1")).is(200).document();
    let next = studio.path(&format!("/picks?limit=1&cursor={}", first["next"].as_str().unwrap()));
    let second = owner.get(&next).is(200).items();
    assert_ne!(first["items"][0]["visitor"], second[0]["visitor"]);
    // The export holds picks and comments.
    let headers = Vec::new();
    let export =
        Request { method: "GET".into(), path: studio.photos.path("/export"), headers, body: None };
    let mut archive = zip::ZipArchive::new(Cursor::new(owner.send(export).is(200).body)).unwrap();
    let mut text = String::new();
    archive.by_name("event.json").unwrap().read_to_string(&mut text).unwrap();
    let albums = serde_json::from_str::<Value>(&text).unwrap()["albums"].clone();
    assert_eq!(albums[0]["name"], "Asha & Ben");
    assert_eq!(albums[0]["comments"][0]["text"], "Red eyes here");
    let important =
        albums[0]["picks"].as_array().unwrap().iter().find(|it| it["visitor"] == "Asha");
    assert_eq!(important.unwrap()["important"], true);
    asha.delete(&path).is(204);
    assert_eq!(ben.get(&comments).is(200).items().len(), 0);
}
