//! Flags, roles, wiring and signals.
//!
//! [`run`] is the whole program: it looks at the name it was called by and at its arguments, picks a role, and runs it until
//! it is told to stop. Roles own no logic of their own; they build components and hand them to each other.

mod amtool;
mod commands;
mod flags;
mod roles;
mod signals;
mod tools;
mod web;

use std::process::ExitCode;

/// Runs the command line `arguments`, of which the first is the program's name.
pub fn run(arguments: Vec<String>) -> ExitCode {
    let ending = commands::run(&arguments);
    write_out(&ending);
    ExitCode::from(ending.code)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a command says goes to its caller"
)]
fn write_out(ending: &flags::program::Ending) {
    print!("{}", ending.stdout);
    eprint!("{}", ending.stderr);
}
