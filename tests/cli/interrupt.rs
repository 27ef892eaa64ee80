use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use picpick_tests::{crowd, sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PHOTOS: usize = 150;

/// Sends `signal` to an indexing run that has reported its first bad file, so that the signal arrives during
/// the run. Checks that the run ends cleanly and has stored the photos that it reports, and that a later run
/// indexes the rest.
fn stop_with(signal: Signal) {
    let sandbox = sandbox!();
    let photos = crowd(&sandbox, PHOTOS);
    // This file is the first in name order. The run reports it once the workers have started.
    std::fs::write(photos.join("0000 bad.jpg"), "no photo").unwrap();
    sandbox.done(["collections", "create", "Event"]);
    let mut command = sandbox.command();
    command.args(["index", "Event", "--json"]).arg(&photos);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr_text = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !stderr_text.contains("0000 bad.jpg") {
        assert!(
            stderr.read_line(&mut stderr_text).unwrap() > 0,
            "the run ended early: {stderr_text}"
        );
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    stderr.read_to_string(&mut stderr_text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr_text}");
    assert!(stderr_text.contains("stopping"), "{stderr_text}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["stopped"], true, "{document}");
    let stored = document["photos"].as_u64().unwrap() as usize;
    assert!(stored < PHOTOS, "the run was not stopped before its end");
    let shown = sandbox.done(["collections", "show", "Event"]);
    assert_eq!(
        (&shown["photos"], &shown["faces"]),
        (&stored.into(), &document["faces"]),
        "{shown}"
    );
    let rest = sandbox.index(&[photos]);
    assert_eq!(
        (&rest["photos"], &rest["already_indexed"]),
        (&(PHOTOS - stored).into(), &stored.into()),
        "{rest}"
    );
    assert_eq!(rest["stopped"], false);
}

#[test]
fn ctrl_c_ends_a_run_cleanly() {
    stop_with(Signal::INT);
}

#[test]
fn sigterm_ends_a_run_like_ctrl_c() {
    stop_with(Signal::TERM);
}
