//! Decodes a thousand decompression bombs and damaged files, generated from a fixed seed. None may crash the
//! decoder or exceed its limits of memory and pixel passes. Times are only printed, because they depend on
//! the machine's load.

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
/// Limit of the peak memory while a file is decoded, above the memory of a process without a file, bytes.
const PEAK_BYTES_MAX: u64 = 256 << 20;
/// Allowance of the process beyond the memory that the engine announces for decoding (stacks, allocator),
/// bytes.
const SLACK_BYTES: u64 = 8 << 20;
/// Maximum time without output before a decoder counts as hung; much longer than decoding a file takes on a
/// busy machine.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A hostile file; the name describes how it was made.
struct Bomb {
    name: String,
    bytes: Vec<u8>,
}

/// A function that receives the files one by one, so that only one file is in memory.
type Visit<'a> = &'a mut dyn FnMut(Bomb);

/// A deterministic random number generator (xorshift).
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

/// The decoding process, which the test restarts after a crash.
struct Decoder {
    child: Child,
    reports: Receiver<String>,
}

impl Decoder {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_picpick-decode-reporter"))
            // Freed blocks of 256 KiB and more are returned to the system at once, so that a file's peak
            // memory does not include memory of the previous file.
            .env("MALLOC_MMAP_THRESHOLD_", "262144")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, reports) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { child, reports }
    }

    /// Decodes `bytes` in the process. Returns its report, or `None` if it crashed or hangs.
    fn decode(&mut self, bytes: &[u8]) -> Option<Value> {
        let input = self.child.stdin.as_mut()?;
        let sent = input
            .write_all(&(bytes.len() as u64).to_le_bytes())
            .and_then(|()| input.write_all(bytes))
            .and_then(|()| input.flush());
        let line = sent.ok().and_then(|()| self.reports.recv_timeout(SILENCE_MAX).ok())?;
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
struct DecodeFigures {
    files: usize,
    read: usize,
    panics: usize,
    most_ms: (f64, String),
    most_bytes: (u64, String),
    faults: Vec<String>,
    reasons: BTreeMap<String, usize>,
}

impl DecodeFigures {
    fn add(&mut self, bomb: &Bomb, report: Option<Value>) {
        self.files += 1;
        let Some(report) = report else {
            self.faults.push(format!("{}: the decoder crashed or hangs", bomb.name));
            return;
        };
        let number = |name: &str| report[name].as_u64().unwrap();
        let (ms, peak) = (report["ms"].as_f64().unwrap(), number("peak_bytes"));
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
        if number("passed_pixels") > DecodeLimits::default().pixel_passes_max {
            self.faults.push(format!("{}: {} pixels passed", bomb.name, number("passed_pixels")));
        }
        let Some(reason) = report["reason"].as_str() else {
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
    let mut figures = DecodeFigures::default();
    let mut decoder = Decoder::start();
    let mut visit = |bomb: Bomb| {
        let report = decoder.decode(&bomb.bytes);
        if report.is_none() {
            decoder = Decoder::start();
        }
        figures.add(&bomb, report);
    };
    jpegs::all(&mut visit);
    pngs::all(&mut visit);
    webps::all(&mut visit);
    damage::all(&mut visit);
    for (reason, count) in &figures.reasons {
        println!("{count:5} {reason}");
    }
    let DecodeFigures { files, read, panics, most_ms, most_bytes, .. } = &figures;
    println!(
        "{files} files, {read} read, {panics} panics caught; most time {:.0} ms ({}), most memory {} MiB ({})",
        most_ms.0,
        most_ms.1,
        most_bytes.0 >> 20,
        most_bytes.1
    );
    assert!(figures.faults.is_empty(), "{}", figures.faults.join("\n"));
    assert!(*files >= FILES, "expected {FILES} files, made {files}");
    // Some damage cannot be detected, and those photos are decoded. If all files were refused, the test would
    // not exercise the decoders.
    assert!(*read >= 100, "only {read} files were decoded");
}
