use std::collections::BTreeSet;

use picpick_tests::Service;
use picpick_tests::album::variant;
use picpick_tests::proof_of_work::solve;
use serde_json::json;
use ureq::Agent;
use ureq::http::HeaderMap;

use super::studio::{ANNOTATE, Studio, VIEW, enter, read};

/// A browser without scripts that holds one cookie.
pub struct Browser {
    agent: Agent,
    service: String,
    cookie: String,
    /// The value of the `Sec-Fetch-Site` header of its form posts.
    site: &'static str,
}

struct Page {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    fn location(&self) -> String {
        self.headers["location"].to_str().unwrap().to_owned()
    }
}

impl Browser {
    pub fn new(service: &Service) -> Self {
        // The server closes a connection if it rejects a request before it has read the body. This agent would
        // send the next request on the closed connection, so it reuses no connection.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0);
        let agent = config.build().new_agent();
        Self { agent, service: service.address(), cookie: String::new(), site: "same-origin" }
    }

    /// Opens an entry page. Returns the cookie of the new visit.
    pub fn visit_cookie(&self, path: &str) -> String {
        let page = self.get(path, "en").is(200);
        page.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn get(&self, path: &str, language: &str) -> Page {
        let request = self.agent.get(format!("{}{path}", self.service));
        let request = request.header("cookie", &self.cookie).header("accept-language", language);
        Self::read(request.call().unwrap())
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.agent.post(format!("{}{path}", self.service));
        let request = request.header("cookie", &self.cookie).header("sec-fetch-site", self.site);
        let page = Self::read(request.send_form(fields.iter().copied()).unwrap());
        if let Some(set) = page.headers.get("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = pair.to_owned();
        }
        page
    }

    fn read(mut answer: ureq::http::Response<ureq::Body>) -> Page {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
        Page { status, headers, body }
    }
}

/// Returns the values of `attribute` in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Asserts the rules of every album page: strict headers, no inline script or style, no external address,
/// unique ids, labels with a target, one heading, and a text for each image.
#[track_caller]
fn is_strict(page: &Page) {
    let text = page.text();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["x-robots-tag"], "noindex, nofollow");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert!(text.contains("name=\"robots\" content=\"noindex"), "{text}");
    for forbidden in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!text.contains(forbidden), "{forbidden}: {text}");
    }
    let names: BTreeSet<&str> = values(&text, "id").into_iter().collect();
    assert_eq!(names.len(), values(&text, "id").len(), "an id occurs twice: {text}");
    for label in values(&text, "for") {
        assert!(names.contains(label), "a label for {label}, which does not exist");
    }
    assert_eq!(text.matches("<h1").count(), 1);
    let images = text.matches("<img").count();
    assert_eq!(values(&text, "alt").len(), images, "an image without a text");
}

/// Creates an album of 50 photos, one of them in a folder. Returns the photos' ids in the album's order, and
/// the folder's id.
fn filled(service: &Service) -> (Studio, Vec<String>, String) {
    let studio = Studio::new(service);
    let folder = studio.folder("Ceremony", &json!({}));
    let picture = read("obama.jpg");
    studio.upload("a.jpg", &variant(&picture, 0), Some(&folder));
    for at in 1..50 {
        studio.upload("b.jpg", &variant(&picture, at), None);
    }
    let photos = studio.photos.photos();
    let ids = photos.iter().map(|photo| photo["id"].as_str().unwrap().to_owned()).collect();
    service.remember(&studio.token);
    (studio, ids, folder)
}

/// Returns a browser with an album session, and the path of the album's page.
fn inside(service: &Service, studio: &Studio) -> (Browser, String) {
    let (mut browser, entry) = (Browser::new(service), format!("/a/{}", studio.token));
    let page = browser.post(&entry, &[("pin", VIEW)]).is(303);
    assert_eq!(page.location(), entry);
    assert!(browser.cookie.starts_with("picpick_album=ppv_"));
    (browser, entry)
}

pub fn pages_work_without_scripts(service: Service) {
    let (studio, ids, folder) = filled(&service);
    let entry = format!("/a/{}", studio.token);
    let mut browser = Browser::new(&service);
    let page = browser.get(&entry, "en").is(200);
    is_strict(&page);
    assert!(page.text().contains("Asha &amp; Ben") && page.text().contains("lang=\"en\""));
    assert!(!page.text().contains("/photos/"), "nothing is shown before the PIN");
    // A wrong PIN gives an error message, the right one opens the album.
    let page = browser.post(&entry, &[("pin", "000000")]).is(401);
    is_strict(&page);
    assert!(page.text().contains("role=\"alert\""));
    let (mut browser, _) = inside(&service, &studio);
    let page = browser.get(&entry, "en").is(200);
    is_strict(&page);
    let text = page.text();
    assert!(
        text.contains("50 photos") && text.contains("Page 1 of 2") && text.contains("Ceremony")
    );
    assert_eq!(text.matches("<li><a href=\"/a/").count(), 48 + 2);
    let weight: usize = ["/assets/visitor.css", "/assets/album.js", "/assets/icon.svg"]
        .iter()
        .map(|asset| browser.get(asset, "en").is(200).body.len())
        .sum();
    assert!(weight + text.len() < 150 << 10, "{weight} and {} bytes before photos", text.len());
    println!("{} bytes before photos", weight + text.len());
    // Every address on the page exists.
    let links = [values(&text, "href"), values(&text, "src")].concat();
    for link in links.iter().filter(|link| link.starts_with('/')).take(80) {
        browser.get(&link.replace("&amp;", "&"), "en").is(200);
    }
    let second = browser.get(&format!("{entry}?page=2"), "en").is(200);
    is_strict(&second);
    let second = second.text();
    assert!(second.contains("Page 2 of 2") && second.contains(ids.last().unwrap().as_str()));
    let part = browser.get(&format!("{entry}?folder={folder}"), "en").is(200).text();
    assert_eq!(part.matches(&format!("?folder={folder}\"><img")).count(), 1);
    let left = browser.post(&format!("{entry}/leave"), &[]).is(303);
    assert_eq!(left.headers["clear-site-data"], "\"cache\"", "cached photos go with the session");
    assert!(browser.get(&entry, "en").is(200).text().contains("name=\"pin\""));
}

pub fn a_page_asks_for_a_proof_of_work(service: Service) {
    let studio = Studio::new(&service);
    service.remember(&studio.token);
    let entry = format!("/a/{}", studio.token);
    let mut browser = Browser::new(&service);
    let calm = browser.get(&entry, "en").is(200);
    assert!(values(&calm.text(), "data-challenge").is_empty());
    browser.cookie = browser.visit_cookie(&entry);
    assert!(!browser.get(&entry, "en").headers.contains_key("set-cookie"), "one visit a browser");
    for _ in 0..30 {
        enter(&service.client(), &studio.token, "000000").fails(401, "wrong_credentials");
    }
    // A form without a solution gets a page with a challenge, which says what to do without scripts.
    let page = browser.post(&entry, &[("pin", VIEW)]).is(428);
    is_strict(&page);
    let text = page.text();
    assert!(text.contains("enter the PIN again") && text.contains("turn on JavaScript"), "{text}");
    let hindi = browser.get(&entry, "hi").is(200).text();
    assert!(hindi.contains("JavaScript चालू करें"), "{hindi}");
    let (challenge, bits) = (values(&text, "data-challenge")[0], values(&text, "data-bits")[0]);
    let nonce = solve(challenge, bits.parse().unwrap()).to_string();
    let solved = |pin| [("pin", pin), ("challenge", challenge), ("nonce", nonce.as_str())];
    browser.post(&entry, &solved(VIEW)).is(303);
    assert!(browser.cookie.starts_with("picpick_album=ppv_"));
    // The form for the second PIN has a challenge of its own.
    let gallery = browser.get(&entry, "en").is(200);
    is_strict(&gallery);
    let text = gallery.text();
    let (challenge, bits) = (values(&text, "data-challenge")[0], values(&text, "data-bits")[0]);
    let nonce = solve(challenge, bits.parse().unwrap()).to_string();
    let fields =
        |nonce| [("pin", ANNOTATE), ("name", "A"), ("challenge", challenge), ("nonce", nonce)];
    let annotate = format!("{entry}/annotate");
    let session = browser.cookie.clone();
    browser.post(&annotate, &fields("")).is(428);
    assert_eq!(browser.cookie, session);
    browser.post(&annotate, &fields(&nonce)).is(303);
}

pub fn picks_and_notes_are_plain_forms(service: Service) {
    let (studio, ids, _) = filled(&service);
    let (mut browser, entry) = inside(&service, &studio);
    let photo = format!("{entry}/photos/{}", ids[1]);
    browser.post(&photo, &[("do", "pick")]).is(403);
    browser.post(&format!("{entry}/annotate"), &[("pin", ANNOTATE), ("name", "Asha")]).is(303);
    browser.post(&photo, &[("do", "important")]).is(303);
    let note = [("do", "comment"), ("text", "<b>Red eyes</b>"), ("spot", "0.17,0.5")];
    assert_eq!(browser.post(&photo, &note).is(303).location(), format!("{photo}#notes"));
    let page = browser.get(&photo, "en").is(200);
    is_strict(&page);
    let text = page.text();
    assert!(text.contains("&lt;b&gt;Red eyes") && text.contains("x=\"17.00%\""));
    assert!(text.contains("2 of 50") && text.contains("w, /api/v1/album/photos/"));
    assert!(
        text.contains(&ids[0]) && text.contains(&ids[2]),
        "links to the previous and the next photo"
    );
    let picks = browser.get(&format!("{entry}?picked=1"), "en").is(200).text();
    assert_eq!(picks.matches("?picked=1\"><img").count(), 1);
    browser.post(&photo, &[("do", "nothing")]).is(422);
    browser.post(&photo, &[("do", "unpick")]).is(303);
    // The page is in Hindi if the browser's language or the visitor's choice is Hindi.
    let hindi = browser.get(&photo, "hi-IN,hi;q=0.9").is(200);
    is_strict(&hindi);
    assert!(hindi.text().contains("<html lang=\"hi\">") && hindi.text().contains("अगली फ़ोटो"));
    let chosen = browser.get(&format!("{entry}?lang=hi"), "en").is(200);
    assert!(chosen.headers["set-cookie"].to_str().unwrap().starts_with("picpick_lang=hi;"));
    // There is no download link unless the studio allows downloads.
    assert!(!text.contains("/download\""));
    studio.rules(&json!({ "downloads": "web" }));
    assert!(browser.get(&photo, "en").is(200).text().contains("/download\""));
}

pub fn pages_reject_other_sites_and_sessions_of_other_albums(service: Service) {
    let studio = Studio::new(&service);
    let photo = studio.upload("a.jpg", &read("obama.jpg"), None);
    let entry = format!("/a/{}", studio.token);
    let mut browser = Browser::new(&service);
    // Forms posted from another site are rejected, without and with a session (CSRF).
    browser.site = "cross-site";
    browser.post(&entry, &[("pin", VIEW)]).is(403);
    browser.site = "same-origin";
    browser.post(&entry, &[("pin", VIEW)]).is(303);
    browser.post(&format!("{entry}/annotate"), &[("pin", ANNOTATE), ("name", "Asha")]).is(303);
    browser.site = "cross-site";
    browser.post(&format!("{entry}/photos/{photo}"), &[("do", "pick")]).is(403);
    browser.post(&format!("{entry}/leave"), &[]).is(403);
    browser.site = "same-origin";
    // A session is valid for its own album only.
    let new = json!({ "name": "Second", "view_pin": "135790" });
    let second = studio.owner.client.post(&studio.photos.path("/albums"), &new).is(201).field("id");
    let second = Studio { album: second, ..studio };
    let (token, _) = second.new_link();
    let text = browser.get(&format!("/a/{token}"), "en").is(200).text();
    assert!(text.contains("Second") && text.contains("name=\"pin\""));
    let page = browser.get(&format!("/a/{token}/photos/{photo}"), "en").is(303);
    assert_eq!(page.location(), format!("/a/{token}"));
    // Unknown, expired and withdrawn links all give the same page.
    let unknown = browser.get("/a/ppa_nothing", "en").is(404);
    is_strict(&unknown);
    let mut closed = vec![browser.get(&format!("{entry}x"), "en")];
    let missing = browser.get(&format!("{entry}/photos/{}", "0".repeat(32)), "en").is(404);
    closed.push(missing);
    second.change(&json!({ "ends_unix_s": 1 })).is(200);
    closed.push(browser.get(&format!("/a/{token}"), "en"));
    closed.push(browser.post(&format!("/a/{token}"), &[("pin", "135790")]));
    let path = second.photos.path("/albums");
    let albums = second.owner.client.get(&path).is(200).items();
    let first = albums.iter().find(|album| album["name"] == "Asha & Ben").unwrap();
    let first = format!("{path}/{}", first["id"].as_str().unwrap());
    second.owner.client.delete(&format!("{first}/links/{}", second.link)).is(204);
    closed.push(browser.get(&entry, "en"));
    for page in closed {
        assert_eq!((page.status, page.text()), (404, unknown.text()));
    }
    let robots = browser.get("/robots.txt", "en").is(200).text();
    assert_eq!(robots, "User-agent: *\nDisallow: /\n");
}
