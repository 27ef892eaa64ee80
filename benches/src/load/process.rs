//! The service that is measured: the real program as a process of its own, and what the system says of it.
//!
//! Its folder is made for it and removed with it. Knows nothing of requests.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long the program may take until it listens.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to end.
const STOP_MAX: Duration = Duration::from_secs(40);

/// Variables that would take the service elsewhere than to its own folder.
const ELSEWHERE: [&str; 9] = [
    "PICPICK_DATA",
    "PICPICK_KEYRING",
    "PICPICK_DATABASE_URL",
    "PICPICK_DATABASE_URL_FILE",
    "PICPICK_PHOTOS",
    "PICPICK_PUBLIC_URL",
    "PICPICK_TLS_CERT",
    "PICPICK_TLS_KEY",
    "PICPICK_ALERT_WEBHOOK",
];

/// A running service.
pub struct Service {
    process: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Makes the first account.
    pub setup_token: String,
}

impl Service {
    /// Starts `program` on an empty folder below `base`, with `options` beside those that it needs here.
    ///
    /// All guests share one machine here, so each tells an address of its own as a proxy would, and the
    /// one key that they all use may do everything: the limits per address are those of a real service.
    pub fn start(program: &Path, base: &Path, options: &[String]) -> Result<Self> {
        let folder = base.join(format!("picpick-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut command = Command::new(program);
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        command.env("PICPICK_DATA", folder.join("data")).env("NO_COLOR", "1");
        command.args(["serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"]);
        command.args(["--rate-limit-key", "1000000"]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = command.spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                return Err(error).with_context(|| format!("starting {}", program.display()));
            }
        };
        let said = listen(&mut process);
        let mut service =
            Self { process, folder, address: String::new(), setup_token: String::new() };
        service.wait_until_it_listens(&said?)?;
        Ok(service)
    }

    fn wait_until_it_listens(&mut self, said: &Receiver<String>) -> Result<()> {
        let begun = Instant::now();
        let mut all = String::new();
        while self.setup_token.is_empty() {
            let left = START_MAX.saturating_sub(begun.elapsed());
            let Ok(line) = said.recv_timeout(left) else {
                bail!("the service does not listen; it said: {all}");
            };
            if let Some(address) = line.strip_prefix("PicPick listens on http://") {
                address.clone_into(&mut self.address);
            } else if let Some((_, token)) = line.split_once("/setup#") {
                token.clone_into(&mut self.setup_token);
            } else {
                all += &format!("\n{line}");
            }
        }
        Ok(())
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(&self.process.id().to_string())
    }

    /// Asks it to end and removes its folder.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let begun = Instant::now();
        while self.process.try_wait()?.is_none() {
            if begun.elapsed() > STOP_MAX {
                bail!("the service did not end within {} s", STOP_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Reads what the service says for as long as it runs, or it would wait for a reader.
fn listen(process: &mut Child) -> Result<Receiver<String>> {
    let lines = BufReader::new(process.stderr.take().context("no standard error")?).lines();
    let (tell, said) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // Nobody waits for the lines that come after it listens.
            let _ = tell.send(line);
        }
    });
    Ok(said)
}

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub rss_mib: f64,
    pub cpu_s: f64,
}

impl Usage {
    /// Of this program.
    pub fn own() -> Result<Self> {
        Self::of("self")
    }

    fn of(process: &str) -> Result<Self> {
        let read = |name: &str| {
            let file = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))
        };
        let (status, stat) = (read("status")?, read("stat")?);
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = kib.and_then(|text| text.trim().split(' ').next()).context("no VmRSS")?;
        // The name in brackets may hold spaces; times of the user and of the system stand 12 words after.
        let times = stat.rsplit_once(')').context("no process name")?.1;
        let ticks: u64 =
            times.split_whitespace().skip(11).take(2).map(|word| word.parse().unwrap_or(0)).sum();
        let a_second = rustix::param::clock_ticks_per_second();
        Ok(Self {
            rss_mib: kib.parse::<f64>()? / 1024.0,
            cpu_s: ticks as f64 / a_second.max(1) as f64,
        })
    }
}

/// Processor seconds that all processes of this machine have used, and what its host took from it.
pub fn machine_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let times = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    // User, nice, system, idle, waiting for disks, two kinds of interrupts, stolen.
    let busy = times.enumerate().filter(|(which, _)| ![3, 4].contains(which));
    let ticks: u64 = busy.map(|(_, word)| word.parse().unwrap_or(0)).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_time() {
        let (before, all_before) = (Usage::own().unwrap(), machine_cpu_s().unwrap());
        assert!(before.rss_mib > 1.0, "{before:?}");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let spent = Usage::own().unwrap().cpu_s - before.cpu_s;
        let all = machine_cpu_s().unwrap() - all_before;
        assert!(spent > 0.02 && all > 0.02, "{spent} of {all}");
    }
}
