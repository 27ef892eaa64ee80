//! The studio's pages, and what visitors' pages load: each is there, loads nothing from elsewhere, has no script or style inside, and what it
//! names exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use picpick_tests::{Database, service};
use ureq::Agent;

const PAGES: [&str; 7] =
    ["/setup", "/sign-in", "/invitation", "/reset", "/email", "/studio", "/studio/events/0123"];

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent()
}

/// The values of `attribute` in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn pages_are_whole_and_strict() {
    let service = service!(Database::Sqlite);
    let agent = agent();
    let get = |path: &str| {
        let mut answer = agent.get(format!("{}{path}", service.address())).call().unwrap();
        let headers = answer.headers().clone();
        (answer.status().as_u16(), headers, answer.body_mut().read_to_string().unwrap())
    };
    // Visitors' pages themselves are looked at where there is an album (`service_albums/pages.rs`).
    let mut loaded =
        BTreeSet::from(["/assets/gallery.css", "/assets/gallery.js"].map(str::to_owned));
    for path in PAGES {
        let (status, headers, page) = get(path);
        assert_eq!(status, 200, "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
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
        let names: BTreeSet<&str> = values(&page, "id").into_iter().collect();
        assert_eq!(names.len(), values(&page, "id").len(), "{path}: an id stands twice");
        for label in values(&page, "for") {
            assert!(names.contains(label), "{path}: a label for {label}, which is not there");
        }
        let links = [values(&page, "src"), values(&page, "href")].concat();
        loaded.extend(
            links.into_iter().filter(|link| link.starts_with("/assets/")).map(str::to_owned),
        );
    }
    // Modules that scripts load.
    for script in loaded.clone().into_iter().filter(|path| path.ends_with(".js")) {
        let (_, _, text) = get(&script);
        let imports = text.lines().filter_map(|line| line.split_once("from \"./"));
        loaded.extend(imports.map(|(_, rest)| format!("/assets/{}", rest.trim_end_matches("\";"))));
    }
    assert!(loaded.len() >= 9, "{loaded:?}");
    for path in &loaded {
        let (status, headers, text) = get(path);
        assert_eq!(status, 200, "{path}");
        let kind = headers["content-type"].to_str().unwrap();
        let expected = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/svg+xml",
        };
        assert!(kind.starts_with(expected), "{path}: {kind}");
        assert!(!text.contains("innerHTML") && !text.contains("eval("), "{path}");
    }
    assert_eq!(get("/").0, 303);
    let (status, headers, _) = get("/nowhere");
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (404, "application/problem+json")
    );
}
