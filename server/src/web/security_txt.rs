//! `/.well-known/security.txt` (RFC 9116): where researchers report vulnerabilities of this installation.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use time::UtcDateTime;

use crate::app::App;
use crate::infra::clock::now_s;

const PATH: &str = "/.well-known/security.txt";
/// Time after the service's start at which the file expires: 180 days. RFC 9116, section 2.5.5, recommends
/// less than a year, so that researchers do not use an abandoned contact; each start confirms the contact.
const VALID_S: i64 = 180 * 86_400;

/// Returns the route of the file, or no route without a contact.
pub fn routes(app: &App) -> Router<App> {
    let settings = &app.settings;
    let contacts = &settings.operations.security_contacts;
    if contacts.is_empty() {
        return Router::new();
    }
    let text = document(contacts, settings.public_url.as_deref(), now_s() + VALID_S);
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Router::new().route(PATH, get(move || async move { (kind, text.clone()) }))
}

fn document(contacts: &[String], public_url: Option<&str>, expires_unix_s: i64) -> String {
    let mut text: String = contacts.iter().map(|contact| format!("Contact: {contact}\n")).collect();
    let expires = UtcDateTime::from_unix_timestamp(expires_unix_s).unwrap_or(UtcDateTime::MAX);
    let (hour, minute, second) = expires.as_hms();
    text += &format!("Expires: {}T{hour:02}:{minute:02}:{second:02}Z\n", expires.date());
    // The field must be an https address.
    if let Some(url) = public_url.filter(|url| url.starts_with("https://")) {
        text += &format!("Canonical: {url}{PATH}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_fields_of_the_standard() {
        let contacts =
            ["mailto:security@example.com".to_owned(), "https://example.com/s".to_owned()];
        let text = document(&contacts, Some("https://photos.example.com"), 1_800_000_000);
        assert_eq!(
            text,
            "Contact: mailto:security@example.com\nContact: https://example.com/s\n\
             Expires: 2027-01-15T08:00:00Z\n\
             Canonical: https://photos.example.com/.well-known/security.txt\n"
        );
        assert!(!document(&contacts, Some("http://127.0.0.1:8080"), 0).contains("Canonical"));
    }
}
