//! The result of a command: text for people, one JSON document for programs, and an exit status.
//!
//! Only this file writes to standard output. A reader that closes the pipe early (`| head`) is not an error.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::config::UsageError;
use crate::error::ApiError;
use crate::infra::visible_text::is_bidi_control;

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NothingFound = 3,
}

/// A finished command's result.
#[derive(Debug)]
pub struct Report {
    json: String,
    text: String,
    status: ExitStatus,
}

impl Report {
    /// Returns a report with status `Done` that prints `document` with `--json` and `text` without it.
    pub fn new(document: &impl Serialize, text: String) -> anyhow::Result<Self> {
        let json = serde_json::to_string_pretty(document)?;
        Ok(Self { json, text, status: ExitStatus::Done })
    }

    /// Returns this report with another exit status.
    pub fn with(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }

    /// Prints the report; returns the exit status.
    pub fn print(&self, json: bool) -> ExitStatus {
        let text = if json { &self.json } else { &self.text };
        print(text).unwrap_or(self.status)
    }
}

/// Returns an error of the service's functions as the error of a command.
pub fn reason(failure: ApiError) -> anyhow::Error {
    anyhow::anyhow!(failure.reason().to_owned())
}

/// Prints an error: one line on standard error and, with `--json`, the JSON document of a failure.
pub fn print_error(error: &anyhow::Error, json: bool) -> ExitStatus {
    let message = message(error);
    note(&format!("error: {message}"));
    let status = if error.is::<UsageError>() { ExitStatus::Usage } else { ExitStatus::Failed };
    if json { print_failure(&message, status) } else { status }
}

/// Prints the JSON document of a failure on standard output; returns the exit status.
pub fn print_failure(message: &impl ToString, status: ExitStatus) -> ExitStatus {
    #[derive(Serialize)]
    struct FailureDocument {
        error: FailureReason,
    }
    #[derive(Serialize)]
    struct FailureReason {
        message: String,
    }
    let failure = FailureDocument { error: FailureReason { message: message.to_string() } };
    match serde_json::to_string_pretty(&failure) {
        Ok(text) => print(&text).unwrap_or(status),
        Err(_) => status,
    }
}

/// Prints a line on standard error.
pub fn note(text: &str) {
    // If standard error is closed, no other output could show the error.
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
}

/// Escapes control characters other than line ends, and bidirectional controls, because file names are
/// untrusted: a terminal executes control sequences, and reordered text misleads its reader.
pub fn printable(text: &str) -> String {
    let shown = |c: char| -> String {
        let escaped = (c.is_control() && c != '\n') || is_bidi_control(c);
        if escaped { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(shown).collect()
}

/// Writes `text` to standard output. Returns `Failed` if writing fails for a reason other than a closed pipe.
fn print(text: &str) -> Option<ExitStatus> {
    let mut out = std::io::stdout().lock();
    let written = if text.is_empty() || text.ends_with('\n') {
        out.write_all(text.as_bytes())
    } else {
        writeln!(out, "{text}")
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            note(&format!("error: writing to standard output: {error}"));
            Some(ExitStatus::Failed)
        }
        _ => None,
    }
}

/// Joins an error and its causes in one line. Leaves out a cause that the text contains already, because the
/// text of an I/O error, for instance, contains its cause.
fn message(error: &anyhow::Error) -> String {
    let mut all = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if all.is_empty() {
            all = cause;
        } else if !all.contains(&cause) {
            all = format!("{all}: {cause}");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let source = std::io::Error::other("disk on fire");
        let error = picpick_engine::Error::io("read", "/a", source);
        assert_eq!(message(&anyhow::Error::from(error)), "read /a: disk on fire");
        let error = anyhow::Error::from(std::io::Error::other("deep")).context("above");
        assert_eq!(message(&error), "above: deep");
    }

    #[test]
    fn a_terminal_is_sent_no_control_characters() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\r"), "a\\u{1b}[2Jb\nc\\r");
    }
}
