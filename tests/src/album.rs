//! Uploads, lists and searches the photos of an event. Implements tus 1.0 directly, so that a test controls
//! where each part of an upload ends.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client::{Answer, Client, Request};

/// Size of the chunks that uploads are stored in, bytes. The service stores the complete chunks of an
/// interrupted part.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Maximum duration of indexing. Only a failing test waits that long.
const INDEXED_MAX: Duration = Duration::from_secs(300);

/// Returns `jpeg` with a comment segment that holds `number`: another file of the same picture.
pub fn variant(jpeg: &[u8], number: usize) -> Vec<u8> {
    let comment = format!("picture {number:08}");
    let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
    let (start, rest) = jpeg.split_at(2);
    [start, &[0xff, 0xfe], &length, comment.as_bytes(), rest].concat()
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An event, accessed by a client with a role in it.
#[derive(Clone, Debug)]
pub struct Album {
    pub client: Client,
    pub event: String,
}

impl Album {
    pub fn path(&self, rest: &str) -> String {
        format!("/events/{}{rest}", self.event)
    }

    /// Creates an upload for a file. Returns the response.
    pub fn announce(&self, name: &str, bytes: &[u8]) -> Result<Answer, ureq::Error> {
        self.announce_as(name, bytes.len(), Some(&sha256(bytes)), None)
    }

    pub fn announce_as(
        &self,
        name: &str,
        length: usize,
        sha256: Option<&str>,
        folder: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let mut metadata = format!("filename {}", STANDARD.encode(name));
        for (key, value) in [("sha256", sha256), ("folder", folder)] {
            if let Some(value) = value {
                metadata += &format!(",{key} {}", STANDARD.encode(value));
            }
        }
        self.client.try_send(Request {
            method: "POST".into(),
            path: self.path("/uploads"),
            headers: vec![
                ("tus-resumable".into(), "1.0.0".into()),
                ("upload-length".into(), length.to_string()),
                ("upload-metadata".into(), metadata),
            ],
            body: None,
        })
    }

    /// Sends `part` of the upload at the path `place`, beginning at `offset`. Returns the response.
    pub fn send(&self, place: &str, offset: usize, part: &[u8]) -> Result<Answer, ureq::Error> {
        self.client.try_send(Request {
            method: "PATCH".into(),
            path: place.into(),
            headers: vec![
                ("tus-resumable".into(), "1.0.0".into()),
                ("upload-offset".into(), offset.to_string()),
            ],
            body: Some(("application/offset+octet-stream".into(), part.to_vec())),
        })
    }

    /// Returns the offset of an upload: the number of bytes that the service has stored.
    pub fn offset(&self, place: &str) -> usize {
        let request = Request { method: "HEAD".into(), path: place.into(), ..Request::default() };
        let answer = self.client.try_send(request).unwrap().is(200);
        header(&answer, "upload-offset").parse().unwrap()
    }

    /// Uploads a file in one part. Returns the photo's id.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let announced = self.announce(name, bytes).unwrap();
        if announced.status == 200 {
            return announced.field("photo");
        }
        let place = place_of(&announced.is(201));
        let offset = self.offset(&place);
        header(&self.send(&place, offset, &bytes[offset..]).unwrap().is(204), "picpick-photo")
    }

    /// Returns all photos, from all pages.
    pub fn photos(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = self.path("/photos?limit=500");
        loop {
            let page = self.client.get(&path).is(200);
            all.extend(page.items());
            match page.document()["next"].as_str() {
                Some(next) => path = self.path(&format!("/photos?limit=500&cursor={next}")),
                None => return all,
            }
        }
    }

    /// Returns the counts of indexing jobs by state.
    pub fn counts(&self) -> Value {
        self.client.get(&self.path("/jobs")).is(200).document()
    }

    /// Waits until no job is ready or running. Returns the counts.
    pub fn wait_until_indexed(&self) -> Value {
        let begun = Instant::now();
        loop {
            let counts = self.counts();
            if counts["ready"] == 0 && counts["running"] == 0 {
                return counts;
            }
            assert!(begun.elapsed() < INDEXED_MAX, "indexing is stuck: {counts}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Searches by a selfie. Returns the response.
    pub fn search(&self, selfie: &[u8], query: &str) -> Answer {
        self.client.send(Request {
            method: "POST".into(),
            path: self.path(&format!("/search{query}")),
            headers: Vec::new(),
            body: Some(("image/jpeg".into(), selfie.to_vec())),
        })
    }

    /// Searches by a selfie. Returns the ids of the photos found, best first.
    pub fn found(&self, selfie: &[u8]) -> Vec<String> {
        let answer = self.search(selfie, "").is(200).document();
        let matches = answer["matches"].as_array().unwrap();
        matches.iter().map(|it| it["photo"].as_str().unwrap().to_owned()).collect()
    }
}

/// Returns the value of a header that must exist.
#[track_caller]
pub fn header(answer: &Answer, name: &str) -> String {
    let value = answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    value.to_str().unwrap().to_owned()
}

/// Returns the path of a created upload, below `/api/v1`.
#[track_caller]
pub fn place_of(announced: &Answer) -> String {
    header(announced, "location").strip_prefix("/api/v1").unwrap().to_owned()
}

/// Returns the width and height of a JPEG from its frame header.
pub fn jpeg_size(jpeg: &[u8]) -> (u32, u32) {
    let header = turbojpeg::read_header(jpeg).unwrap();
    (header.width as u32, header.height as u32)
}
