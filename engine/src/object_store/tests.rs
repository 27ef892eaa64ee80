use super::s3_config::check_endpoint;
use super::{Encryption, S3Config, SecretString, is_name, open};
use crate::error::{Error, Result};

fn config(endpoint: Option<&str>, region: &str, secret: &str) -> Result<S3Config> {
    S3Config::new(endpoint, region, "AKID", SecretString::new(secret.to_owned()), None)
}

#[test]
fn an_encryption_reads_or_is_refused() {
    let key = "arn:aws:kms:eu-central-1:1:key/2";
    assert_eq!("s3".parse::<Encryption>().unwrap(), Encryption::S3);
    assert_eq!("kms".parse::<Encryption>().unwrap(), Encryption::Kms(None));
    assert_eq!(
        format!("kms:{key}").parse::<Encryption>().unwrap(),
        Encryption::Kms(Some(key.into()))
    );
    for bad in ["", "S3", "aes256", "s3:x", "kms:a b", "bucket:x"] {
        assert!(bad.parse::<Encryption>().is_err(), "{bad}");
    }
}

#[test]
fn an_endpoint_is_encrypted_or_on_this_computer() {
    for (good, kept) in [
        ("https://s3.example.org", "https://s3.example.org"),
        ("https://s3.example.org:9000/", "https://s3.example.org:9000"),
        ("https://example.org/storage/v1/s3", "https://example.org/storage/v1/s3"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:9000/", "http://localhost:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ] {
        assert_eq!(check_endpoint(good).unwrap(), kept);
    }
    for bad in [
        "http://s3.example.org",
        "http://10.0.0.1:9000",
        "http://0.0.0.0:9000",
        "http://[::]:9000",
        "http://[2001:db8::1]",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://2130706433",
    ] {
        assert!(check_endpoint(bad).unwrap_err().contains("not encrypted"), "{bad}");
    }
}

#[test]
fn an_endpoint_that_two_programs_could_read_differently_is_refused() {
    for bad in [
        "",
        "s3.example.org",
        "https://",
        "https:///bucket",
        "ftp://example.org",
        "file:///etc",
        "HTTPS://example.org",
        "http://127.0.0.1@example.org",
        "http://127.0.0.1\\@example.org",
        "http://127.0.0.1#.example.org",
        "http://127.0.0.1?.example.org",
        "http://127.0.0.1 .example.org",
        "http://127.0.0.1:9000:80",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
        "http://127.0.0.1:+80",
        "http://127.0.0.1:70000",
        "http://[::1",
        "http://[::1]9000",
        "http://[127.0.0.1]",
        "https://example.org/a/../b",
        "https://example.org/a?b",
        "https://exämple.org",
        "https://example.org\n",
    ] {
        let reason = check_endpoint(bad).unwrap_err();
        assert!(reason.contains("must be a URL like"), "{bad}: {reason}");
    }
}

#[test]
fn a_refusal_repeats_no_credential() {
    let secret = "very secret";
    let in_url = format!("https://AKID:{secret}@example.org");
    for refusal in [
        config(Some(&in_url), "eu-central-1", "s"),
        config(None, "eu-central-1", secret),
        config(None, "eu-central-1", ""),
        config(None, "", "s"),
        config(None, "example.org/", "s"),
    ] {
        let message = refusal.err().unwrap().to_string();
        assert!(!message.contains(secret), "{message}");
        assert!(message.contains("must be"), "{message}");
    }
}

#[test]
fn an_endpoint_turns_path_style_on() {
    assert!(!config(None, "eu-central-1", "s").unwrap().path_style);
    assert!(config(Some("http://127.0.0.1:9000"), "eu-central-1", "s").unwrap().path_style);
}

#[test]
fn names_are_plain() {
    for good in ["a", "ID/segments/0123abcd", "a.b/c-d_e.toml", "a.tmp/b", &"x".repeat(200)] {
        assert!(is_name(good), "{good}");
    }
    for bad in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a..b",
        ".",
        "./a",
        "a/./b",
        ".hidden",
        "a/.hidden",
        "a\\b",
        "a b",
        "a\nb",
        "a\0b",
        "a\u{7f}",
        "ä",
        "a%2e",
        "a?b",
        "a.tmp",
        "a/b.tmp",
        &"x".repeat(201),
        &"x/".repeat(201),
    ] {
        assert!(!is_name(bad), "{bad:?}");
    }
}

#[test]
fn an_address_that_is_neither_folder_nor_bucket_is_refused() {
    for bad in ["", "gs://bucket", "https://example.org/", "s3://", "s3://ab", "s3://Bucket/a"] {
        assert!(matches!(open(bad, None), Err(Error::ObjectStore { .. })), "{bad}");
    }
    for bad in ["s3://bucket/../a", "s3://bucket//a", "s3://buc..ket", "s3://bucket@host"] {
        assert!(matches!(open(bad, None), Err(Error::ObjectStore { .. })), "{bad}");
    }
    let message = open("s3://bucket/a", None).err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some("s3://bucket/a: there are no credentials for S3"));
}
