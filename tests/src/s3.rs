//! A local S3 service (moto in its own process, with signature checks), and a proxy that corrupts responses.
//! moto is installed once into the user's cache, pinned by the hashes in `tests/s3_server/requirements.txt`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use picpick_engine::object_store::{S3Config, SecretString};
use serde_json::Value;

use crate::python::installed;

const PINNED: &str = include_str!("../s3_server/requirements.txt");
const PROGRAM: &str = include_str!("../s3_server/serve.py");

/// The running service; started once per test program and ended with it.
pub struct S3Server {
    info: Value,
    process: Mutex<Child>,
    answers: Mutex<BufReader<std::process::ChildStdout>>,
}

impl S3Server {
    /// Returns the service of this test program, and starts it if needed. Tests share its buckets, so each
    /// test uses its own prefix.
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
            let info = read_line(&mut answers);
            Self { info, process: Mutex::new(process), answers: Mutex::new(answers) }
        })
    }

    /// Returns a value that the service printed at its start: `endpoint`, `tls` (this service over TLS with a
    /// self-signed certificate), the buckets `plain` and `versioned`, or a credential.
    pub fn says(&self, what: &str) -> &str {
        self.info[what].as_str().unwrap()
    }

    /// Returns a configuration with valid credentials.
    pub fn access(&self) -> S3Config {
        self.access_at(self.says("endpoint"), "access_key_id", self.says("secret_access_key"))
    }

    /// Returns a configuration for `endpoint` with the access key id called `id` and any `secret`.
    pub fn access_at(&self, endpoint: &str, id: &str, secret: &str) -> S3Config {
        let secret = SecretString::new(secret.to_owned());
        S3Config::new(Some(endpoint), "us-east-1", self.says(id), secret, None).unwrap()
    }

    /// Returns the number of versions and delete markers of the object `key` in `bucket`.
    pub fn versions(&self, bucket: &str, key: &str) -> u64 {
        self.ask(&format!("count {bucket} {key}")).as_u64().unwrap()
    }

    /// Returns the server-side encryption of the object `key` in `bucket`: the algorithm and the KMS key.
    pub fn encryption(&self, bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        let found = self.ask(&format!("encryption {bucket} {key}"));
        let text = |i: usize| found[i].as_str().map(str::to_owned);
        (text(0), text(1))
    }

    /// Adds `count` versions of `key`, as another program would.
    pub fn add_versions(&self, bucket: &str, key: &str, count: usize) {
        self.ask(&format!("versions {bucket} {key} {count}"));
    }

    fn ask(&self, question: &str) -> Value {
        // Both locks are held, so that each caller reads the answer to its own question.
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
        .unwrap_or_else(|error| panic!("the S3 service printed '{line}': {error}"))
}

/// A TCP proxy that changes the responses of the server behind it.
pub struct CorruptingProxy {
    pub endpoint: String,
    connections: Arc<AtomicUsize>,
}

impl CorruptingProxy {
    /// Starts a proxy in front of `endpoint`; `corrupt` receives each complete response.
    pub fn new(endpoint: &str, corrupt: fn(&mut Vec<u8>)) -> Self {
        let behind = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&behind).unwrap();
                std::thread::spawn(move || forward(client.unwrap(), server, corrupt));
            }
        });
        Self { endpoint: own, connections }
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn forward(mut client: TcpStream, mut server: TcpStream, corrupt: fn(&mut Vec<u8>)) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut answer = Vec::new();
    // The service closes the connection after each response.
    let _ = server.read_to_end(&mut answer);
    corrupt(&mut answer);
    let _ = client.write_all(&answer);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
