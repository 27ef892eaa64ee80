//! A thousand image bombs and damaged files: none crashes the decoder or takes it far in memory.
//!
//! Made from a seed, so that every run sees the same files. Memory and the bound on work are asserted,
//! milliseconds only printed: what they are depends on who else uses the machine.

mod damage;
mod jpegs;
mod pngs;
mod webps;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use picpick_engine::DecodeLimits;
use serde_json::Value;

const FILES: usize = 1_000;
/// What one file may take over the memory of a process that has decoded nothing.
const PEAK_BYTES_MAX: u64 = 256 << 20;
/// What the process takes beside what the engine says that decoding takes: stacks, allocator.
const SLACK_BYTES: u64 = 8 << 20;
/// A decoder that is silent for so long hangs; far above any time that a busy machine explains.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A hostile file and a name that tells how it was made.
struct Bomb {
    name: String,
    bytes: Vec<u8>,
}

/// Takes one file after the other; they are never all in memory.
type Visit<'a> = &'a mut dyn FnMut(Bomb);

/// Repeatable numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// The process that decodes, started anew after a crash.
struct Decoder {
    child: Child,
    told: Receiver<String>,
}

impl Decoder {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_picpick-decode-reporter"))
            // Large blocks go back to the system at once, so that no file pays for the one before.
            .env("MALLOC_MMAP_THRESHOLD_", "262144")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, told) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { child, told }
    }

    /// `None` when the decoder crashed or hangs.
    fn decode(&mut self, bytes: &[u8]) -> Option<Value> {
        let input = self.child.stdin.as_mut()?;
        let sent = input
            .write_all(&(bytes.len() as u64).to_le_bytes())
            .and_then(|()| input.write_all(bytes))
            .and_then(|()| input.flush());
        let line = sent.ok().and_then(|()| self.told.recv_timeout(SILENCE_MAX).ok())?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Figures {
    files: usize,
    read: usize,
    panics: usize,
    most_ms: (f64, String),
    most_bytes: (u64, String),
    faults: Vec<String>,
    reasons: BTreeMap<String, usize>,
}

impl Figures {
    fn add(&mut self, bomb: &Bomb, told: Option<Value>) {
        self.files += 1;
        let Some(told) = told else {
            self.faults.push(format!("{}: the decoder crashed or hangs", bomb.name));
            return;
        };
        let number = |name: &str| told[name].as_u64().unwrap();
        let (ms, peak) = (told["ms"].as_f64().unwrap(), number("peak_bytes"));
        if ms > self.most_ms.0 {
            self.most_ms = (ms, bomb.name.clone());
        }
        if peak > self.most_bytes.0 {
            self.most_bytes = (peak, bomb.name.clone());
        }
        let size = bomb.bytes.len() as u64;
        if peak > PEAK_BYTES_MAX {
            self.faults.push(format!("{}: {} MiB", bomb.name, peak >> 20));
        }
        if number("claimed_bytes") > 0 && peak > number("claimed_bytes") + size + SLACK_BYTES {
            let (peak, claimed) = (peak >> 20, number("claimed_bytes") >> 20);
            self.faults.push(format!("{}: {peak} MiB, {claimed} MiB announced", bomb.name));
        }
        if number("passed_pixels") > DecodeLimits::default().passed_pixels_max {
            self.faults.push(format!("{}: {} pixels passed", bomb.name, number("passed_pixels")));
        }
        let Some(reason) = told["reason"].as_str() else {
            self.read += 1;
            return;
        };
        self.panics += usize::from(reason.contains("the decoder gave up"));
        if reason.is_empty() || !reason.is_ascii() || reason.contains('\n') {
            self.faults.push(format!("{}: no sentence: {reason:?}", bomb.name));
        }
        let kind: String =
            reason.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        *self.reasons.entry(kind).or_default() += 1;
    }
}

#[test]
fn a_thousand_hostile_files_are_read_or_refused_within_bounds() {
    let mut figures = Figures::default();
    let mut decoder = Decoder::start();
    let mut visit = |bomb: Bomb| {
        let told = decoder.decode(&bomb.bytes);
        if told.is_none() {
            decoder = Decoder::start();
        }
        figures.add(&bomb, told);
    };
    jpegs::all(&mut visit);
    pngs::all(&mut visit);
    webps::all(&mut visit);
    damage::all(&mut visit);
    for (reason, count) in &figures.reasons {
        println!("{count:5} {reason}");
    }
    let Figures { files, read, panics, most_ms, most_bytes, .. } = &figures;
    println!(
        "{files} files, {read} read, {panics} panics caught; most time {:.0} ms ({}), most memory {} MiB ({})",
        most_ms.0,
        most_ms.1,
        most_bytes.0 >> 20,
        most_bytes.1
    );
    assert!(figures.faults.is_empty(), "{}", figures.faults.join("\n"));
    assert!(*files >= FILES, "expected {FILES} files, made {files}");
    // Damage that no decoder can see leaves a photo that is read: were all refused, the test would
    // show nothing about decoding.
    assert!(*read >= 100, "only {read} files were decoded");
}
