//! The service as a process: `picpick serve` on a data folder and a database of its own.
//!
//! It is started, killed and started again as an operator would; what it writes to standard error is kept,
//! and at the end no secret that was used may stand there. Knows nothing of what the routes do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Wire};
use crate::postgres;
use crate::sandbox::{Outcome, Sandbox};

/// How long a start may take before it counts as stuck; only a failing test waits so long.
const START_MAX: Duration = Duration::from_secs(300);

/// Where the service keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A service, running or stopped.
pub struct Service {
    pub sandbox: Sandbox,
    wire: Arc<Wire>,
    /// `None`: SQLite in the data folder.
    database: Option<String>,
    log_filter: &'static str,
    environment: Vec<(&'static str, String)>,
    heard: Arc<Heard>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    listener: JoinHandle<()>,
}

/// What the service said on standard error.
#[derive(Default)]
struct Heard {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    /// Everything but the lines that show the first account's link: those are meant to hold a token.
    log: String,
    address: Option<String>,
    setup: Option<String>,
    ended: bool,
}

impl Service {
    /// A service in `room`, running.
    pub fn start(sandbox: Sandbox, database: Database) -> Self {
        Self::start_logging(sandbox, database, "debug,sqlx=info")
    }

    /// The same with another choice of what is logged.
    pub fn start_logging(sandbox: Sandbox, database: Database, log_filter: &'static str) -> Self {
        let database = (database == Database::Postgres).then(postgres::fresh_database);
        let wire = Arc::<Wire>::default();
        if database.is_some() {
            wire.remember(postgres::password());
        }
        let heard = Arc::default();
        let environment = Vec::new();
        let mut service =
            Self { sandbox, wire, database, log_filter, environment, heard, running: None };
        service.restart();
        service
    }

    /// A service in `room` that keeps its rows in SQLite, with variables of its environment set.
    pub fn start_with(sandbox: Sandbox, environment: Vec<(&'static str, String)>) -> Self {
        let (wire, heard) = (Arc::default(), Arc::default());
        let log_filter = "debug,sqlx=info";
        let mut service =
            Self { sandbox, wire, database: None, log_filter, environment, heard, running: None };
        service.restart();
        service
    }

    /// `picpick` on this service's data folder and database.
    pub fn command(&self) -> Command {
        let mut command = self.sandbox.command();
        for name in ["PICPICK_DATABASE_URL", "PICPICK_DATABASE_URL_FILE", "PICPICK_PHOTOS"] {
            command.env_remove(name);
        }
        for name in
            ["PICPICK_PUBLIC_URL", "PICPICK_TLS_CERT", "PICPICK_TLS_KEY", "PICPICK_SMTP_URL"]
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        if let Some(url) = &self.database {
            command.env("PICPICK_DATABASE_URL", url);
        }
        command
    }

    /// Runs another command of `picpick` beside the service.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command().args(arguments))
    }

    /// Starts the service, which is not running; it listens when this returns.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "the service is running");
        let mut process = self
            .command()
            .env("PICPICK_LOG", self.log_filter)
            .env("NO_COLOR", "1")
            // Each client of a test has an address of its own.
            .env("PICPICK_TRUSTED_PROXIES", "127.0.0.1")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = self.log();
        *self.said() = Said { log, ..Said::default() };
        let lines = BufReader::new(process.stderr.take().unwrap());
        let heard = Arc::clone(&self.heard);
        let listener = std::thread::spawn(move || listen(lines, &heard));
        self.running = Some(Running { process, listener });
        let address = self.wait_for(|said| said.address.clone());
        *self.wire.address.lock().unwrap() = address;
    }

    /// For killing it from another thread.
    pub fn process_id(&self) -> rustix::process::Pid {
        let running = self.running.as_ref().expect("a running service");
        rustix::process::Pid::from_child(&running.process)
    }

    /// Ends the service as a power cut would.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("a running service");
        running.process.kill().unwrap();
        running.process.wait().unwrap();
        running.listener.join().unwrap();
    }

    /// Asks the service to end, as an operator would; its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("a running service");
        let id = rustix::process::Pid::from_child(&running.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = running.process.wait().unwrap().code();
        running.listener.join().unwrap();
        status
    }

    /// The token of the first account's link, which this start printed.
    pub fn setup_token(&self) -> String {
        self.wait_for(|said| said.setup.clone())
    }

    /// Somebody at an address of their own, who shows nothing.
    pub fn client(&self) -> Client {
        Client::new(&self.wire)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.wire.address.lock().unwrap().clone()
    }

    /// Notes something that must not be logged.
    pub fn remember(&self, secret: &str) {
        self.wire.remember(secret);
    }

    /// Notes the secrets of a body that somebody else sent.
    pub fn remember_body(&self, body: &Value) {
        self.wire.remember_fields(body);
    }

    /// Everything that was logged so far, over all starts.
    pub fn log(&self) -> String {
        self.said().log.clone()
    }

    /// Waits until `line` is logged.
    pub fn wait_for_log(&self, line: &str) {
        self.wait_for(|said| said.log.contains(line).then_some(()));
    }

    /// Changes rows behind the service's back; how many.
    pub fn change_rows(&self, statement: &str) -> u64 {
        postgres::change(&self.database_url(), statement)
    }

    /// A number from the service's database.
    pub fn number(&self, query: &str) -> i64 {
        postgres::number(&self.database_url(), query)
    }

    fn database_url(&self) -> String {
        let file = || format!("sqlite:{}", self.sandbox.data().join("service.db").display());
        self.database.clone().unwrap_or_else(file)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.heard.said.lock().unwrap()
    }

    fn wait_for<T>(&self, found: impl Fn(&Said) -> Option<T>) -> T {
        let mut said = self.said();
        loop {
            if let Some(found) = found(&said) {
                return found;
            }
            assert!(!said.ended, "the service ended: {}", said.log);
            let waited = self.heard.changed.wait_timeout(said, START_MAX).unwrap();
            assert!(!waited.1.timed_out(), "the service says nothing: {}", waited.0.log);
            said = waited.0;
        }
    }
}

fn listen(lines: impl BufRead, heard: &Heard) {
    for line in lines.lines() {
        // A killed process may leave half a line, which need not be UTF-8.
        let Ok(line) = line else { break };
        let mut said = heard.said.lock().unwrap();
        match line.split_once("/setup#").filter(|_| line.starts_with("  http")) {
            Some((_, token)) => said.setup = Some(token.to_owned()),
            None => {
                said.log.push_str(&line);
                said.log.push('\n');
            }
        }
        if let Some(address) = line.strip_prefix("PicPick listens on ") {
            said.address = Some(address.to_owned());
        }
        heard.changed.notify_all();
    }
    heard.said.lock().unwrap().ended = true;
    heard.changed.notify_all();
}

impl Drop for Service {
    fn drop(&mut self) {
        let ended = self.running.as_mut().and_then(|running| running.process.try_wait().unwrap());
        if self.running.is_some() {
            self.kill();
        }
        let log = self.log();
        if std::thread::panicking() {
            if let Some(status) = ended {
                eprintln!("the service had ended by itself: {status}");
            }
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the end of the service's log, newest first:\n{}", tail.join("\n"));
            return;
        }
        let leaked = self.wire.leaked(&log);
        assert_eq!(leaked, None, "a secret stands in the service's log");
        for word in ["panicked", "internal error at"] {
            assert!(!log.contains(word), "{log}");
        }
    }
}

/// A service of this package's program on the named database, running. A macro, because only a test is told
/// where the program lies.
#[macro_export]
macro_rules! service {
    ($database:expr) => {
        $crate::Service::start($crate::sandbox!(), $database)
    };
}

/// Makes two tests of each named scenario, a function of a service: one on SQLite, one on PostgreSQL.
#[macro_export]
macro_rules! on_both_databases {
    ($($scenario:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $scenario() {
                super::$scenario($crate::service!($crate::Database::Sqlite));
            })*
        }
        mod on_postgres {
            $(#[test] fn $scenario() {
                super::$scenario($crate::service!($crate::Database::Postgres));
            })*
        }
    };
}
