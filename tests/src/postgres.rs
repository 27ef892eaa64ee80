use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection as _, Row as _};

const PROGRAM: &str = include_str!("../postgres/run.sh");
/// Password of the database user, which must never be logged.
const PASSWORD: &str = "the-password-of-the-database";

/// Creates an empty database. Returns its address.
pub fn fresh_database() -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("service_{}", MADE.fetch_add(1, Ordering::SeqCst));
    let cluster = Cluster::running();
    change(&cluster.url("postgres"), &format!("CREATE DATABASE {name}"));
    cluster.url(&name)
}

/// Returns the password in the addresses of [`fresh_database`], which must not be logged.
pub fn password() -> &'static str {
    PASSWORD
}

/// The PostgreSQL cluster of this test program, run by the system's package. It ends with the test program,
/// even if the program is killed.
struct Cluster {
    socket: String,
    /// The cluster runs while the standard input of this process is open.
    _process: Child,
}

impl Cluster {
    fn running() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let mut process = shell()
            .args(["-c", PROGRAM, "postgres"])
            .arg(programs())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        writeln!(process.stdin.as_mut().unwrap(), "{PASSWORD}").unwrap();
        let mut socket = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut socket).unwrap();
        if socket.is_empty() {
            let mut why = String::new();
            let _ = process.stderr.take().unwrap().read_to_string(&mut why);
            panic!("PostgreSQL does not start: {why}");
        }
        Self { socket: socket.trim().replace('/', "%2F"), _process: process }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://picpick:{PASSWORD}@{}/{database}", self.socket)
    }
}

/// Returns a shell. For root, it runs as the package's user `postgres`, because PostgreSQL refuses to run as
/// root.
fn shell() -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new("sh");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", "sh"]);
    command
}

/// Returns the folder with `initdb`, `pg_ctl` and `postgres`. Debian has one for each version, outside of
/// `PATH`.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let complete = |folder: &PathBuf| {
        let has = |name: &str| Path::new(folder).join(name).is_file();
        has("initdb") && has("pg_ctl") && has("postgres")
    };
    folders.into_iter().rfind(complete).unwrap_or_else(|| {
        panic!("PostgreSQL is not installed: 'make deps' installs the package 'postgresql'")
    })
}

/// Runs `statement` on the database at `url`, SQLite or PostgreSQL. Returns the number of changed rows.
pub fn change(url: &str, statement: &str) -> u64 {
    connected(url, async |connection| {
        sqlx::query(statement).execute(connection).await.unwrap().rows_affected()
    })
}

/// Runs a script of several statements on the database at `url`.
pub fn run_script(url: &str, script: &str) {
    connected(url, async |connection| {
        sqlx::raw_sql(script).execute(connection).await.unwrap();
    });
}

/// Returns the first column of the first row of `query`, a number.
pub fn number(url: &str, query: &str) -> i64 {
    connected(url, async |connection| {
        sqlx::query(query).fetch_one(connection).await.unwrap().get::<i64, _>(0)
    })
}

/// Returns the rows of `query`, whose columns are texts.
pub fn texts(url: &str, query: &str) -> Vec<Vec<String>> {
    connected(url, async |connection| {
        let rows = sqlx::query(query).fetch_all(connection).await.unwrap();
        let texts = |row: &AnyRow| (0..row.len()).map(|at| row.get::<String, _>(at)).collect();
        rows.iter().map(texts).collect()
    })
}

fn connected<T>(url: &str, work: impl AsyncFnOnce(&mut AnyConnection) -> T) -> T {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(url).await.unwrap();
        let result = work(&mut connection).await;
        connection.close().await.unwrap();
        result
    })
}
