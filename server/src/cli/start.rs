//! From the process's arguments to its exit status.
//!
//! Runs the command beside a watcher for Ctrl-C, prints its report or its error, and turns both into an
//! exit status. Knows no command by name.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use super::context::Context;
use super::interrupt::Interrupt;
use super::report::{self, Report, Status};
use super::{Arguments, Usage};

/// Runs `picpick` with the process's arguments.
pub fn main() -> ExitCode {
    // A decoder that gives up on a hostile file is caught and reported by the engine; what nobody
    // catches ends in one line, not in a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), ToString::to_string);
        report::note(&format!("internal error at {place}"));
    }));
    harden();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let json = arguments.config.json;
    let status = match start(arguments) {
        Ok(report) => report.print(json),
        Err(error) => report::print_error(&error, json),
    };
    ExitCode::from(status as u8)
}

/// No core dump and no debugger of another process may see keys and faces.
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    // Best effort: what the system does not allow is no reason to refuse to run.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

fn start(arguments: Arguments) -> anyhow::Result<Report> {
    let config = arguments.config.validate()?;
    // One thread waits for signals; the work has threads of its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let interrupt = Arc::new(Interrupt::default());
    let outcome = runtime.block_on(async {
        tokio::spawn(Arc::clone(&interrupt).watch());
        let context = Context::new(config, interrupt);
        tokio::task::spawn_blocking(move || arguments.command.run(&context)).await
    });
    runtime.shutdown_background();
    outcome
        .unwrap_or_else(|_| Err(anyhow::anyhow!("this should not have happened; please report it")))
}

/// Wrong usage, or a request for help or the version.
fn refuse(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.to_string();
        report::note(text.trim_end());
        // What follows the first paragraph is usage and where to find help.
        let paragraph: Vec<&str> =
            text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let message = paragraph.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        return ExitCode::from(report::print_failure(&Usage(message), Status::Usage) as u8);
    }
    // A closed pipe is the only way this fails, and then nobody reads the reason.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Status::Usage } else { Status::Done } as u8)
}
