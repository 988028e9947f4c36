//! Go's own vectors, and properties of the whole.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests panic and print totals")]

mod alertmanager;
mod golden;
mod hostile;
mod html;
mod item;
mod limits;
mod prometheus;
mod text;
