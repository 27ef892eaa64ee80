//! Runs `picpick serve` as a process on its own data folder and database. Its standard error is captured;
//! when a service is dropped, the log must not contain a secret that was used, or a panic.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Wire};
use crate::postgres;
use crate::sandbox::{Outcome, Sandbox};

/// Maximum duration of a start. Only a failing test waits that long.
const START_MAX: Duration = Duration::from_secs(300);

const LOG_FILTER: &str = "debug,sqlx=info";

/// The database of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A service, running or stopped.
pub struct Service {
    pub sandbox: Sandbox,
    wire: Arc<Wire>,
    /// The address of the database; `None` for SQLite in the data folder.
    database: Option<String>,
    log_filter: &'static str,
    environment: Vec<(&'static str, String)>,
    capture: Arc<Capture>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    listener: JoinHandle<()>,
}

/// The captured standard error of the service.
#[derive(Default)]
struct Capture {
    output: Mutex<Output>,
    changed: Condvar,
}

#[derive(Default)]
struct Output {
    /// All lines except those with the setup link, which contain a token on purpose.
    log: String,
    address: Option<String>,
    setup: Option<String>,
    ended: bool,
}

impl Service {
    /// Starts a service in `sandbox`.
    pub fn start(sandbox: Sandbox, database: Database) -> Self {
        Self::start_logging(sandbox, database, LOG_FILTER)
    }

    /// Starts a service in `sandbox` with a log filter.
    pub fn start_logging(sandbox: Sandbox, database: Database, log_filter: &'static str) -> Self {
        let database = (database == Database::Postgres).then(postgres::fresh_database);
        Self::launch(sandbox, database, log_filter, Vec::new())
    }

    /// Starts a service in `sandbox` on the database at an address of [`postgres::fresh_database`], or on
    /// SQLite in the data folder if `None`.
    pub fn start_on(sandbox: Sandbox, database: Option<String>) -> Self {
        Self::launch(sandbox, database, LOG_FILTER, Vec::new())
    }

    /// Starts a service in `sandbox` on SQLite, with environment variables.
    pub fn start_with(sandbox: Sandbox, environment: Vec<(&'static str, String)>) -> Self {
        Self::launch(sandbox, None, LOG_FILTER, environment)
    }

    fn launch(
        sandbox: Sandbox,
        database: Option<String>,
        log_filter: &'static str,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let wire = Arc::<Wire>::default();
        if database.is_some() {
            wire.remember(postgres::password());
        }
        let capture = Arc::default();
        let mut service =
            Self { sandbox, wire, database, log_filter, environment, capture, running: None };
        service.restart();
        service
    }

    /// Returns a command that runs `picpick` on this service's data folder and database.
    pub fn command(&self) -> Command {
        let mut command = self.sandbox.command();
        for name in ["PICPICK_DATABASE_URL", "PICPICK_DATABASE_URL_FILE", "PICPICK_PHOTO_STORE"] {
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

    /// Runs another `picpick` command while the service runs.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command().args(arguments))
    }

    /// Starts the service, which must not be running. Returns when it listens.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "the service is running");
        let mut process = self
            .command()
            .env("PICPICK_LOG", self.log_filter)
            .env("NO_COLOR", "1")
            // Each client of a test sends its own address in `X-Forwarded-For`.
            .env("PICPICK_TRUSTED_PROXIES", "127.0.0.1")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = self.log();
        *self.output() = Output { log, ..Output::default() };
        let lines = BufReader::new(process.stderr.take().unwrap());
        let capture = Arc::clone(&self.capture);
        let listener = std::thread::spawn(move || listen(lines, &capture));
        self.running = Some(Running { process, listener });
        let address = self.wait_for(|output| output.address.clone());
        *self.wire.address.lock().unwrap() = address;
    }

    /// Returns the process id, for kills from another thread.
    pub fn process_id(&self) -> rustix::process::Pid {
        let running = self.running.as_ref().expect("a running service");
        rustix::process::Pid::from_child(&running.process)
    }

    /// Kills the service with signal 9.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("a running service");
        running.process.kill().unwrap();
        running.process.wait().unwrap();
        running.listener.join().unwrap();
    }

    /// Stops the service with SIGTERM, as an operator does. Returns its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("a running service");
        let id = rustix::process::Pid::from_child(&running.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = running.process.wait().unwrap().code();
        running.listener.join().unwrap();
        status
    }

    /// Returns the token of the setup link that this start printed.
    pub fn setup_token(&self) -> String {
        self.wait_for(|output| output.setup.clone())
    }

    /// Returns a client with its own address and no credential.
    pub fn client(&self) -> Client {
        Client::new(&self.wire)
    }

    /// Returns the service's address, `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.wire.address.lock().unwrap().clone()
    }

    /// Records a secret that must not be logged.
    pub fn remember(&self, secret: &str) {
        self.wire.remember(secret);
    }

    /// Records the secret fields of a body that was sent by other means than `Client`.
    pub fn remember_body(&self, body: &Value) {
        self.wire.remember_fields(body);
    }

    /// Returns everything logged so far, since the first start.
    pub fn log(&self) -> String {
        self.output().log.clone()
    }

    /// Waits until `line` is logged.
    pub fn wait_for_log(&self, line: &str) {
        self.wait_for(|output| output.log.contains(line).then_some(()));
    }

    /// Runs `statement` directly on the service's database. Returns the number of changed rows.
    pub fn change_rows(&self, statement: &str) -> u64 {
        postgres::change(&self.database_url(), statement)
    }

    /// Returns the number that `query` selects from the service's database.
    pub fn number(&self, query: &str) -> i64 {
        postgres::number(&self.database_url(), query)
    }

    /// Runs a script of several statements directly on the service's database.
    pub fn run_script(&self, script: &str) {
        postgres::run_script(&self.database_url(), script);
    }

    /// Returns the rows that `query` selects from the service's database. Its columns are texts.
    pub fn texts(&self, query: &str) -> Vec<Vec<String>> {
        postgres::texts(&self.database_url(), query)
    }

    fn database_url(&self) -> String {
        let file = || format!("sqlite:{}", self.sandbox.data().join("service.db").display());
        self.database.clone().unwrap_or_else(file)
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.capture.output.lock().unwrap()
    }

    fn wait_for<T>(&self, found: impl Fn(&Output) -> Option<T>) -> T {
        let mut output = self.output();
        loop {
            if let Some(found) = found(&output) {
                return found;
            }
            assert!(!output.ended, "the service ended: {}", output.log);
            let waited = self.capture.changed.wait_timeout(output, START_MAX).unwrap();
            assert!(!waited.1.timed_out(), "the service prints nothing more: {}", waited.0.log);
            output = waited.0;
        }
    }
}

fn listen(lines: impl BufRead, capture: &Capture) {
    for line in lines.lines() {
        // A killed process may leave a truncated line that is not UTF-8.
        let Ok(line) = line else { break };
        let mut output = capture.output.lock().unwrap();
        match line.split_once("/setup#").filter(|_| line.starts_with("  http")) {
            Some((_, token)) => output.setup = Some(token.to_owned()),
            None => {
                output.log.push_str(&line);
                output.log.push('\n');
            }
        }
        if let Some(address) = line.strip_prefix("PicPick listens on ") {
            output.address = Some(address.to_owned());
        }
        capture.changed.notify_all();
    }
    capture.output.lock().unwrap().ended = true;
    capture.changed.notify_all();
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
        assert_eq!(leaked, None, "the service's log contains a secret");
        for word in ["panicked", "internal error at"] {
            assert!(!log.contains(word), "{log}");
        }
    }
}

/// Starts a service of this package's program on a database. A macro, because Cargo gives the program's path
/// to tests only.
#[macro_export]
macro_rules! service {
    ($database:expr) => {
        $crate::Service::start($crate::sandbox!(), $database)
    };
}

/// Generates two tests for each named scenario, a function of a `Service`: one on SQLite, one on PostgreSQL.
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
