//! Ctrl-C while indexing: the run ends cleanly, what it reports is stored, and it can go on later.
//!
//! The signal is sent when the run has named its first bad file, so that it is certainly under way.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use picpick_tests::{crowd, sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PHOTOS: usize = 150;

fn stop_with(signal: Signal) {
    let sandbox = sandbox!();
    let photos = crowd(&sandbox, PHOTOS);
    // The first in order of name: seen when workers have begun.
    std::fs::write(photos.join("0000 bad.jpg"), "no photo").unwrap();
    sandbox.done(["collections", "create", "Event"]);
    let mut command = sandbox.command();
    command.args(["index", "Event", "--json"]).arg(&photos);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !said.contains("0000 bad.jpg") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended early: {said}");
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopping"), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["stopped"], true, "{document}");
    let stored = document["photos"].as_u64().unwrap() as usize;
    assert!(stored < PHOTOS, "it was stopped before the end");
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
fn being_terminated_is_like_ctrl_c() {
    stop_with(Signal::TERM);
}
