//! Runs child processes on a data folder and checks it against the oracle, which reads their output. The
//! folder is in memory if possible, because the shadow or the kernel decides what is durable, not a disk.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use picpick_engine::Pack;
use tempfile::TempDir;

use crate::oracle::{Oracle, Seen};
use crate::shim::Faults;
use crate::workload::{Line, Op};

/// A folder in memory on most Linux systems.
const MEMORY: &str = "/dev/shm";

pub struct Harness {
    sandbox: TempDir,
    program: PathBuf,
    oracle: Oracle,
    /// The lowest photo number that was never used.
    next: u32,
}

/// The work of a child process.
#[derive(Clone, Copy)]
pub struct Job {
    pub seed: u64,
    pub ops: usize,
    /// Whether it purges a collection at the end.
    pub purges: bool,
}

/// The result of a child process.
pub struct Ending {
    pub status: ExitStatus,
    pub complaints: String,
    /// The operations that ended, each with the message of its failure.
    pub ops: Vec<(Op, Option<String>)>,
}

/// The time of a kill from outside: the number of lines that the process has printed, and a delay after them.
pub type KillAfter = (usize, Duration);

impl Ending {
    /// Returns the signal that ended the process, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn failures(&self) -> impl Iterator<Item = (&Op, &str)> {
        self.ops.iter().filter_map(|(op, why)| Some((op, why.as_deref()?)))
    }
}

impl Harness {
    /// Creates a harness with an empty disk for the program at `program`.
    pub fn new(program: &str) -> Self {
        let sandbox = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(sandbox.path().join("disk")).unwrap();
        let oracle = Oracle::new(Pack::builtin(Pack::DEFAULT).unwrap());
        Self { sandbox, program: program.into(), oracle, next: 0 }
    }

    /// Returns a copy of this harness with its own disk.
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

    /// Returns a path beside the disk, on the same file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// Returns the folder that simulates a disk.
    pub fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// Returns the data folder on the disk; the first process creates it.
    pub fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// Runs a process and reads its output until it ends or is killed. Errors if the output contradicts the
    /// oracle.
    pub fn run(
        &mut self,
        job: Job,
        faults: Option<&Faults>,
        kill: Option<KillAfter>,
    ) -> Result<Ending, String> {
        let mut command = Command::new(&self.program);
        command.arg(self.disk().canonicalize().unwrap().join("data"));
        command.args([job.seed.to_string(), job.ops.to_string(), self.next.to_string()]);
        command.args(job.purges.then_some("purge"));
        if let Some(faults) = faults {
            faults.arm(&mut command, &self.disk());
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.listen(child.spawn().unwrap(), kill)
    }

    fn listen(&mut self, mut child: Child, kill: Option<KillAfter>) -> Result<Ending, String> {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut ops, mut lines_read, mut text) = (Vec::new(), 0, String::new());
        let (mut begun, mut wrong) = (None, Ok(()));
        loop {
            if let Some((_, delay)) = kill.filter(|(lines, _)| *lines == lines_read) {
                std::thread::sleep(delay);
                child.kill().unwrap();
            }
            text.clear();
            if out.read_line(&mut text).unwrap() == 0 {
                break;
            }
            lines_read += 1;
            // A truncated line does not count.
            let Some(line) = text.strip_suffix('\n') else { break };
            let line = line.parse::<Line>()?;
            wrong = wrong.and_then(|()| self.oracle.observe(&line));
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

    /// Checks the data folder against the oracle, and then sets the oracle to the state found.
    pub fn check(&mut self) -> Result<Seen, String> {
        self.see(Oracle::check)
    }

    /// Checks the data folder without changing the oracle: a later power cut may still undo the state found.
    pub fn look(&mut self) -> Result<Seen, String> {
        self.see(|oracle, data| oracle.clone().check(data))
    }

    /// Runs `check` on a copy, because opening the data folder recovers it, and the next process must do that
    /// itself.
    fn see<T>(&mut self, check: impl FnOnce(&mut Oracle, &Path) -> T) -> T {
        let copied = self.path("copy");
        copy(&self.disk(), &copied);
        let seen = check(&mut self.oracle, &copied.join("data"));
        fs::remove_dir_all(&copied).unwrap();
        seen
    }
}

/// Copies a folder recursively.
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
