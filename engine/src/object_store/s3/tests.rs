use super::error::ErrorContext;
use crate::object_store::s3_config::{S3Config, SecretString};

fn errors() -> ErrorContext {
    let secret = SecretString::new("sEcReT".into());
    let token = Some(SecretString::new("tOkEn".into()));
    let access = S3Config::new(None, "eu-central-1", "AKID", secret, token).unwrap();
    ErrorContext::new("photos", &access)
}

#[test]
fn a_server_message_is_cleaned_of_credentials() {
    let message = "AKID signed\nwith sEcReT\u{7} and tOkEn";
    let reason = errors().refusal(Some("AccessDenied"), Some(message), 403);
    assert_eq!(
        reason,
        "https://s3.eu-central-1.amazonaws.com denied access; check the permissions of the access key: [credential] signed with [credential] and [credential]"
    );
    let long = errors().refusal(Some("Other"), Some(&"x".repeat(10_000)), 500);
    assert!(long.chars().count() < 400, "{long}");
}

#[test]
fn each_refusal_names_what_to_check() {
    for (code, part) in [
        ("NoSuchBucket", "no bucket 'photos'"),
        ("SignatureDoesNotMatch", "secret access key"),
        ("InvalidAccessKeyId", "access key id"),
        ("ExpiredToken", "session token"),
        ("RequestTimeTooSkewed", "clock"),
        ("PermanentRedirect", "another region than 'eu-central-1'"),
        ("SlowDown", "answered SlowDown (503): busy"),
        ("", "not S3's"),
    ] {
        let reason = errors().refusal(Some(code), Some("busy"), 503);
        assert!(reason.contains(part), "{code}: {reason}");
    }
}
