//! The client side of the service's HTTP API: existing photos, folders, and resumable uploads (tus 1.0 with
//! the creation extension). Retries are the caller's task.
//!
//! The API key is sent to the service's own address only, over TLS unless the service runs on this computer.
//! Redirects are not followed, because they could lead to another address.

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

use crate::config::UsageError;
use crate::infra::ids::is_id;

/// Limits a response document, bytes; 1,000 hashes have 67 kB.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Limits the time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Limits the time that a write may make no progress, after which the connection is closed.
const WRITE_MAX: Duration = Duration::from_secs(60);
/// Limits the wait for data of a response. The service responds to the last piece of a photo only after the
/// whole photo is durable.
const READ_MAX: Duration = Duration::from_secs(120);

/// A client of the service for one event.
pub struct ApiClient {
    agent: Agent,
    /// Scheme and host, without a slash at its end.
    origin: String,
    event: String,
    authorization: Zeroizing<String>,
}

/// The reason why a call failed.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientError {
    /// A transient failure. The caller may retry after `wait_s` seconds.
    Passing { why: String, wait_s: u64 },
    /// The service rejects this file.
    Refused { code: String, why: String },
    /// The resource does not exist, or no longer exists.
    Gone,
    /// The upload has another offset than the request named, or a name is in use.
    Conflict,
    /// A permanent failure of all requests, for instance because the API key, the event or the address is
    /// wrong.
    Lasting(String),
}

impl ClientError {
    /// Returns the reason as text, for a call that is not retried.
    pub fn reason(self) -> String {
        match self {
            Self::Passing { why, .. } | Self::Refused { why, .. } | Self::Lasting(why) => why,
            Self::Gone => "the service does not have it any more".to_owned(),
            Self::Conflict => "the service refused a conflicting change".to_owned(),
        }
    }
}

/// The service's answer to a request for an upload.
#[derive(Debug, PartialEq, Eq)]
pub enum CreatedUpload {
    /// The event has this photo already.
    Known,
    /// The upload is at `location`, and the caller must send the bytes from `offset` on.
    At { location: String, offset: u64 },
}

/// The service's answer to a piece.
#[derive(Debug, PartialEq, Eq)]
pub struct AcceptedPart {
    /// Number of bytes of the upload that the service has stored.
    pub offset: u64,
    /// Whether the piece was the last one and the upload is now a photo of the event.
    pub is_photo: bool,
}

/// The metadata of a file whose upload is requested.
pub struct UploadAnnouncement<'a> {
    pub name: &'a str,
    pub sha256: &'a str,
    pub bytes: u64,
    /// A folder's id.
    pub folder: Option<&'a str>,
}

impl ApiClient {
    /// Returns a client of the event with id `event` at `url`, with at most `connections` idle connections.
    ///
    /// # Errors
    /// - `UsageError` if `event` is not an id.
    /// - `UsageError` if `url` is not an `https` address, or an `http` address of this computer.
    pub fn new(
        url: &str,
        event: &str,
        key: &Zeroizing<String>,
        connections: usize,
    ) -> Result<Self, UsageError> {
        if !is_id(event) {
            return Err(UsageError(format!(
                "EVENT: expected the event's id, 32 hexadecimal digits, received '{event}'"
            )));
        }
        let tls = TlsConfig::builder().root_certs(trusted()).build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_per_write(Some(WRITE_MAX))
            .timeout_per_read(Some(READ_MAX))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("picpick/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let authorization = Zeroizing::new(format!("Bearer {}", key.as_str()));
        Ok(Self { agent, origin: origin(url)?, event: event.to_owned(), authorization })
    }

    /// Returns the members of `hashes`, at most 1,000, whose photos the event has already.
    ///
    /// # Errors
    /// - `Passing` if the caller may retry.
    /// - `Lasting` if no request can succeed.
    /// - `Refused` or `Conflict` if the service rejects the request.
    pub fn existing(&self, hashes: &[&str]) -> Result<HashSet<String>, ClientError> {
        let answer = self.post("/uploads/existing", &json!({ "sha256": hashes }))?;
        let known = answer
            .get("existing")
            .and_then(Value::as_array)
            .ok_or_else(|| unexpected("existing"))?;
        Ok(known.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Returns the id of the folder called `name`. Creates the folder if it does not exist.
    ///
    /// # Errors
    /// - `Passing` if the caller may retry.
    /// - `Lasting` if no request can succeed, or the service rejects the name.
    pub fn folder(&self, name: &str) -> Result<String, ClientError> {
        let id = |folder: &Value| folder.get("id").and_then(Value::as_str).map(str::to_owned);
        if let Some(found) = self.find_folder(name)? {
            return id(&found).ok_or_else(|| unexpected("id"));
        }
        match self.post("/folders", &json!({ "name": name })) {
            Ok(made) => id(&made).ok_or_else(|| unexpected("id")),
            // Another client has created the folder after the search for it.
            Err(ClientError::Conflict) => {
                self.find_folder(name)?.as_ref().and_then(id).ok_or_else(|| unexpected("id"))
            }
            Err(ClientError::Refused { why, .. }) => {
                Err(ClientError::Lasting(format!("--folder: {why}")))
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn find_folder(&self, name: &str) -> Result<Option<Value>, ClientError> {
        let mut cursor = String::new();
        loop {
            let request = self.agent.get(self.at(&format!("/folders?limit=500{cursor}")));
            let request = request.header(header::AUTHORIZATION, self.authorization.as_str());
            let page = self.document(request.call())?;
            let items =
                page.get("items").and_then(Value::as_array).ok_or_else(|| unexpected("items"))?;
            let is_it = |item: &&Value| item.get("name").and_then(Value::as_str) == Some(name);
            if let Some(found) = items.iter().find(is_it) {
                return Ok(Some(found.clone()));
            }
            // A cursor is URL-safe base64 and needs no escaping.
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(None),
            }
        }
    }

    /// Searches the event for the person on a picture; `face` is the number of the face from left to right, from 1.
    /// Returns the response: `threshold` and `matches`, best first.
    ///
    /// # Errors
    /// - `Passing`, `Lasting`, `Refused`: as for [`ApiClient::existing`].
    pub fn search(&self, picture: &[u8], face: Option<u32>) -> Result<Value, ClientError> {
        let query = face.map_or_else(String::new, |face| format!("?face={face}"));
        let request = self.agent.post(self.at(&format!("/search{query}")));
        let request = request
            .header(header::AUTHORIZATION, self.authorization.as_str())
            .header(header::CONTENT_TYPE, "image/jpeg");
        self.document(request.send(picture))
    }

    /// Erases all faces of the person of `face`. Returns the response with the receipt.
    ///
    /// # Errors
    /// - `Passing`, `Lasting`, `Refused`: as for [`ApiClient::existing`].
    pub fn erase_person(&self, face: &str, opt_out: bool) -> Result<Value, ClientError> {
        self.post("/erasures", &json!({ "face": face, "opt_out": opt_out }))
    }

    /// Requests an upload. Returns the unfinished upload of this content if the event has one.
    ///
    /// # Errors
    /// - `Passing` if the caller may retry.
    /// - `Lasting` if no request can succeed.
    /// - `Refused` or `Conflict` if the service rejects the file.
    pub fn begin(&self, file: &UploadAnnouncement<'_>) -> Result<CreatedUpload, ClientError> {
        let request = self.agent.post(self.at("/uploads"));
        let request = request
            .header(header::AUTHORIZATION, self.authorization.as_str())
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Length", file.bytes.to_string())
            .header("Upload-Metadata", metadata(file));
        let response =
            self.answer(request.send_empty()).map_err(|trouble| self.lasting(trouble))?;
        let Some(location) = response.headers().get(header::LOCATION) else {
            return Ok(CreatedUpload::Known);
        };
        let path = location.to_str().ok().filter(|to| to.starts_with("/api/"));
        let path = path.ok_or_else(|| unexpected("Location below /api"))?;
        let location = format!("{}{path}", self.origin);
        Ok(CreatedUpload::At { location, offset: offset(&response).unwrap_or(0) })
    }

    /// Returns the number of bytes of an upload that the service has stored.
    ///
    /// # Errors
    /// - `Passing` if the caller may retry.
    /// - `Lasting` if no request can succeed.
    /// - `Gone` if the upload does not exist.
    /// - `Refused` or `Conflict` if the service rejects the request.
    pub fn offset(&self, location: &str) -> Result<u64, ClientError> {
        let request = self.agent.head(location);
        let request = request
            .header(header::AUTHORIZATION, self.authorization.as_str())
            .header("Tus-Resumable", "1.0.0");
        offset(&self.answer(request.call())?)
    }

    /// Sends `length` bytes of `body`, the part of the file at offset `from`.
    ///
    /// # Errors
    /// - `Passing` if the caller may retry.
    /// - `Lasting` if no request can succeed.
    /// - `Gone` if the upload does not exist.
    /// - `Refused` if the service rejects the file.
    /// - `Conflict` if the upload has another offset than `from`.
    pub fn send(
        &self,
        location: &str,
        from: u64,
        length: u64,
        body: &mut dyn Read,
    ) -> Result<AcceptedPart, ClientError> {
        let request = self.agent.patch(location);
        let request = request
            .header(header::AUTHORIZATION, self.authorization.as_str())
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Offset", from.to_string())
            .header(header::CONTENT_TYPE, "application/offset+octet-stream")
            .header(header::CONTENT_LENGTH, length.to_string());
        let response = self.answer(request.send(SendBody::from_reader(body)))?;
        let is_photo = response.headers().contains_key("picpick-photo");
        Ok(AcceptedPart { offset: offset(&response).unwrap_or(from + length), is_photo })
    }

    fn at(&self, path: &str) -> String {
        format!("{}/api/v1/events/{}{path}", self.origin, self.event)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let request = self.agent.post(self.at(path));
        let request = request.header(header::AUTHORIZATION, self.authorization.as_str());
        self.document(request.send_json(body))
    }

    fn document(&self, result: Result<Response<Body>, ureq::Error>) -> Result<Value, ClientError> {
        let mut response = self.answer(result).map_err(|trouble| self.lasting(trouble))?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| failed(&error))?;
        serde_json::from_slice(&text).map_err(|_| unexpected("a JSON document"))
    }

    /// Converts `Gone` into `Lasting` for a resource that every event has, because then the event does not
    /// exist.
    fn lasting(&self, trouble: ClientError) -> ClientError {
        match trouble {
            ClientError::Gone => ClientError::Lasting(format!(
                "{} has no event {} that this API key may access; check the event's id and the key",
                self.origin, self.event
            )),
            trouble => trouble,
        }
    }

    fn answer(
        &self,
        result: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ClientError> {
        let mut response = result.map_err(|error| failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let delay = response.headers().get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
        let wait_s = delay.and_then(|delay| delay.parse().ok()).unwrap_or(0);
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let problem = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        Err(classify(status, wait_s, &problem.unwrap_or_default()))
    }
}

/// Returns the certificate authorities that this computer trusts, which include a studio's own authority.
fn trusted() -> RootCerts {
    let found = rustls_native_certs::load_native_certs();
    found.certs.iter().map(|found| Certificate::from_der(found).to_owned()).into()
}

/// Returns scheme, host and port of `url`.
///
/// # Errors
/// - `UsageError` if `url` is not an address, or has other parts.
/// - `UsageError` for http to another computer.
fn origin(url: &str) -> Result<String, UsageError> {
    let wrong = |expected: &str| UsageError(format!("URL: expected {expected}, received '{url}'"));
    let uri: ureq::http::Uri =
        url.parse().map_err(|_| wrong("an address like https://photos.example.com"))?;
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if host.is_empty() || !bare || authority.contains('@') || !["http", "https"].contains(&scheme) {
        return Err(wrong("an address like https://photos.example.com"));
    }
    if scheme == "http" && !is_loopback(host) {
        return Err(wrong("https, because http would send photos and key unencrypted"));
    }
    Ok(format!("{scheme}://{authority}"))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let numeric = address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host.eq_ignore_ascii_case("localhost") || numeric
}

fn metadata(file: &UploadAnnouncement<'_>) -> String {
    let (name, sha256) = (STANDARD.encode(file.name), STANDARD.encode(file.sha256));
    let folder = file.folder.map(|folder| format!(",folder {}", STANDARD.encode(folder)));
    format!("filename {name},sha256 {sha256}{}", folder.unwrap_or_default())
}

fn offset(response: &Response<Body>) -> Result<u64, ClientError> {
    let value = response.headers().get("upload-offset").and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).ok_or_else(|| unexpected("Upload-Offset"))
}

/// Returns the error for a response that is not PicPick's. The error is transient, because a proxy may send
/// such responses during an outage of the service.
fn unexpected(expected: &str) -> ClientError {
    let why = format!("the response is not PicPick's: {expected} is missing; check the address");
    ClientError::Passing { why, wait_s: 0 }
}

/// Classifies an error of a request without a response.
fn failed(error: &ureq::Error) -> ClientError {
    use rustls::Error::InvalidCertificate;
    let distrusted = match error {
        ureq::Error::Rustls(error) => matches!(error, InvalidCertificate(_)),
        ureq::Error::Io(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            matches!(inner, Some(InvalidCertificate(_)))
        }
        _ => false,
    };
    let why = error.to_string();
    match error {
        _ if distrusted => ClientError::Lasting(format!(
            "this computer does not trust the service's certificate; check the address, or install \
                 the certificate's authority: {why}"
        )),
        ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => ClientError::Lasting(why),
        _ => ClientError::Passing { why, wait_s: 0 },
    }
}

/// Classifies an error response.
fn classify(status: StatusCode, wait_s: u64, problem: &Value) -> ClientError {
    let text = |field| problem.get(field).and_then(Value::as_str);
    let why = match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        _ => format!("the service answered {status}"),
    };
    match status.as_u16() {
        404 | 410 => ClientError::Gone,
        409 => ClientError::Conflict,
        413 | 415 | 422 => {
            let code = text("code").unwrap_or("rejected").to_owned();
            ClientError::Refused { code, why: text("detail").map_or(why, str::to_owned) }
        }
        // 400: a proxy may have truncated the body. 423: the service is still writing a piece of this upload
        // that another connection has sent.
        400 | 408 | 423 | 425 | 429 | 500..=599 => ClientError::Passing { why, wait_s },
        300..=399 => ClientError::Lasting(format!(
            "the service's address redirects ({status}); use the address to which it redirects"
        )),
        _ => ClientError::Lasting(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_of_this_computer() {
        for (url, expected) in [
            ("https://photos.example.com/", "https://photos.example.com"),
            ("https://photos.example.com:8443", "https://photos.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:1/", "http://localhost:1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(url).unwrap(), expected);
        }
        for bad in [
            "",
            "photos.example.com",
            "https://",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://user:secret@a",
            "http://photos.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_is_named_by_its_id() {
        let key = Zeroizing::new("ppk_secret".to_owned());
        let service = |event: &str| ApiClient::new("https://a.example", event, &key, 1);
        assert!(service(&"0a".repeat(16)).is_ok());
        for bad in ["", "Anna & Ben", "../../keys", &"0A".repeat(16)] {
            let error = service(bad).err().unwrap().0;
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn metadata_is_as_tus_wants_it() {
        let file = UploadAnnouncement { name: "a b.jpg", sha256: "00", bytes: 1, folder: None };
        assert_eq!(metadata(&file), "filename YSBiLmpwZw==,sha256 MDA=");
        let file = UploadAnnouncement { folder: Some("f"), ..file };
        assert_eq!(metadata(&file), "filename YSBiLmpwZw==,sha256 MDA=,folder Zg==");
    }

    #[test]
    fn answers_mean_what_they_should() {
        let say = |status: u16, problem: Value| {
            classify(StatusCode::from_u16(status).unwrap(), 7, &problem)
        };
        for passing in [400, 408, 423, 425, 429, 500, 502, 503, 504, 507] {
            let trouble = say(passing, Value::Null);
            assert!(
                matches!(trouble, ClientError::Passing { wait_s: 7, .. }),
                "{passing}: {trouble:?}"
            );
        }
        for lasting in [301, 302, 307, 401, 403, 405, 412] {
            assert!(matches!(say(lasting, Value::Null), ClientError::Lasting(_)), "{lasting}");
        }
        assert_eq!(
            [say(404, Value::Null), say(410, Value::Null)],
            [ClientError::Gone, ClientError::Gone]
        );
        assert_eq!(say(409, Value::Null), ClientError::Conflict);
        let refused = say(422, json!({"code": "not_a_photo", "title": "t", "detail": "A GIF."}));
        let expected = ClientError::Refused { code: "not_a_photo".into(), why: "A GIF.".into() };
        assert_eq!(refused, expected);
    }
}
