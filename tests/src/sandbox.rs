use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::copy;
use crate::samples::{cache, models};

/// A temporary folder that is removed after the test, with a data folder in it and the program to run.
pub struct Sandbox {
    folder: TempDir,
    program: PathBuf,
}

/// The exit status and output of a command.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    /// Creates an empty sandbox for `program`.
    pub fn new(program: &str) -> Self {
        models();
        Self { folder: tempfile::tempdir().unwrap(), program: program.into() }
    }

    /// Creates a sandbox with a copy of this one's data folder.
    pub fn twin(&self) -> Self {
        let twin = Self { folder: tempfile::tempdir().unwrap(), program: self.program.clone() };
        copy(&self.data(), &twin.data());
        twin
    }

    /// Returns a path below the sandbox.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the data folder; the first command that needs it creates it.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Creates a folder and copies `photos` into it.
    pub fn folder(&self, name: &str, photos: &[PathBuf]) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        for photo in photos {
            std::fs::copy(photo, folder.join(photo.file_name().unwrap())).unwrap();
        }
        folder
    }

    /// Returns a command that runs `picpick` with this sandbox's data folder, independent of the environment.
    pub fn command(&self) -> Command {
        self.command_for(&self.data())
    }

    /// Returns a command that runs `picpick` with another data folder.
    pub fn command_for(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.program);
        for name in ["PICPICK_DATA", "PICPICK_KEYRING", "PICPICK_MODELS_MIRROR"] {
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

    /// Runs `picpick --json` with `arguments`. Returns the exit status and the document.
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> (i32, Value) {
        let outcome = Outcome::of(self.command().arg("--json").args(arguments));
        let document = outcome.document();
        (outcome.status, document)
    }

    /// Runs `picpick --json` with `arguments`, which must succeed. Returns the document.
    pub fn done<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let outcome = Outcome::of(self.command().arg("--json").args(arguments));
        assert_eq!(outcome.status, 0, "{outcome:?}");
        outcome.document()
    }

    /// Creates the collection "Event" and indexes `paths` into it. Returns the document of `index`.
    pub fn event(&self, paths: &[PathBuf]) -> Value {
        self.done(["collections", "create", "Event"]);
        self.index(paths)
    }

    /// Indexes `paths` into "Event". Returns the document of `index`.
    pub fn index(&self, paths: &[PathBuf]) -> Value {
        let mut arguments: Vec<&OsStr> = vec!["index".as_ref(), "Event".as_ref()];
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        self.done(arguments)
    }
}

impl Outcome {
    /// Runs `command` to its end. Fails the test if it panics or is ended by a signal.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let status = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {stderr}"));
        for word in ["panicked", "internal error at"] {
            assert!(!stderr.contains(word), "{stderr}");
        }
        Self { status, stdout, stderr }
    }

    /// Parses standard output, which must be one JSON document.
    pub fn document(&self) -> Value {
        // `from_str` refuses trailing text, so two documents are an error too.
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that the command ended with `status`. Returns its error message, with or without `--json`.
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

/// Returns the file names of the paths in `field` of the objects of `list`, in order.
pub fn file_names(list: &Value, field: &str) -> Vec<String> {
    let name = |entry: &Value| {
        let path = Path::new(entry[field].as_str().expect("a path"));
        path.file_name().expect("a file name").to_string_lossy().into_owned()
    };
    list.as_array().expect("a list").iter().map(name).collect()
}

/// Returns the numbers of a JSON list, for instance of a box.
pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// A temporary file system of limited size that can be made read-only. Needs root and the right to mount.
pub struct Tmpfs {
    at: PathBuf,
}

impl Tmpfs {
    /// Mounts an empty file system of `size_mib` at `at`. Returns `None`, and prints that the test is left out, if
    /// mounting is not permitted.
    pub fn new(at: &Path, size_mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={size_mib}m");
        let is_mounted = rustix::process::geteuid().is_root()
            && mount(&["-t", "tmpfs", "-o", &size, "picpick-test"], at);
        if !is_mounted {
            println!("left out: a small disk can be mounted only by root");
        }
        is_mounted.then(|| Self { at: at.to_path_buf() })
    }

    /// Fills the file system with a file, and leaves `free_kib` of free space.
    pub fn fill(&self, free_kib: u64) {
        let mut file = File::create(self.ballast()).unwrap();
        let mut block = vec![7; 1 << 16];
        while !block.is_empty() {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    block.truncate(block.len() / 2)
                }
                Err(error) => panic!("{error}"),
            }
        }
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(free_kib << 10)).unwrap();
    }

    /// Removes the file that fills the file system.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Remounts the file system read-only or writable.
    pub fn set_writable(&self, writable: bool) {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        assert!(mount(&["-o", options], &self.at));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // The unmount is lazy, so that a failed test leaves no mount behind even if files are open.
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
