use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// Timeout of a request.
const RESPONSE_MAX: Duration = Duration::from_secs(60);
/// Time limit for all pending photos to be indexed.
const INDEXED_MAX: Duration = Duration::from_secs(3600);

/// An HTTP client of one event, with its API key.
pub struct Client {
    agent: Agent,
    /// `http://ADDRESS/api/v1`.
    base: String,
    /// Name and value of the header that authenticates: `authorization` or `cookie`.
    credential: (&'static str, String),
    /// The event's id.
    pub event: String,
}

/// A response, whatever its status.
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Returns the body as JSON; null if it is not JSON.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the response. Errors if its status is not `status`.
    fn is(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        bail!("expected status {status}, received {}: {text}", self.status)
    }

    fn field(&self, name: &str) -> Result<String> {
        let document = self.document();
        let text = document[name]
            .as_str()
            .with_context(|| format!("the response has no field '{name}'"))?;
        Ok(text.to_owned())
    }

    fn header(&self, name: &str) -> Result<&str> {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.with_context(|| format!("the response has no header '{name}'"))
    }
}

/// Returns the client address of `guest` for `X-Forwarded-For`, so that each guest has a separate rate limit.
pub fn address_of(guest: usize) -> String {
    format!("10.{}.{}.{}", guest >> 16 & 255, guest >> 8 & 255, guest & 255)
}

impl Client {
    /// Creates the first account, an event, and an API key for the event. All further requests use the key.
    pub fn set_up(address: &str, setup_token: &str) -> Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A new connection for each request, because each comes from another guest.
            .max_idle_connections(0)
            .timeout_global(Some(RESPONSE_MAX))
            .build();
        let mut client = Self {
            agent: config.new_agent(),
            base: format!("http://{address}/api/v1"),
            credential: ("x-anonymous", String::new()),
            event: String::new(),
        };
        let password: String = setup_token.chars().take(24).collect();
        let account = json!({ "token": setup_token, "email": "load@mail.example", "name": "Load",
            "password": password, "studio": "Load" });
        let created = client.post("/setup", &account)?.is(201)?;
        let cookie = created.header("set-cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        client.credential = ("cookie", cookie);
        let studios = client.get("/studios", 0)?.is(200)?.document();
        let studio = studios.get("items").unwrap_or(&studios)[0]["id"].as_str();
        let studio = studio.context("the account has no studio")?.to_owned();
        let event = json!({ "name": "Load", "legal_basis": "consent" });
        let created = client.post(&format!("/studios/{studio}/events"), &event)?.is(201)?;
        client.event = created.field("id")?;
        let key = json!({ "name": "load", "role": "photographer", "event": client.event });
        let created = client.post(&format!("/studios/{studio}/keys"), &key)?.is(201)?;
        client.credential = ("authorization", format!("Bearer {}", created.field("key")?));
        Ok(client)
    }

    /// Returns the request that opens a guest's progress stream, as text to write to a plain connection.
    pub fn watch(&self, guest: usize) -> String {
        let (name, value) = &self.credential;
        let host = self.base.trim_start_matches("http://").trim_end_matches("/api/v1");
        format!(
            "GET /api/v1/events/{}/progress HTTP/1.1\r\nhost: {host}\r\n{name}: {value}\r\n\
             x-forwarded-for: {}\r\n\r\n",
            self.event,
            address_of(guest)
        )
    }

    /// Searches by a selfie.
    pub fn search(&self, selfie: &[u8], guest: usize) -> Result<Answer> {
        let path = format!("/events/{}/search", self.event);
        self.send("POST", &path, &[], Some(("image/jpeg", selfie)), guest)
    }

    /// Searches by a face of the event.
    pub fn search_by_face(&self, face: &str) -> Result<Answer> {
        self.post(&format!("/events/{}/search/face", self.event), &json!({ "face": face }))
    }

    /// Reads the event, which is the cheapest request.
    pub fn show(&self) -> Result<Answer> {
        self.get(&format!("/events/{}", self.event), 0)
    }

    /// Uploads a photo in one part, with two requests (tus). Returns 204, or the status of the request that
    /// failed.
    pub fn upload(&self, name: &str, photo: &[u8]) -> Result<u16> {
        let tus = ("tus-resumable", "1.0.0".to_owned());
        let headers = [
            tus.clone(),
            ("upload-length", photo.len().to_string()),
            ("upload-metadata", format!("filename {}", STANDARD.encode(name))),
        ];
        let path = format!("/events/{}/uploads", self.event);
        let created = self.send("POST", &path, &headers, None, 0)?;
        if created.status != 201 {
            return Ok(created.status);
        }
        let location = created.header("location")?;
        let upload = location
            .strip_prefix("/api/v1")
            .context("the upload's address is not below /api/v1")?;
        let body = Some(("application/offset+octet-stream", photo));
        Ok(self.send("PATCH", upload, &[tus, ("upload-offset", "0".to_owned())], body, 0)?.status)
    }

    /// Waits until no photo is pending. Returns the number of indexed photos. Errors after `INDEXED_MAX`.
    pub fn wait_until_indexed(&self) -> Result<u64> {
        let begun = Instant::now();
        let path = format!("/events/{}/jobs", self.event);
        loop {
            let counts = self.get(&path, 0)?.is(200)?.document();
            if counts["ready"] == 0 && counts["running"] == 0 {
                return Ok(counts["done"].as_u64().unwrap_or(0));
            }
            if begun.elapsed() > INDEXED_MAX {
                bail!("indexing did not end within {} s: {counts}", INDEXED_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns the number of faces of the event.
    pub fn faces(&self) -> Result<u64> {
        let path = format!("/events/{}/people", self.event);
        Ok(self.get(&path, 0)?.is(200)?.document()["faces"].as_u64().unwrap_or(0))
    }

    fn get(&self, path: &str, guest: usize) -> Result<Answer> {
        self.send("GET", path, &[], None, guest)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let body = body.to_string();
        self.send("POST", path, &[], Some(("application/json", body.as_bytes())), 0)
    }

    /// Sends a request of `guest`. Errors without a complete response; a response with an error status is no
    /// error.
    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<(&str, &[u8])>,
        guest: usize,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("x-forwarded-for", address_of(guest));
        request = request.header(self.credential.0, &self.credential.1);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = match body {
            Some((kind, body)) => {
                self.agent.run(request.header("content-type", kind).body(body)?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let (parts, mut body) = response.into_parts();
        let body = body.with_config().limit(64 << 20).read_to_vec()?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}
