//! The program `picpick` once more, so that the scenario tests are told where it lies.
//!
//! Holds nothing of its own: what it runs is what `server/` ships.

use std::process::ExitCode;

fn main() -> ExitCode {
    picpick_server::main()
}
