//! The database from outside: against upstream's folders, against a naive model, against a disk that fails.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod churn;
mod crash;
mod encodings;
mod flips;
mod golden;
mod interop;
mod model;
mod peers;
mod snapshot;
mod support;
mod tools;
