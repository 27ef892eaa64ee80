use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use picpick_engine::receipts::declare_freed_memory_overwritten;

use super::CliArguments;
use super::context::Context;
use super::interrupt::Interrupt;
use super::report::{self, ExitStatus, Report};
use crate::config::UsageError;
use crate::infra::freed_memory;

/// Runs `picpick` with the process's arguments, beside a watcher for Ctrl-C. Prints the report or the error
/// and returns the exit status.
pub fn main() -> ExitCode {
    // The engine catches and reports a decoder's panic on a hostile file. Any other panic is a defect and
    // prints one line instead of a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), ToString::to_string);
        report::note(&format!("internal error at {place}"));
    }));
    harden();
    if freed_memory::is_overwritten() {
        declare_freed_memory_overwritten();
    }
    let arguments = match CliArguments::try_parse() {
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

/// Disables core dumps and, on Linux, the attachment of debuggers, because this process's memory contains
/// keys and faces.
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    // Best effort: the program also runs if the system rejects these calls.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

fn start(arguments: CliArguments) -> anyhow::Result<Report> {
    let config = arguments.config.validate()?;
    // One thread waits for signals, because a command blocks the thread on which it runs.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let interrupt = Arc::new(Interrupt::default());
    let outcome = runtime.block_on(async {
        tokio::spawn(Arc::clone(&interrupt).watch());
        let context = Context::new(config, interrupt);
        tokio::task::spawn_blocking(move || arguments.command.run(&context)).await
    });
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| {
        Err(anyhow::anyhow!(
            "picpick has a defect; report the line 'internal error at' above to its maintainers"
        ))
    })
}

/// Prints a usage error, the help or the version, and returns the exit status.
fn refuse(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.to_string();
        report::note(text.trim_end());
        // Only the first paragraph is the error; the others are the usage line and a hint at --help.
        let paragraph: Vec<&str> =
            text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let message = paragraph.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        return ExitCode::from(report::print_failure(&UsageError(message), ExitStatus::Usage) as u8);
    }
    // Printing fails only if the pipe is closed, and then no reader could see the reason.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Done } as u8)
}
