//! The whole configuration against the peer's own files and answers.

mod broken;
mod conformance;
mod echo;
mod errors;
