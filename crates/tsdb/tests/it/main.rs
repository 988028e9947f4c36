//! The database from outside: against upstream's folders, against a naive model, against a disk that fails.

mod golden;
mod support;
mod crash;
mod model;
