//! The pages of the studio and of guests, and the assets of all pages: each loads, uses no external address
//! and no inline script or style, and refers only to assets that exist.

use std::collections::BTreeSet;

use picpick_tests::guest::let_in;
use picpick_tests::{Database, Service, service};
use serde_json::json;
use ureq::Agent;
use ureq::http::HeaderMap;

use crate::guest::Scene;
use crate::guest::limits::face_of;

/// Maximum size of a guest's page and its assets, uncompressed, without photos, bytes.
const GUEST_PAGE_BYTES_MAX: usize = 150 << 10;
const PAGES: &[&str] = &[
    "/setup",
    "/sign-in",
    "/invitation",
    "/reset",
    "/email",
    "/studio",
    "/studio/me",
    "/studio/members",
    "/studio/records",
    "/studio/events/0123",
    "/studio/events/0123/guests",
    "/studio/events/0123/people",
    "/studio/events/0123/coverage",
    "/studio/events/0123/privacy",
    "/studio/events/0123/albums",
    "/studio/events/0123/settings",
];

/// A browser without scripts.
struct Reader {
    agent: Agent,
    address: String,
}

struct Read {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reader {
    fn new(service: &Service) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0);
        Self { agent: config.build().new_agent(), address: service.address() }
    }

    fn get(&self, path: &str) -> Read {
        self.get_as(path, "")
    }

    /// Gets a page with a cookie, `NAME=VALUE`.
    fn get_as(&self, path: &str, cookie: &str) -> Read {
        let request = self.agent.get(format!("{}{path}", self.address)).header("cookie", cookie);
        let mut answer = request.call().unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Read { status, headers, text: answer.body_mut().read_to_string().unwrap() }
    }

    /// Returns the paths of the assets that a page loads, and of the modules that they import.
    fn loaded(&self, page: &str) -> BTreeSet<String> {
        let links = [values(page, "src"), values(page, "href")].concat();
        let links = links.into_iter().filter(|link| link.starts_with("/assets/"));
        let mut loaded: BTreeSet<String> = links.map(str::to_owned).collect();
        let mut open: Vec<String> = loaded.iter().cloned().collect();
        while let Some(path) = open.pop().filter(|path| path.ends_with(".js")) {
            let text = self.get(&path).text;
            let imports = text.lines().filter_map(|line| line.split_once("from \"./"));
            for (_, rest) in imports {
                let module = format!("/assets/{}", rest.trim_end_matches("\";"));
                if loaded.insert(module.clone()) {
                    open.push(module);
                }
            }
        }
        loaded
    }
}

/// Returns the values of `attribute` in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Asserts the rules of every page: a strict content security policy, no inline script or style, no external
/// address, unique ids, and labels with a target.
#[track_caller]
fn is_strict(path: &str, read: &Read) {
    let page = &read.text;
    let policy = read.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.contains("<html lang=\"en\">") && page.contains("viewport"), "{path}");
    for forbidden in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!page.contains(forbidden), "{path} has {forbidden}");
    }
    for script in page.split("<script").skip(1) {
        assert!(
            script.split_once("></script>").is_some_and(|(tag, _)| tag.contains("src=")),
            "{path}"
        );
    }
    let names: BTreeSet<&str> = values(page, "id").into_iter().collect();
    assert_eq!(names.len(), values(page, "id").len(), "{path}: an id occurs twice");
    for label in values(page, "for") {
        assert!(names.contains(label), "{path}: a label for {label}, which does not exist");
    }
}

#[test]
fn pages_and_assets_exist_and_are_strict() {
    let service = service!(Database::Sqlite);
    let reader = Reader::new(&service);
    // The visitors' pages themselves need an album and are tested in `album/pages.rs`.
    let mut loaded = BTreeSet::from(["/assets/visitor.css", "/assets/album.js"].map(str::to_owned));
    for path in PAGES {
        let read = reader.get(path);
        assert_eq!(read.status, 200, "{path}");
        is_strict(path, &read);
        loaded.extend(reader.loaded(&read.text));
    }
    for script in ["guest_entry", "guest_photos", "email_links", "session_ended"] {
        loaded.extend(reader.loaded(&format!("<script src=\"/assets/{script}.js\">")));
    }
    assert!(loaded.len() >= 22, "{loaded:?}");
    for path in &loaded {
        let read = reader.get(path);
        assert_eq!(read.status, 200, "{path}");
        let kind = read.headers["content-type"].to_str().unwrap();
        let expected = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, format!("{expected}; charset=utf-8"), "{path}");
        assert!(!read.text.contains("innerHTML") && !read.text.contains("eval("), "{path}");
    }
    assert_eq!(reader.get("/").status, 303);
    let nowhere = reader.get("/nowhere");
    assert_eq!(
        (nowhere.status, nowhere.headers["content-type"].to_str().unwrap()),
        (404, "application/problem+json")
    );
}

#[test]
fn guest_pages_are_strict_and_small() {
    let service = service!(Database::Sqlite);
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "Asha <Ben>");
    let made = owner.client.post(&format!("/events/{event}/guest-links"), &json!({})).is(201);
    let link = made.field("url");
    let entry = link.split_once("/g/").map(|(_, token)| format!("/g/{token}")).unwrap();
    service.remember(entry.trim_start_matches("/g/"));
    let reader = Reader::new(&service);
    for path in [
        entry.clone(),
        format!("{entry}/ask"),
        "/g/enter".into(),
        "/g/notify".into(),
        "/g/undo".into(),
        format!("/privacy/{event}"),
        format!("/privacy/{event}/request"),
    ] {
        let read = reader.get(&path);
        assert_eq!(read.status, 200, "{path}");
        is_strict(&path, &read);
        assert_eq!(read.headers["cache-control"], "no-store");
        assert!(!read.text.contains("<Ben>"), "the event's name is escaped");
        // Sizes before compression.
        let assets = reader.loaded(&read.text);
        let weight = assets.iter().map(|path| reader.get(path).text.len()).sum::<usize>();
        let weight = weight + read.text.len();
        assert!(weight <= GUEST_PAGE_BYTES_MAX, "{path} and its assets have {weight} bytes");
    }
    let read = reader.get(&format!("{entry}?lang=hi"));
    assert!(read.text.contains("<html lang=\"hi\">") && !read.text.contains("Find my photos"));
    // All invalid links give the same page.
    let closed: Vec<Read> =
        ["/g/ppq_x", "/g/y", "/g/ppq_x/ask"].map(|path| reader.get(path)).into();
    assert!(closed.iter().all(|read| read.status == 404 && read.text == closed[0].text));
    assert_eq!(reader.get("/g").status, 401);
}

/// A guest who erases their faces is asked, in each language, whether to be kept out of later photos, and is told
/// that the template stays for this.
#[test]
fn the_guest_page_offers_to_stay_out_of_later_photos() {
    let service = service!(Database::Sqlite);
    let scene = Scene::of(&service, &["obama.jpg"]);
    let guest = let_in(&service, &scene.owner, &scene.album.event, &face_of(&scene, "obama.jpg"));
    let reader = Reader::new(&service);
    let cookie = guest.cookie().unwrap();
    for (language, label, template) in [
        ("en", "keep me out of photos that are added later", "your face template is not deleted"),
        ("hi", "बाद में जुड़ने वाली फ़ोटो से भी मुझे बाहर रखें", "आपका फ़ेस टेम्पलेट नहीं मिटाया जाता"),
    ] {
        let page = reader.get_as(&format!("/g?lang={language}"), cookie);
        assert_eq!(page.status, 200);
        if language == "en" {
            is_strict("/g", &page);
        }
        let (_, dialog) = page.text.split_once("id=\"with-faces\"").expect("the choice of faces");
        let (_, choice) = dialog.split_once("id=\"keep-out\"").expect("the choice to stay out");
        let (tag, after) = choice.split_once('>').unwrap();
        assert!(
            tag.contains("disabled") && !tag.contains("checked"),
            "not chosen in advance: {tag}"
        );
        assert!(after.contains(label) && after.contains(template), "{language}: {after}");
        assert!(after.contains("id=\"gone-kept-out\""));
    }
    let script = reader.get("/assets/guest_settings.js").text;
    assert!(script.contains("&opt_out=${"), "the page sends the choice");
}
