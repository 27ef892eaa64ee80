//! A folder of its own for each test, and the program run in it.
//!
//! Takes a finished command apart: exit status, standard output, standard error, JSON. Knows nothing of
//! single commands beyond how a collection is made and filled.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::copy;
use crate::samples::{cache, models};

/// A folder that goes with the test, with a data folder in it.
pub struct Sandbox {
    folder: TempDir,
    program: PathBuf,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    /// An empty room for `program`.
    pub fn new(program: &str) -> Self {
        models();
        Self { folder: tempfile::tempdir().unwrap(), program: program.into() }
    }

    /// Another room with a copy of this one's data folder.
    pub fn twin(&self) -> Self {
        let twin = Self { folder: tempfile::tempdir().unwrap(), program: self.program.clone() };
        copy(&self.data(), &twin.data());
        twin
    }

    /// A path below the room.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder; it is made by the first command that needs it.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A folder with copies of `photos` in it, made new.
    pub fn folder(&self, name: &str, photos: &[PathBuf]) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        for photo in photos {
            std::fs::copy(photo, folder.join(photo.file_name().unwrap())).unwrap();
        }
        folder
    }

    /// `picpick` with this room's data folder, whatever the environment says.
    pub fn command(&self) -> Command {
        self.command_for(&self.data())
    }

    /// `picpick` with another data folder.
    pub fn command_for(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.program);
        for name in ["PICPICK_DATA", "PICPICK_KEYRING", "PICPICK_MODELS_DIR"] {
            command.env_remove(name);
        }
        command
            .env("PICPICK_CACHE", cache())
            .current_dir(self.folder.path())
            .arg("--data")
            .arg(data);
        command
    }

    /// Runs `picpick` with `arguments`.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.command().args(arguments))
    }

    /// The same with `--json`: the status and the document.
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> (i32, Value) {
        let outcome = Outcome::of(self.command().arg("--json").args(arguments));
        let document = outcome.document();
        (outcome.status, document)
    }

    /// The document of a command that must succeed.
    pub fn done<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let outcome = Outcome::of(self.command().arg("--json").args(arguments));
        assert_eq!(outcome.status, 0, "{outcome:?}");
        outcome.document()
    }

    /// Makes the collection "Event" and takes `paths` into it; what `index --json` said.
    pub fn event(&self, paths: &[PathBuf]) -> Value {
        self.done(["collections", "create", "Event"]);
        self.index(paths)
    }

    /// Takes `paths` into "Event".
    pub fn index(&self, paths: &[PathBuf]) -> Value {
        let mut arguments: Vec<&OsStr> = vec!["index".as_ref(), "Event".as_ref()];
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        self.done(arguments)
    }
}

impl Outcome {
    /// Runs `command` to its end. No command may panic, whatever it is given.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let status = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {stderr}"));
        for word in ["panicked", "internal error at", "should not have happened"] {
            assert!(!stderr.contains(word), "{stderr}");
        }
        Self { status, stdout, stderr }
    }

    /// The one JSON document on standard output.
    pub fn document(&self) -> Value {
        // `from_str` refuses what follows a document, so two documents fail here too.
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of a command that must have ended with `status`, without or with `--json`.
    pub fn failed(&self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:?}");
        match serde_json::from_str::<Value>(&self.stdout) {
            Ok(document) => document["error"]["message"].as_str().expect("a message").to_owned(),
            Err(_) => {
                assert_eq!(self.stdout, "", "an error goes to standard error");
                self.stderr.clone()
            }
        }
    }
}

/// The file names in field `field` of the objects of `list`, in order.
pub fn file_names(list: &Value, field: &str) -> Vec<String> {
    let name = |entry: &Value| {
        let path = Path::new(entry[field].as_str().expect("a path"));
        path.file_name().expect("a file name").to_string_lossy().into_owned()
    };
    list.as_array().expect("a list").iter().map(name).collect()
}

/// A list of numbers, for instance a box.
pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// A file system of its own, of limited size or read-only; needs root and the right to mount.
pub struct Tmpfs {
    at: PathBuf,
}

impl Tmpfs {
    /// An empty file system of `size_mib` at `at`; `None` where that is not allowed.
    pub fn new(at: &Path, size_mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={size_mib}m");
        mount(&["-t", "tmpfs", "-o", &size, "picpick-test"], at)
            .then(|| Self { at: at.to_path_buf() })
    }

    /// Takes back, or gives again, the right to write.
    pub fn set_writable(&self, writable: bool) {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        assert!(mount(&["-o", options], &self.at));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a test that fails must not leave a file system behind.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    Command::new("mount")
        .args(arguments)
        .arg(at)
        .output()
        .is_ok_and(|output| output.status.success())
}
