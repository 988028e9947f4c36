//! The recorded calls of the real amtool, made here.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests panic and print totals")]

mod golden;
