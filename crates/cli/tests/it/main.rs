//! The real binary, started as users start it.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests panic and print totals")]

mod agent;
mod alertmanager;
mod api_errors;
mod bad_input;
mod cluster;
mod command_line;
mod crash;
mod explain;
mod golden;
mod remote_peers;
mod remote_write;
mod support;
mod web_app;
