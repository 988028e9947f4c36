//! The `gauntlet` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    gauntlet::run(std::env::args().collect())
}
