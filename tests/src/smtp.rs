use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::python::installed;

const PINNED: &str = include_str!("../smtp_server/requirements.txt");
const PROGRAM: &str = include_str!("../smtp_server/serve.py");
/// Maximum time until mails arrive. Only a failing test waits that long.
const MAIL_MAX: Duration = Duration::from_secs(120);

/// A local mail server: aiosmtpd in its own process, with password authentication. Stopped when the value is
/// dropped.
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

    /// Returns the value of PICPICK_SMTP_URL for a server or proxy at `address`.
    pub fn url_at(address: &str) -> String {
        format!("smtp://picpick:p%40ss%20word@{address}")
    }

    pub fn url(&self) -> String {
        Self::url_at(&self.address)
    }

    /// Makes the server refuse the next recipient with `code`.
    pub fn refuse(&mut self, code: u16) {
        writeln!(self.process.stdin.as_mut().unwrap(), "refuse {code}").unwrap();
    }

    /// Waits for `number` mails to `address`. Returns all mails to it so far.
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
            assert!(!left.is_zero(), "expected {number} mails, received {found:?}");
            mails = self.taken.more.wait_timeout(mails, left).unwrap().0;
        }
    }

    /// Returns the number of mails received so far.
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

/// Returns the token that begins with `prefix` in a link of `text`.
#[track_caller]
pub fn token(text: &str, prefix: &str) -> String {
    let at = text.find(&format!("#{prefix}")).unwrap_or_else(|| panic!("no {prefix} in {text}"));
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text[at + 1..].chars().take_while(is_part).collect()
}
