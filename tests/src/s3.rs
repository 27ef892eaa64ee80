//! An S3 service on this computer: moto, in a process of its own, with signatures checked.
//!
//! Installed once into the user's cache, by the hashes in `tests/s3_server/requirements.txt`; started
//! once per test program and ended with it. Knows nothing of what the tests expect.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use picpick_engine::{S3Access, SecretText};
use serde_json::Value;

use crate::python::installed;

const PINNED: &str = include_str!("../s3_server/requirements.txt");
const PROGRAM: &str = include_str!("../s3_server/serve.py");

/// The running service.
pub struct S3Server {
    said: Value,
    process: Mutex<Child>,
    answers: Mutex<BufReader<std::process::ChildStdout>>,
}

impl S3Server {
    /// The one service of this test program; its buckets are shared, so each test takes a prefix.
    pub fn start() -> &'static Self {
        static SERVER: OnceLock<S3Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            let mut process = Command::new("python3")
                .args(["-c", PROGRAM])
                .env("PYTHONPATH", installed("moto", PINNED))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3 starts");
            let mut answers = BufReader::new(process.stdout.take().unwrap());
            let said = read_line(&mut answers);
            Self { said, process: Mutex::new(process), answers: Mutex::new(answers) }
        })
    }

    /// What it said of itself: `endpoint` and `tls` (the same with a certificate that nobody has
    /// signed), `plain` and `versioned` (buckets), and credentials.
    pub fn says(&self, what: &str) -> &str {
        self.said[what].as_str().unwrap()
    }

    /// Access with the right credentials.
    pub fn access(&self) -> S3Access {
        self.access_at(self.says("endpoint"), "access_key_id", self.says("secret_access_key"))
    }

    /// Access at `endpoint` as the user whose key id is called `id`, with any `secret`.
    pub fn access_at(&self, endpoint: &str, id: &str, secret: &str) -> S3Access {
        let secret = SecretText::new(secret.to_owned());
        S3Access::new(Some(endpoint), "us-east-1", self.says(id), secret, None).unwrap()
    }

    /// How many versions and marks of deletion the object `key` of `bucket` has.
    pub fn versions(&self, bucket: &str, key: &str) -> u64 {
        self.ask(&format!("count {bucket} {key}")).as_u64().unwrap()
    }

    /// How the object `key` of `bucket` is encrypted there: the algorithm and the key's name.
    pub fn encryption(&self, bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        let said = self.ask(&format!("encryption {bucket} {key}"));
        let text = |i: usize| said[i].as_str().map(str::to_owned);
        (text(0), text(1))
    }

    /// Adds `count` versions of `key`, as other programs would.
    pub fn add_versions(&self, bucket: &str, key: &str, count: usize) {
        self.ask(&format!("versions {bucket} {key} {count}"));
    }

    fn ask(&self, question: &str) -> Value {
        // Both locks, so that an answer goes to who asked.
        let mut answers = self.answers.lock().unwrap();
        let mut process = self.process.lock().unwrap();
        writeln!(process.stdin.as_mut().unwrap(), "{question}").unwrap();
        read_line(&mut *answers)
    }
}

fn read_line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("the S3 service said '{line}': {error}"))
}

/// A port that hands every connection on to another one and spoils what comes back.
pub struct Spoiler {
    pub endpoint: String,
    connections: Arc<AtomicUsize>,
}

impl Spoiler {
    /// In front of `endpoint`; `spoil` gets each whole answer.
    pub fn new(endpoint: &str, spoil: fn(&mut Vec<u8>)) -> Self {
        let behind = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&behind).unwrap();
                std::thread::spawn(move || hand_on(client.unwrap(), server, spoil));
            }
        });
        Self { endpoint: own, connections }
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn hand_on(mut client: TcpStream, mut server: TcpStream, spoil: fn(&mut Vec<u8>)) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut answer = Vec::new();
    // The service closes the connection after each answer.
    let _ = server.read_to_end(&mut answer);
    spoil(&mut answer);
    let _ = client.write_all(&answer);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
