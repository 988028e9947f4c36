//! Why a block could not be read or written.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use gauntlet_encoding::DecodeError;
use gauntlet_storage::QueryError;

/// Damage names the file, the offset in it, and what was expected and found there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockError {
    #[error("{path}: {action}: {source}")]
    Io { path: String, action: &'static str, source: Arc<io::Error> },
    #[error("{path}: damaged at offset {offset}: expected {expected}, found {found}")]
    Corrupt { path: String, offset: u64, expected: String, found: String },
    #[error("{path}: {reason}")]
    Unsupported { path: String, reason: String },
    /// A writer was given what no reader would take.
    #[error("{0}")]
    Refused(String),
    /// A format's own limit, e.g. 64 GiB of index.
    #[error("{path}: {what} would exceed {limit} bytes")]
    TooLarge { path: String, what: &'static str, limit: u64 },
}

impl BlockError {
    pub(crate) fn io(path: impl Display, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_string(), action, source: Arc::new(source) }
    }

    pub(crate) fn corrupt(
        path: impl Display,
        offset: u64,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::Corrupt {
            path: path.to_string(),
            offset,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// `base` is where in the file the decoded bytes begin.
    pub(crate) fn decode(path: impl Display, base: u64, what: &str, error: DecodeError) -> Self {
        let (DecodeError::CutShort { offset, .. }
        | DecodeError::VarintTooLong { offset }
        | DecodeError::NotUtf8 { offset }) = error;
        Self::corrupt(path, base + offset as u64, what, error)
    }

    /// Whether the bytes themselves are wrong, so that trying again cannot help.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Unsupported { .. })
    }
}

impl From<BlockError> for QueryError {
    fn from(error: BlockError) -> Self {
        match &error {
            BlockError::Io { .. } => Self::Unavailable(error.to_string()),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}
