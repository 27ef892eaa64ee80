use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shim");

/// The fault at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The call fails with EIO.
    Eio,
    /// The call and all later calls fail with EIO.
    EioFromThenOn,
    /// The call, or the next one that takes space, fails with ENOSPC.
    Enospc,
    /// The call and all later calls that take space fail with ENOSPC.
    EnospcFromThenOn,
    /// The process aborts, as on a panic that aborts.
    Abort,
    /// The process is killed with signal 9.
    Kill,
    /// The call is delayed by this time, ms.
    Delay(u64),
}

/// The fsyncs that the shadow ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    Files,
    Folders,
}

/// The settings of the preloaded library in `shim/`. By default it does nothing.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Folder of the shadow, which holds what is durable.
    pub shadow: Option<PathBuf>,
    /// File that gets a line per call.
    pub trace: Option<PathBuf>,
    /// The call at which the fault happens, counted from 1, and the fault.
    pub at: Option<(u64, FaultKind)>,
    pub forget: Option<Forget>,
}

impl Faults {
    /// Preloads the library into `command`, for calls on paths below `root`.
    pub fn arm(&self, command: &mut Command, root: &Path) {
        command.env("LD_PRELOAD", library()).env("FAULTS_ROOT", root.canonicalize().unwrap());
        for (name, path) in [("FAULTS_SHADOW", &self.shadow), ("FAULTS_TRACE", &self.trace)] {
            if let Some(path) = path {
                command.env(name, path);
            }
        }
        if let Some((call, fault)) = self.at {
            let word = match fault {
                FaultKind::Eio => "eio",
                FaultKind::EioFromThenOn => "eio-on",
                FaultKind::Enospc => "enospc",
                FaultKind::EnospcFromThenOn => "enospc-on",
                FaultKind::Abort => "abort",
                FaultKind::Kill => "kill",
                FaultKind::Delay(ms) => {
                    command.env("FAULTS_DELAY_MS", ms.to_string());
                    "delay"
                }
            };
            command.env("FAULTS_AT", call.to_string()).env("FAULTS_DO", word);
        }
        match self.forget {
            Some(Forget::Files) => command.env("FAULTS_FORGET", "files"),
            Some(Forget::Folders) => command.env("FAULTS_FORGET", "folders"),
            None => command,
        };
    }
}

/// A system call of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub number: u64,
    /// "write", "fsync", "rename" and so on.
    pub kind: String,
    pub path: String,
}

/// Returns the calls of a trace and the call that met the fault. Empty if the file does not exist.
pub fn read_trace(path: &Path) -> (Vec<Call>, Option<Call>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let call = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let number = words.next()?.parse().ok()?;
        Some(Call { number, kind: words.next()?.to_owned(), path: words.next()?.to_owned() })
    };
    let hit = text.lines().find_map(|line| call(line.strip_prefix("HIT ")?));
    (text.lines().filter_map(call).collect(), hit)
}

/// Compiles the library unless it exists, and returns its path. Needs Linux and a C compiler called `cc`. The
/// file is beside the test programs and named by the hash of its source, so an outdated library
/// is never used.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = ["shim.h", "durable.c", "faults.c"].map(|name| Path::new(FOLDER).join(name));
        let texts = source.each_ref().map(|path| fs::read(path).unwrap());
        let digest = Sha256::digest(texts.concat());
        let name = hex::encode(&digest[..8]);
        let own = std::env::current_exe().unwrap();
        let library = own.parent().unwrap().join(format!("faults-{name}.so"));
        if !library.exists() {
            let made = library.with_extension(format!("{}.so", std::process::id()));
            let output = Command::new("cc")
                .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
                .arg(&made)
                .args(&source[1..])
                .arg("-lpthread")
                .stdin(Stdio::null())
                .output()
                .expect("a C compiler called cc is needed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::rename(&made, &library).unwrap();
        }
        library
    })
}
