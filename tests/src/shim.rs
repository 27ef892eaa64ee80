//! The preloaded library of `shim/`: compiled once, and put before a command.
//!
//! Assumes Linux and a C compiler called `cc`. Knows nothing of the program it is put before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shim");

/// What goes wrong at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The call fails with "input/output error", once or from then on.
    Eio,
    EioFromThenOn,
    /// The call finds the disk full, once or from then on.
    Enospc,
    EnospcFromThenOn,
    /// The process ends itself, as on a panic that aborts.
    Abort,
    /// The process is gone, without a word.
    Kill,
    /// The call takes so many milliseconds longer.
    Delay(u64),
}

/// The fsyncs that the shadow is to miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    Files,
    Folders,
}

/// What the library is to do. Nothing, unless told.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Where the shadow of what is durable is kept.
    pub shadow: Option<PathBuf>,
    /// The file that gets a line per call.
    pub trace: Option<PathBuf>,
    /// The call at which it happens, from 1, and what.
    pub at: Option<(u64, Deed)>,
    pub forget: Option<Forget>,
}

impl Faults {
    /// Puts the library before `command`, for calls on paths below `root`.
    pub fn arm(&self, command: &mut Command, root: &Path) {
        command.env("LD_PRELOAD", library()).env("FAULTS_ROOT", root.canonicalize().unwrap());
        for (name, path) in [("FAULTS_SHADOW", &self.shadow), ("FAULTS_TRACE", &self.trace)] {
            if let Some(path) = path {
                command.env(name, path);
            }
        }
        if let Some((call, deed)) = self.at {
            let word = match deed {
                Deed::Eio => "eio",
                Deed::EioFromThenOn => "eio-on",
                Deed::Enospc => "enospc",
                Deed::EnospcFromThenOn => "enospc-on",
                Deed::Abort => "abort",
                Deed::Kill => "kill",
                Deed::Delay(ms) => {
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

/// A call of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub number: u64,
    /// "write", "fsync", "rename" and so on.
    pub kind: String,
    pub path: String,
}

/// The calls of a trace, and the one that went wrong. Empty where there is no such file.
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

/// The compiled library. It lies beside the test programs and is named by its source, so that an old
/// one is never taken and a present one is not made again.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = ["shim.h", "durable.c", "faults.c"].map(|name| Path::new(FOLDER).join(name));
        let texts = source.each_ref().map(|path| fs::read(path).unwrap());
        let digest = Sha256::digest(texts.concat());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
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
