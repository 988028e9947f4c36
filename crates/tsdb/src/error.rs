//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, by what a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum TsdbError {
    /// Reading or writing failed; the same step may work later.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// Bytes are not what their format says.
    #[error("{} is damaged: {reason}", path.display())]
    Corrupt { path: PathBuf, reason: String },
    /// Another process has the folder.
    #[error("{}", .0)]
    Locked(String),
    /// No write is taken until a restart: an earlier sync failed, and what it covered may be lost.
    #[error("log takes no writes: {0}; check the disk and restart")]
    ReadOnly(String),
    /// The log is being replayed; the same will work when that is done.
    #[error("the log is being replayed: {0}")]
    Replaying(&'static str),
    /// The database was closed before the step was done.
    #[error("the database is closing")]
    Closing,
    #[error("replaying the log failed: {0}")]
    Replay(String),
    #[error("{0}")]
    Block(String),
    #[error("{0}")]
    Invalid(String),
}

pub type Result<T> = std::result::Result<T, TsdbError>;

/// Puts action and path to an I/O error.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| TsdbError::Io { action, path: path.to_owned(), source })
    }
}
