//! What browsers keep and read outside the pages: cached photos after the end of a session, and `security.txt`.

use picpick_tests::guest::{new_link, register};
use picpick_tests::{Answer, Database, Service, sandbox, service};

use crate::album::studio::{Studio, visitor};

const CACHE: &str = r#""cache""#;

fn cleared(answer: &Answer) -> &str {
    answer.headers.get("clear-site-data").map_or("", |value| value.to_str().unwrap())
}

#[test]
fn the_end_of_a_session_clears_the_browser() {
    let service = service!(Database::Sqlite);
    let studio = Studio::new(&service);
    let owner = &studio.owner;
    let signed_in = owner.try_sign_in(&owner.password, None).is(201);
    assert_eq!(cleared(&signed_in), "");
    let session = owner.client.with_cookie(&signed_in.cookie());
    let ended = session.delete("/session").is(204);
    assert_eq!(cleared(&ended), CACHE);
    let cookies = ended.headers.get_all("set-cookie").iter().count();
    assert_eq!(cookies, 2, "with and without encryption");
    let album = visitor(&service, &studio);
    let ended = album.delete("/album/session").is(204);
    assert_eq!((cleared(&ended), ended.cookie().as_str()), (CACHE, "picpick_album="));
    let token = new_link(owner, &studio.photos.event);
    let guest = register(&service, &token, "Ben", "ben@mail.example");
    assert_eq!(cleared(&guest.get("/guest").is(200)), "");
    let ended = guest.delete("/guest/session").is(204);
    assert_eq!((cleared(&ended), ended.cookie().as_str()), (CACHE, "picpick_guest="));
    // A guest who withdraws leaves for good, so the stored guest link goes too.
    let guest = register(&service, &token, "Asha", "asha@mail.example");
    let ended = guest.delete("/guest").is(200);
    assert_eq!(cleared(&ended), r#""cache", "storage""#);
    assert_eq!(ended.cookie(), "picpick_guest=");
}

/// A session that ends without the browser's knowledge: withdrawn elsewhere, expired, or of a removed visitor.
#[test]
fn an_answer_to_an_ended_session_clears_the_browser() {
    let service = service!(Database::Sqlite);
    let studio = Studio::new(&service);
    let owner = &studio.owner;
    let session = owner.sign_in();
    let album = visitor(&service, &studio);
    let token = new_link(owner, &studio.photos.event);
    let guest = register(&service, &token, "Ben", "ben@mail.example");
    for table in ["sessions", "album_sessions", "guest_sessions"] {
        service.change_rows(&format!("DELETE FROM {table}"));
    }
    let callers =
        [(session, "/me", "session"), (album, "/album", "album"), (guest, "/guest", "guest")];
    for (caller, path, cookie) in callers {
        let ended = caller.get(path).fails(401, "unauthenticated");
        assert_eq!(cleared(&ended), CACHE, "{path}");
        assert_eq!(ended.cookie(), format!("picpick_{cookie}="));
    }
    // Callers without a session, and API keys, have nothing to delete.
    let outside = service.client().get("/me").fails(401, "unauthenticated");
    let key = service.client().with_key("ppk_unknown").get("/me").fails(401, "unauthenticated");
    assert_eq!((cleared(&outside), cleared(&key)), ("", ""));
}

fn security_txt(service: &Service) -> (u16, String, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let url = format!("{}/.well-known/security.txt", service.address());
    let mut answer = agent.get(url).call().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
}

#[test]
fn security_txt_names_the_operators_contact() {
    let contacts = "mailto:security@studio.example,https://studio.example/security";
    let environment = vec![("PICPICK_SECURITY_CONTACT", contacts.to_owned())];
    let service = Service::start_with(sandbox!(), environment);
    let (status, kind, text) = security_txt(&service);
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Contact: mailto:security@studio.example");
    assert_eq!(lines[1], "Contact: https://studio.example/security");
    let expires = lines[2].strip_prefix("Expires: ").unwrap();
    assert!(expires.len() == 20 && expires.ends_with('Z') && lines.len() == 3, "{text}");
}

#[test]
fn without_a_contact_there_is_no_security_txt() {
    assert_eq!(security_txt(&service!(Database::Sqlite)).0, 404);
    let command = sandbox!().run(["serve", "--security-contact", "security@studio.example"]);
    assert!(command.failed(2).contains("mailto:"), "{command:?}");
}
