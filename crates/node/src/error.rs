//! The crate's errors: a bad configuration, a refused filter, and why one collector has nothing (or not everything) to show.

use std::io;

/// The configuration cannot be used; the process should not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("--{flag}: invalid value {value:?}: {reason}")]
    Value { flag: String, value: String, reason: String },
    #[error("--{first} and --{second} are mutually exclusive")]
    Exclusive { first: String, second: String },
    #[error("collector {collector}: {reason}")]
    Collector { collector: &'static str, reason: String },
}

/// A `collect[]` or `exclude[]` query that must be answered with 400. The texts are upstream's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("Combined collect and exclude queries are not allowed.")]
    Combined,
    #[error(
        "Couldn't create filtered metrics handler: couldn't create collector: missing collector: {0}"
    )]
    Missing(String),
    #[error(
        "Couldn't create filtered metrics handler: couldn't create collector: disabled collector: {0}"
    )]
    Disabled(String),
}

/// Why a collector did not (fully) succeed in one scrape. `NoData` is the ordinary case of a source that this host lacks.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no data: {0}")]
    NoData(String),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path}: {source}")]
    Parse { path: String, source: Malformed },
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub fn is_no_data(&self) -> bool {
        matches!(self, Failure::NoData(_))
    }

    pub(crate) fn io(path: impl Into<String>, source: io::Error) -> Failure {
        Failure::Io { path: path.into(), source }
    }

    /// An absent source means "no data here"; every other error is a failure.
    pub(crate) fn absent_is_no_data(path: impl Into<String>, source: io::Error) -> Failure {
        let path = path.into();
        if source.kind() == io::ErrorKind::NotFound {
            Failure::NoData(format!("{path} does not exist"))
        } else {
            Failure::Io { path, source }
        }
    }
}

/// Bytes that do not have the expected shape, and what was wrong with them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(crate) fn new(what: impl Into<String>) -> Malformed {
        Malformed(what.into())
    }

    pub(crate) fn at(self, path: impl Into<String>) -> Failure {
        Failure::Parse { path: path.into(), source: self }
    }
}
