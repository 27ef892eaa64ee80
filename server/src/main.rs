//! The `picpick` program: hands over to the library, so that tests can start the same thing.
//!
//! Knows nothing of commands, configuration or the engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    picpick_server::main()
}
