//! A mail server on this computer: aiosmtpd, in a process of its own, which asks for a password.
//!
//! Keeps what it takes, and refuses when told. Knows nothing of what the tests expect.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::python::installed;

const PINNED: &str = include_str!("../smtp_server/requirements.txt");
const PROGRAM: &str = include_str!("../smtp_server/serve.py");
/// Only a failing test waits so long.
const MAIL_MAX: Duration = Duration::from_secs(120);

/// The running server; it ends with the value.
pub struct MailServer {
    /// `127.0.0.1:PORT`.
    pub address: String,
    process: Child,
    taken: Arc<Taken>,
}

#[derive(Default)]
struct Taken {
    mails: Mutex<Vec<Value>>,
    more: Condvar,
}

impl MailServer {
    pub fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", PROGRAM])
            .env("PYTHONPATH", installed("aiosmtpd", PINNED))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the mail server starts").unwrap();
        let first: Value = serde_json::from_str(&first).unwrap();
        let taken = Arc::<Taken>::default();
        let ours = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                taken.mails.lock().unwrap().push(serde_json::from_str(&line).unwrap());
                taken.more.notify_all();
            }
        });
        Self { address: format!("127.0.0.1:{}", first["port"]), process, taken: ours }
    }

    /// As PICPICK_SMTP_URL takes it, for a way that leads here from `address`.
    pub fn url_at(address: &str) -> String {
        format!("smtp://picpick:p%40ss%20word@{address}")
    }

    pub fn url(&self) -> String {
        Self::url_at(&self.address)
    }

    /// The next recipient is refused with `code`.
    pub fn refuse(&mut self, code: u16) {
        writeln!(self.process.stdin.as_mut().unwrap(), "refuse {code}").unwrap();
    }

    /// The mails to `address` so far, once there are `number`.
    pub fn wait_for(&self, address: &str, number: usize) -> Vec<Value> {
        let end = Instant::now() + MAIL_MAX;
        let mut mails = self.taken.mails.lock().unwrap();
        loop {
            let to = |mail: &&Value| mail["to"] == serde_json::json!([address]);
            let found: Vec<Value> = mails.iter().filter(to).cloned().collect();
            if found.len() >= number {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {number} mails came, but {found:?}");
            mails = self.taken.more.wait_timeout(mails, left).unwrap().0;
        }
    }

    /// How many mails came so far.
    pub fn count(&self) -> usize {
        self.taken.mails.lock().unwrap().len()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The token that begins with `prefix`, of a link in `text`.
#[track_caller]
pub fn token(text: &str, prefix: &str) -> String {
    let at = text.find(&format!("#{prefix}")).unwrap_or_else(|| panic!("no {prefix} in {text}"));
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text[at + 1..].chars().take_while(is_part).collect()
}
