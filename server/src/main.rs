use std::process::ExitCode;

// The code is in the library, so that the tests can build and start the same program.
fn main() -> ExitCode {
    picpick_server::main()
}
