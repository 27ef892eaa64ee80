use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use anyhow::{Context as _, Result};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use crate::config::{UsageError, keys_passphrase};

/// Least length of a passphrase, in characters.
const LENGTH_MIN: usize = 12;

/// Returns the passphrase for a new export of the keyring: from the environment, or asked for twice at the
/// terminal.
///
/// # Errors
/// - `UsageError` if there is no passphrase and no terminal, or if the passphrase is weak or typed differently.
pub fn new() -> Result<Zeroizing<String>> {
    let passphrase = match keys_passphrase()? {
        Some(given) => given,
        None => {
            let mut terminal = Terminal::open()?;
            let first = terminal.ask("Passphrase for the export: ")?;
            if terminal.ask("The same passphrase again: ")? != first {
                return Err(UsageError("the two passphrases differ; try again".into()).into());
            }
            first
        }
    };
    // An attacker with the file can try passphrases without limit, so the requirements exceed those of a sign-in.
    let weak = zxcvbn(&passphrase, &["picpick"]).score() < Score::Three;
    if passphrase.chars().count() < LENGTH_MIN || weak {
        let hint = "the passphrase is weak: expected 12 characters or more that are hard to guess; use several \
                    uncommon words";
        return Err(UsageError(hint.into()).into());
    }
    Ok(passphrase)
}

/// Returns the passphrase of an existing export: from the environment, or asked for at the terminal.
///
/// # Errors
/// - `UsageError` if there is no passphrase and no terminal.
pub fn existing() -> Result<Zeroizing<String>> {
    match keys_passphrase()? {
        Some(given) => Ok(given),
        None => Terminal::open()?.ask("Passphrase of the export: "),
    }
}

/// The controlling terminal without echo; the echo is restored when this is dropped.
struct Terminal {
    lines: BufReader<File>,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self> {
        let none = |_| {
            UsageError(
                "no passphrase: set PICPICK_KEYS_PASSPHRASE_FILE to a file that contains it, or run the command at \
                 a terminal"
                    .into(),
            )
        };
        let file = File::options().read(true).write(true).open("/dev/tty").map_err(none)?;
        let before = tcgetattr(&file).context("reading the state of the terminal")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&file, OptionalActions::Flush, &silent).context("switching the echo off")?;
        Ok(Self { lines: BufReader::new(file), before })
    }

    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>> {
        let reading = "reading from the terminal";
        self.lines.get_mut().write_all(question.as_bytes()).context(reading)?;
        let mut line = Zeroizing::new(String::new());
        self.lines.read_line(&mut line).context(reading)?;
        self.lines.get_mut().write_all(b"\n").context(reading)?;
        Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failure leaves the terminal without echo, which the user sees.
        let _ = tcsetattr(self.lines.get_ref(), OptionalActions::Flush, &self.before);
    }
}
