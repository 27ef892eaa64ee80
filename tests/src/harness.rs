//! A data folder, a process that works on it, and the oracle that listens.
//!
//! The folder lies in memory where it can: what is durable is decided by the shadow or by the kernel, not
//! by a disk. Knows nothing of when a process is to end or what goes wrong in it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use picpick_engine::{DEFAULT_PACK, Pack};
use tempfile::TempDir;

use crate::oracle::{Oracle, Seen};
use crate::shim::Faults;
use crate::workload::{Line, Op};

/// A folder in memory, on most Linux systems.
const MEMORY: &str = "/dev/shm";

pub struct Harness {
    sandbox: TempDir,
    program: PathBuf,
    oracle: Oracle,
    /// The first number that no photo has had.
    next: u32,
}

/// What a process does before it is at its end.
#[derive(Clone, Copy)]
pub struct Errand {
    pub seed: u64,
    pub ops: usize,
    /// Whether it deletes a collection at the end.
    pub purges: bool,
}

/// How a process ended.
pub struct Ending {
    pub status: ExitStatus,
    pub complaints: String,
    /// Each act that ended, with what was said of its failure.
    pub ops: Vec<(Op, Option<String>)>,
}

/// When a process is killed from outside: after so many lines, and then so long.
pub type KillAfter = (usize, Duration);

impl Ending {
    /// By a signal, and by which.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn failures(&self) -> impl Iterator<Item = (&Op, &str)> {
        self.ops.iter().filter_map(|(op, why)| Some((op, why.as_deref()?)))
    }
}

impl Harness {
    /// With an empty disk, for the program at `program`.
    pub fn new(program: &str) -> Self {
        let sandbox = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(sandbox.path().join("disk")).unwrap();
        let oracle = Oracle::new(Pack::builtin(DEFAULT_PACK).unwrap());
        Self { sandbox, program: program.into(), oracle, next: 0 }
    }

    /// Another arena in the same state.
    pub fn twin(&self) -> Self {
        let sandbox = tempfile::tempdir_in(self.sandbox.path().parent().unwrap()).unwrap();
        copy(&self.disk(), &sandbox.path().join("disk"));
        Self {
            sandbox,
            program: self.program.clone(),
            oracle: self.oracle.clone(),
            next: self.next,
        }
    }

    /// A path beside the disk, on the same file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// The folder that stands for a disk.
    pub fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// The data folder, on the disk; the first process makes it.
    pub fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// Sends a process on an errand and listens to its end, or to the one that is made for it.
    /// An error where it said what cannot be.
    pub fn run(
        &mut self,
        errand: Errand,
        faults: Option<&Faults>,
        kill: Option<KillAfter>,
    ) -> Result<Ending, String> {
        let mut command = Command::new(&self.program);
        command.arg(self.disk().canonicalize().unwrap().join("data"));
        command.args([errand.seed.to_string(), errand.ops.to_string(), self.next.to_string()]);
        command.args(errand.purges.then_some("purge"));
        if let Some(faults) = faults {
            faults.arm(&mut command, &self.disk());
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.listen(child.spawn().unwrap(), kill)
    }

    fn listen(&mut self, mut child: Child, kill: Option<KillAfter>) -> Result<Ending, String> {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut ops, mut heard, mut text) = (Vec::new(), 0, String::new());
        let (mut begun, mut wrong) = (None, Ok(()));
        loop {
            if let Some((_, delay)) = kill.filter(|(lines, _)| *lines == heard) {
                std::thread::sleep(delay);
                child.kill().unwrap();
            }
            text.clear();
            if out.read_line(&mut text).unwrap() == 0 {
                break;
            }
            heard += 1;
            // A line cut short was not said.
            let Some(line) = text.strip_suffix('\n') else { break };
            let line = line.parse::<Line>()?;
            wrong = wrong.and_then(|()| self.oracle.hear(&line));
            match line {
                Line::Begin(op) => {
                    if let Op::Put(_, numbers) = &op {
                        self.next =
                            numbers.iter().map(|number| number + 1).fold(self.next, u32::max);
                    }
                    begun = Some(op);
                }
                Line::Done(..) => ops.extend(begun.take().map(|op| (op, None))),
                Line::Failed(why) => ops.extend(begun.take().map(|op| (op, Some(why)))),
            }
        }
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let status = child.wait().unwrap();
        wrong.map(|()| Ending { status, complaints, ops })
    }

    /// Holds the data folder against what is known; what is seen is known from then on.
    pub fn check(&mut self) -> Result<Seen, String> {
        self.see(Oracle::check)
    }

    /// The same, for a folder that the power may yet be cut of: what is seen may go again.
    pub fn look(&mut self) -> Result<Seen, String> {
        self.see(|oracle, data| oracle.clone().check(data))
    }

    /// On a copy, so that the next process finds the folder as the last one left it, and has to recover
    /// it itself.
    fn see<T>(&mut self, check: impl FnOnce(&mut Oracle, &Path) -> T) -> T {
        let copied = self.path("copy");
        copy(&self.disk(), &copied);
        let seen = check(&mut self.oracle, &copied.join("data"));
        fs::remove_dir_all(&copied).unwrap();
        seen
    }
}

/// A copy of a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
