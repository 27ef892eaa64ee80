//! An HTTP client of the service. Only statuses of 500 and above fail a test; redirects are not followed.
//! Every secret in a request or response is recorded, so that the service's log can be searched for it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::HeaderMap;

/// Fields whose values must not be in a log.
const SECRET_FIELDS: [&str; 9] = [
    "password",
    "current",
    "new",
    "token",
    "key",
    "email",
    "otpauth_url",
    "cookie",
    "authorization",
];
/// Minimum length of a recorded secret, bytes. Shorter texts, and numbers, may be in a log for other reasons.
const SECRET_LENGTH: usize = 8;
/// Maximum size of a response body, bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// The state that all clients of one service share.
#[derive(Debug, Default)]
pub struct Wire {
    /// `http://127.0.0.1:PORT`; the port changes with a restart.
    pub address: Mutex<String>,
    secrets: Mutex<BTreeSet<String>>,
    clients: AtomicU32,
}

impl Wire {
    /// Records a secret that must not be logged.
    pub fn remember(&self, secret: &str) {
        let number = secret.bytes().all(|byte| byte.is_ascii_digit());
        if secret.len() >= SECRET_LENGTH && !number {
            self.secrets.lock().unwrap().insert(secret.to_owned());
        }
    }

    /// Returns the first recorded secret that `log` contains.
    pub fn leaked(&self, log: &str) -> Option<String> {
        self.secrets.lock().unwrap().iter().find(|secret| log.contains(secret.as_str())).cloned()
    }

    /// Records the secret fields of a body, sent or received.
    pub fn remember_fields(&self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.remember_fields(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(text) if SECRET_FIELDS.contains(&name.as_str()) => self.remember(text),
                        _ => self.remember_fields(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// A client with a session, an API key, or no credential.
#[derive(Clone, Debug)]
pub struct Client {
    wire: Arc<Wire>,
    agent: Agent,
    /// Client address that is sent in `X-Forwarded-For`, as a reverse proxy does.
    from: String,
    credential: Option<(&'static str, String)>,
}

/// A request to send.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path below `/api/v1`.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Content type and content.
    pub body: Option<(String, Vec<u8>)>,
}

/// A response, with the request it belongs to.
#[derive(Debug)]
pub struct Answer {
    pub asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    /// Creates a client with its own address and no credential.
    pub fn new(wire: &Arc<Wire>) -> Self {
        let [.., a, b, c] = wire.clients.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Connections must not outlive a service that is killed and restarted.
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(300)))
            .build();
        Self {
            wire: Arc::clone(wire),
            agent: config.new_agent(),
            from: format!("10.{a}.{b}.{c}"),
            credential: None,
        }
    }

    /// Returns this client without session or key.
    pub fn signed_out(&self) -> Self {
        Self { credential: None, ..self.clone() }
    }

    /// Returns this client with a session's cookie, `NAME=VALUE`.
    pub fn with_cookie(&self, cookie: &str) -> Self {
        self.wire.remember(cookie.split_once('=').map_or(cookie, |(_, value)| value));
        Self { credential: Some(("cookie", cookie.to_owned())), ..self.clone() }
    }

    /// Returns this client with another address.
    pub fn at(&self, address: &str) -> Self {
        Self { from: address.to_owned(), ..self.clone() }
    }

    /// Returns this client with an API key.
    pub fn with_key(&self, key: &str) -> Self {
        self.wire.remember(key);
        Self { credential: Some(("authorization", format!("Bearer {key}"))), ..self.clone() }
    }

    /// Returns the session's cookie, `NAME=VALUE`.
    pub fn cookie(&self) -> Option<&str> {
        let held = self.credential.as_ref().filter(|(name, _)| *name == "cookie");
        held.map(|(_, value)| value.as_str())
    }

    /// Returns the header that holds the session or the API key, `NAME: VALUE`.
    pub fn credential(&self) -> Option<String> {
        self.credential.as_ref().map(|(name, value)| format!("{name}: {value}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.json("GET", path, None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.json("DELETE", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json("PATCH", path, Some(body))
    }

    /// Sends a request with a JSON body, or without a body.
    pub fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(json_request(method, path, body))
    }

    /// Sends a request with a JSON body, or without a body, to a service that may fail.
    pub fn try_json(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ureq::Error> {
        self.try_send(json_request(method, path, body))
    }

    /// Sends `request`. A response status of 500 or above fails the test.
    pub fn send(&self, request: Request) -> Answer {
        let asked = format!("{} {}", request.method, request.path);
        let answer = self.try_send(request).unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert!(answer.status < 500, "{answer:?}");
        answer
    }

    /// Sends `request` to a service that may not be running. The body of an event stream is not read.
    pub fn try_send(&self, request: Request) -> Result<Answer, ureq::Error> {
        if let Some((_, body)) = &request.body {
            let _ = serde_json::from_slice(body).map(|body| self.wire.remember_fields(&body));
        }
        let url = format!("{}/api/v1{}", self.wire.address.lock().unwrap(), request.path);
        let answer = self.exchange(&url, &request)?;
        let (parts, mut body) = answer.into_parts();
        let kind = parts.headers.get("content-type");
        let is_event_stream =
            kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let body = match is_event_stream {
            true => Vec::new(),
            false => body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?,
        };
        let _ = serde_json::from_slice(&body).map(|body| self.wire.remember_fields(&body));
        let asked = format!("{} {}", request.method, request.path);
        Ok(Answer { asked, status: parts.status.as_u16(), headers: parts.headers, body })
    }

    fn exchange(
        &self,
        url: &str,
        request: &Request,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut headers = request.headers.clone();
        headers.push(("x-forwarded-for".into(), self.from.clone()));
        headers.extend(self.credential.iter().map(|(name, value)| ((*name).into(), value.clone())));
        headers.extend(request.body.iter().map(|(kind, _)| ("content-type".into(), kind.clone())));
        let body = request.body.as_ref().map(|(_, body)| body.as_slice());
        macro_rules! with_headers {
            ($builder:expr) => {
                headers.iter().fold($builder, |builder, (name, value)| builder.header(name, value))
            };
        }
        let bare = match request.method.as_str() {
            "GET" => self.agent.get(url),
            "HEAD" => self.agent.head(url),
            "OPTIONS" => self.agent.options(url),
            "DELETE" => self.agent.delete(url),
            method => {
                let builder = match method {
                    "POST" => self.agent.post(url),
                    "PUT" => self.agent.put(url),
                    "PATCH" => self.agent.patch(url),
                    other => panic!("no method {other}"),
                };
                let builder = with_headers!(builder);
                return match body {
                    Some(body) => builder.send(body),
                    None => builder.send_empty(),
                };
            }
        };
        let bare = with_headers!(bare);
        match body {
            Some(body) => bare.force_send_body().send(body),
            None => bare.call(),
        }
    }
}

impl Answer {
    /// Checks that the status is `status`. Returns the response.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Checks that the response is a problem with this status and code. Returns the response.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.code(), code, "{answer:?}");
        answer
    }

    /// Returns the JSON document.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns a text field of the JSON document.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let document = self.document();
        let text = document[name].as_str().unwrap_or_else(|| panic!("no '{name}': {self:?}"));
        text.to_owned()
    }

    /// Returns the entries of a page, or of a list without pages.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        let document = self.document();
        let list = document.get("items").unwrap_or(&document).as_array().cloned();
        list.unwrap_or_else(|| panic!("no list: {self:?}"))
    }

    /// Returns the problem's code; empty if the response is no problem.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the cookie by which the server knows the browser again, `NAME=VALUE`.
    #[track_caller]
    pub fn device_cookie(&self) -> String {
        let cookies = self.headers.get_all("set-cookie").iter();
        let mut pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
        let device = pairs.find(|pair| pair.contains("picpick_device_"));
        device.unwrap_or_else(|| panic!("no device cookie: {self:?}")).to_owned()
    }

    /// Returns the first cookie that the response sets, `NAME=VALUE`.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let set = self.headers.get("set-cookie").unwrap_or_else(|| panic!("no cookie: {self:?}"));
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

fn json_request(method: &str, path: &str, body: Option<&Value>) -> Request {
    let body = body.map(|body| ("application/json".to_owned(), body.to_string().into_bytes()));
    Request { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body }
}

#[test]
fn secrets_are_recorded_from_nested_fields() {
    let wire = Wire::default();
    wire.remember_fields(&serde_json::json!({
        "password": "a long password", "items": [{ "email": "person@example.com" }], "name": "harmless name",
        "current": "short",
    }));
    for (log, leak) in [
        ("x a long password x", Some("a long password")),
        ("to=person@example.com", Some("person@example.com")),
        ("harmless name, short", None),
    ] {
        assert_eq!(wire.leaked(log).as_deref(), leak, "{log}");
    }
}
