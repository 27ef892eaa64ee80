use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picpick_tests::album::variant;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use super::super::client::address_of;
use super::super::process::Service;

/// Time limit of a request.
const RESPONSE_MAX: Duration = Duration::from_secs(60);
/// Photos of each studio before the measurements.
const PHOTOS: usize = 6;
/// Minimum size of the photos that exports and archives hold, bytes.
const PHOTO_BYTES: usize = 4 << 20;
const EMAIL: &str = "load@mail.example";

/// A caller: base address, client address and credential.
#[derive(Clone)]
pub struct Caller {
    agent: Agent,
    base: String,
    pub from: String,
    pub credential: Option<(&'static str, String)>,
}

/// Status, headers that tests need, and body of a response.
pub struct Reply {
    pub status: u16,
    pub location: String,
    pub cookie: String,
    pub body: Value,
}

/// An event of a studio.
pub struct Tenant {
    pub caller: Caller,
    pub event: String,
    /// The token of a link to an album of the event.
    pub link: String,
}

/// Two studios of one server.
pub struct World {
    /// The studio that loads the server.
    pub loading: Tenant,
    /// The studio that is measured.
    pub measured: Tenant,
    /// A person without a session.
    pub outside: Caller,
    pub password: String,
    /// The session of a visitor of the measured studio's album.
    pub visitor: Caller,
    /// A face of the measured studio.
    pub face: String,
    /// A photo with faces.
    pub photo: Vec<u8>,
}

impl Caller {
    fn new(service: &Service, number: usize) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_global(Some(RESPONSE_MAX))
            .build();
        Self {
            agent: config.new_agent(),
            base: format!("http://{}/api/v1", service.address),
            from: address_of(number),
            credential: None,
        }
    }

    /// Returns this caller with another client address.
    pub fn at(&self, number: usize) -> Self {
        Self { from: address_of(number), ..self.clone() }
    }

    fn with(&self, name: &'static str, value: String) -> Self {
        Self { credential: Some((name, value)), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Result<Reply> {
        self.send("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().as_bytes()),
        )
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Reply> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("x-forwarded-for", &self.from);
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body)?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let (parts, mut body) = response.into_parts();
        let body = body.with_config().limit(64 << 20).read_to_vec()?;
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
        };
        Ok(Reply {
            status: parts.status.as_u16(),
            location: header("location"),
            cookie: header("set-cookie"),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}

impl Reply {
    fn is(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!("expected status {status}, received {}: {}", self.status, self.body);
        }
        Ok(self)
    }

    fn field(&self, name: &str) -> Result<String> {
        let text = self.body[name].as_str().with_context(|| format!("no field '{name}'"))?;
        Ok(text.to_owned())
    }
}

impl Tenant {
    fn set_up(owner: &Caller, studio: &str) -> Result<Self> {
        let new = json!({ "name": "Event", "legal_basis": "consent" });
        let event = owner.post(&format!("/studios/{studio}/events"), &new)?.is(201)?.field("id")?;
        let path = format!("/events/{event}");
        let rules = json!({ "downloads": "original" }).to_string();
        let json = [("content-type", "application/json")];
        owner.send("PATCH", &path, &json, Some(rules.as_bytes()))?.is(200)?;
        let albums = format!("{path}/albums");
        let album = owner.post(&albums, &json!({ "name": "Album" }))?.is(201)?.field("id")?;
        let links = format!("{albums}/{album}/links");
        let link = owner.post(&links, &json!({ "name": "Link" }))?.is(201)?.field("token")?;
        let key = json!({ "name": "load", "role": "admin", "event": event });
        let key = owner.post(&format!("/studios/{studio}/keys"), &key)?.is(201)?.field("key")?;
        let caller = owner.with("authorization", format!("Bearer {key}"));
        Ok(Self { caller, event, link })
    }

    /// Announces an upload. Returns the response.
    pub fn announce(&self, name: &str, bytes: usize) -> Result<Reply> {
        let (bytes, name) = (bytes.to_string(), format!("filename {}", STANDARD.encode(name)));
        let headers =
            [("tus-resumable", "1.0.0"), ("upload-length", &bytes), ("upload-metadata", &name)];
        self.caller.send("POST", &format!("/events/{}/uploads", self.event), &headers, None)
    }

    pub fn upload(&self, name: &str, photo: &[u8]) -> Result<()> {
        let announced = self.announce(name, photo.len())?.is(201)?;
        let path = announced.location.strip_prefix("/api/v1").context("no location")?.to_owned();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", "0"),
            ("content-type", "application/offset+octet-stream"),
        ];
        self.caller.send("PATCH", &path, &headers, Some(photo))?.is(204)?;
        Ok(())
    }

    fn counts(&self) -> Result<Value> {
        Ok(self.caller.get(&format!("/events/{}/jobs", self.event))?.is(200)?.body)
    }

    pub fn control(&self, action: &str) -> Result<()> {
        let path = format!("/events/{}/jobs", self.event);
        self.caller.post(&path, &json!({ "action": action }))?.is(200)?;
        Ok(())
    }

    /// Returns the number of indexed photos.
    pub fn indexed(&self) -> Result<u64> {
        Ok(self.counts()?["done"].as_u64().unwrap_or(0))
    }

    pub fn wait_until_indexed(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let counts = self.counts()?;
            if counts["ready"] == 0 && counts["running"] == 0 {
                return Ok(());
            }
            if begun.elapsed() > 10 * RESPONSE_MAX {
                bail!("photos are not indexed: {counts}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Cancels the photos that wait.
    pub fn clear(&self) -> Result<()> {
        self.control("cancel")
    }
}

impl World {
    pub fn set_up(service: &Service) -> Result<Self> {
        let outside = Caller::new(service, 0);
        let password: String = service.setup_token.chars().take(24).collect();
        let account = json!({ "token": service.setup_token, "email": EMAIL, "name": "Load",
            "password": password, "studio": "Loading" });
        let created = outside.post("/setup", &account)?.is(201)?;
        let owner = outside.with("cookie", created.cookie);
        let studios = owner.get("/studios")?.is(200)?.body;
        let loading = studios[0]["id"].as_str().context("no studio")?.to_owned();
        let measured =
            owner.post("/studios", &json!({ "name": "Measured" }))?.is(201)?.field("id")?;
        let loading = Tenant::set_up(&owner, &loading)?;
        let measured = Tenant::set_up(&owner, &measured)?;
        let photo = std::fs::read(picpick_tests::sample("obama.jpg"))?;
        for (at, tenant) in [&loading, &measured].into_iter().enumerate() {
            for number in 0..PHOTOS {
                tenant.upload(&format!("{number}.jpg"), &large(&photo, at * PHOTOS + number))?;
            }
            tenant.wait_until_indexed()?;
        }
        let enter = json!({ "token": measured.link, "pin": "" });
        let visit = outside.at(1).post("/album/session", &enter)?.is(204)?;
        let visitor = outside.at(1).with("cookie", visit.cookie);
        let jpeg = [("content-type", "image/jpeg")];
        let path = format!("/events/{}/search", measured.event);
        let found = measured.caller.send("POST", &path, &jpeg, Some(&photo))?.is(200)?.body;
        let face = found["matches"][0]["face"].as_str().context("no match")?.to_owned();
        Ok(Self { loading, measured, outside, password, visitor, face, photo })
    }

    /// Returns the body of a sign-in.
    pub fn credentials(&self) -> Value {
        json!({ "email": EMAIL, "password": self.password })
    }
}

/// Returns the picture `jpeg` in a file of `PHOTO_BYTES`, padded with comments.
fn large(jpeg: &[u8], number: usize) -> Vec<u8> {
    let comment = [[0xff, 0xfe, 0xff, 0xff].as_slice(), &[b' '; 0xffff - 2]].concat();
    let jpeg = variant(jpeg, number);
    let (start, rest) = jpeg.split_at(2);
    [start, &comment.repeat(PHOTO_BYTES / comment.len()), rest].concat()
}
