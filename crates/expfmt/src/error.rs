//! Why a body was refused, and where.

use std::fmt;

use gauntlet_model::float::GoQuoted;

/// A refusal of a body, with the place. `message` is upstream's text, which users match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, counted from 1; 0 for binary bodies, where `column` is the byte offset.
    pub line: usize,
    /// Column in bytes, counted from 1.
    pub column: usize,
    pub message: String,
}

impl ParseError {
    /// An error at byte `at` of a text; only here lines are counted.
    pub(crate) fn at(body: &[u8], line_start: usize, at: usize, message: String) -> Self {
        let line_start = line_start.min(body.len());
        let line = memchr::memchr_iter(b'\n', &body[..line_start]).count() + 1;
        Self { line, column: at.saturating_sub(line_start) + 1, message }
    }

    /// An error at a byte offset of a binary body.
    pub(crate) fn binary(offset: usize, message: impl Into<String>) -> Self {
        Self { line: 0, column: offset, message: message.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{} (byte {})", self.message, self.column)
        } else {
            write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
        }
    }
}

impl std::error::Error for ParseError {}

/// The body's Content-Type does not say how to read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentTypeError {
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    #[error(
        "cannot parse Content-Type {} and no fallback_scrape_protocol for target\nmime: invalid media parameter",
        GoQuoted(.0)
    )]
    Malformed(String),
    #[error(
        "received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
        GoQuoted(.0)
    )]
    Unsupported(String),
}
