//! The database from outside: against upstream's folders, against a naive model, against a disk that fails.

mod crash;
mod golden;
mod model;
mod peers;
mod support;
