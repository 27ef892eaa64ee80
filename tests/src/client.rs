//! A client of the service: one request, one answer, nothing hidden.
//!
//! No status is an error here but those that say the service itself failed. Every secret that goes over the
//! wire is remembered, so that the service's log can be searched for it. Knows no route.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::HeaderMap;

/// Fields whose values no log may hold.
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
/// What is shorter, or a number, may well stand in a log for other reasons.
const SECRET_LENGTH: usize = 8;
/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// What all clients of one service share.
#[derive(Debug, Default)]
pub struct Wire {
    /// `http://127.0.0.1:PORT`; another one after a restart.
    pub address: Mutex<String>,
    secrets: Mutex<BTreeSet<String>>,
    clients: AtomicU32,
}

impl Wire {
    /// Notes what must not be logged.
    pub fn remember(&self, secret: &str) {
        let number = secret.bytes().all(|byte| byte.is_ascii_digit());
        if secret.len() >= SECRET_LENGTH && !number {
            self.secrets.lock().unwrap().insert(secret.to_owned());
        }
    }

    /// The first remembered secret that `log` holds.
    pub fn leaked(&self, log: &str) -> Option<String> {
        self.secrets.lock().unwrap().iter().find(|secret| log.contains(secret.as_str())).cloned()
    }

    /// Notes the fields of a body, sent or received, that must not be logged.
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

/// Somebody who sends requests, with a session, an API key or nothing.
#[derive(Clone, Debug)]
pub struct Client {
    wire: Arc<Wire>,
    agent: Agent,
    /// As a proxy in front of the service would tell it.
    from: String,
    credential: Option<(&'static str, String)>,
}

/// A request about to be sent.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Below `/api/v1`.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Content type and content.
    pub body: Option<(String, Vec<u8>)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    /// Somebody at an address of their own, who shows nothing.
    pub fn new(wire: &Arc<Wire>) -> Self {
        let [.., a, b, c] = wire.clients.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A service that is killed and started again must not meet connections of its past.
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

    /// The same one without session or key.
    pub fn signed_out(&self) -> Self {
        Self { credential: None, ..self.clone() }
    }

    /// The same one with a session's cookie, as `NAME=VALUE`.
    pub fn with_cookie(&self, cookie: &str) -> Self {
        self.wire.remember(cookie.split_once('=').map_or(cookie, |(_, value)| value));
        Self { credential: Some(("cookie", cookie.to_owned())), ..self.clone() }
    }

    /// The same one at another address.
    pub fn at(&self, address: &str) -> Self {
        Self { from: address.to_owned(), ..self.clone() }
    }

    /// The same one with an API key.
    pub fn with_key(&self, key: &str) -> Self {
        self.wire.remember(key);
        Self { credential: Some(("authorization", format!("Bearer {key}"))), ..self.clone() }
    }

    /// The session's cookie, as `NAME=VALUE`.
    pub fn cookie(&self) -> Option<&str> {
        let held = self.credential.as_ref().filter(|(name, _)| *name == "cookie");
        held.map(|(_, value)| value.as_str())
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

    /// A request with a JSON body, or none.
    pub fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| ("application/json".to_owned(), body.to_string().into_bytes()));
        let (method, path) = (method.to_owned(), path.to_owned());
        self.send(Request { method, path, headers: Vec::new(), body })
    }

    /// Sends `request`. An answer that blames the service fails the test, whoever asked.
    pub fn send(&self, request: Request) -> Answer {
        let asked = format!("{} {}", request.method, request.path);
        let answer = self.try_send(request).unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert!(answer.status < 500, "{answer:?}");
        answer
    }

    /// The same, where the service may be gone.
    pub fn try_send(&self, request: Request) -> Result<Answer, ureq::Error> {
        if let Some((_, body)) = &request.body {
            let _ = serde_json::from_slice(body).map(|body| self.wire.remember_fields(&body));
        }
        let url = format!("{}/api/v1{}", self.wire.address.lock().unwrap(), request.path);
        let answer = self.exchange(&url, &request)?;
        let (parts, mut body) = answer.into_parts();
        let endless = parts.headers.get("content-type");
        let endless = endless.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let body = match endless {
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
    /// The answer, whose status must be `status`.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The answer, which must be a problem with this status and code.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.code(), code, "{answer:?}");
        answer
    }

    /// The JSON document.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A field of the JSON document that is text.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let document = self.document();
        let text = document[name].as_str().unwrap_or_else(|| panic!("no '{name}': {self:?}"));
        text.to_owned()
    }

    /// The entries of a list, whether it comes in pages or whole.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        let document = self.document();
        let list = document.get("items").unwrap_or(&document).as_array().cloned();
        list.unwrap_or_else(|| panic!("no list: {self:?}"))
    }

    /// The problem's code; empty where the answer is none.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The cookie of a sign-in, as `NAME=VALUE`.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let set = self.headers.get("set-cookie").unwrap_or_else(|| panic!("no cookie: {self:?}"));
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

#[test]
fn secrets_are_remembered_from_wherever_they_stand() {
    let wire = Wire::default();
    wire.remember_fields(&serde_json::json!({
        "password": "a long password", "items": [{ "email": "somebody@example.com" }], "name": "harmless name",
        "current": "short",
    }));
    for (log, leak) in [
        ("x a long password x", Some("a long password")),
        ("to=somebody@example.com", Some("somebody@example.com")),
        ("harmless name, short", None),
    ] {
        assert_eq!(wire.leaked(log).as_deref(), leak, "{log}");
    }
}
