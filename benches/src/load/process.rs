use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Time limit for the service to start listening.
const START_MAX: Duration = Duration::from_secs(60);
/// Time limit for the service to end.
const STOP_MAX: Duration = Duration::from_secs(40);

/// Environment variables that the service must not inherit, because they would direct it to other data,
/// addresses or a webhook.
const CLEARED_VARIABLES: [&str; 9] = [
    "PICPICK_DATA",
    "PICPICK_KEYRING",
    "PICPICK_DATABASE_URL",
    "PICPICK_DATABASE_URL_FILE",
    "PICPICK_PHOTO_STORE",
    "PICPICK_PUBLIC_URL",
    "PICPICK_TLS_CERT",
    "PICPICK_TLS_KEY",
    "PICPICK_ALERT_WEBHOOK",
];

/// A running service with a data folder of its own. Dropping the value kills the process and removes the
/// folder.
pub struct Service {
    process: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The token of the first account's link.
    pub setup_token: String,
}

impl Service {
    /// Starts `program` with an empty folder below `base`, and with `options` in addition to the ones that
    /// the measurement needs.
    ///
    /// This machine is a trusted proxy, so that each guest can have a separate client address. The rate
    /// limits of addresses have their defaults. The rate limit of API keys is raised, because all guests use
    /// one key.
    pub fn start(program: &Path, base: &Path, options: &[String]) -> Result<Self> {
        let folder = base.join(format!("picpick-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut command = Command::new(program);
        for name in CLEARED_VARIABLES {
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
        let lines = read_lines(&mut process);
        let mut service =
            Self { process, folder, address: String::new(), setup_token: String::new() };
        service.wait_until_listening(&lines?)?;
        Ok(service)
    }

    /// Reads the service's address and setup token from its standard error.
    fn wait_until_listening(&mut self, lines: &Receiver<String>) -> Result<()> {
        let begun = Instant::now();
        let mut output = String::new();
        while self.setup_token.is_empty() {
            let left = START_MAX.saturating_sub(begun.elapsed());
            let Ok(line) = lines.recv_timeout(left) else {
                bail!(
                    "the service ended or did not listen within {} s; its output: {output}",
                    START_MAX.as_secs()
                );
            };
            if let Some(address) = line.strip_prefix("PicPick listens on http://") {
                address.clone_into(&mut self.address);
            } else if let Some((_, token)) = line.split_once("/setup#") {
                token.clone_into(&mut self.setup_token);
            } else {
                output += &format!("\n{line}");
            }
        }
        Ok(())
    }

    /// Returns the memory and processor time that the service has used.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(&self.process.id().to_string())
    }

    /// Ends the service with SIGTERM and removes its folder.
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

/// Reads the lines of the service's standard error until the service ends, because the service would block on
/// a full pipe.
fn read_lines(process: &mut Child) -> Result<Receiver<String>> {
    let stderr = process.stderr.take().context("the service has no standard error")?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Sending fails after the start, when the receiver has been dropped.
            let _ = sender.send(line);
        }
    });
    Ok(receiver)
}

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory.
    pub rss_mib: f64,
    /// Processor time of all its threads since it started, in user and kernel mode.
    pub cpu_s: f64,
}

impl Usage {
    /// Returns the usage of this program.
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
        let kib = kib
            .and_then(|text| text.trim().split(' ').next())
            .context("the process status has no VmRSS")?;
        // The process name in parentheses may contain spaces. User and system time are the 12th and 13th
        // field after it (proc_pid_stat(5)).
        let times = stat.rsplit_once(')').context("the process stat has no name")?.1;
        let ticks: u64 =
            times.split_whitespace().skip(11).take(2).map(|word| word.parse().unwrap_or(0)).sum();
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        Ok(Self {
            rss_mib: kib.parse::<f64>()? / 1024.0,
            cpu_s: ticks as f64 / ticks_per_s.max(1) as f64,
        })
    }
}

/// Returns the processor time that all processes of this machine have used plus the time that its host has
/// stolen, seconds.
pub fn machine_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let times = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    // User, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)); idle and iowait are not busy.
    let busy = times.enumerate().filter(|(which, _)| ![3, 4].contains(which));
    let ticks: u64 = busy.map(|(_, word)| word.parse().unwrap_or(0)).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64)
}

#[cfg(test)]
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
