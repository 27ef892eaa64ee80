//! The program `picpick` in this package: Cargo gives tests the paths of programs of their own package only.

use std::process::ExitCode;

fn main() -> ExitCode {
    picpick_server::main()
}
