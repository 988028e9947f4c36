//! The real binary, started as users start it.

mod api_errors;
mod bad_input;
mod cluster;
mod command_line;
mod crash;
mod golden;
mod support;
