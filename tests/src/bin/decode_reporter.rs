//! Decodes photos from standard input and reports time and memory of each. Input: length (8 bytes, little
//! endian) and content, repeated. Output: one JSON object per photo. Runs as a separate process, because peak
//! memory is measured per process and the test must survive a crash.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::time::Instant;

use picpick_engine::{DecodeLimits, Picture};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

/// Limit of the address space of this process, bytes. A decoder that allocates more aborts, which the test
/// counts as a crash.
const ADDRESSES_MAX: u64 = 2 << 30;

fn main() {
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(ADDRESSES_MAX), maximum }).unwrap();
    // The engine catches panics; their messages would only clutter the output.
    std::panic::set_hook(Box::new(|_| {}));
    let limits = DecodeLimits::default();
    let baseline = status_bytes("VmRSS");
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut length = [0; 8];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes).unwrap();
        // Resets the peak (VmHWM) to the current resident size.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let start = Instant::now();
        let header = Picture::probe(&bytes, &limits);
        let outcome = header
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|header| header.decode(&bytes, &limits).map_err(|error| error.to_string()));
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let peak_bytes = status_bytes("VmHWM").saturating_sub(baseline);
        let (claimed_bytes, passed_pixels) =
            header.map_or((0, 0), |header| (header.memory_bytes, header.pixel_passes));
        let report = json!({
            "ms": ms,
            "peak_bytes": peak_bytes,
            "claimed_bytes": claimed_bytes,
            "passed_pixels": passed_pixels,
            "reason": outcome.err(),
        });
        writeln!(output, "{report}").unwrap();
        output.flush().unwrap();
    }
}

fn status_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
