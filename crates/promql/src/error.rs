//! What is wrong with a query's text, and where.

use std::fmt;

use crate::ast::PosRange;
use crate::text::line_and_column;

/// One thing that is wrong. Prints as `line:column: parse error: message`, with upstream's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: parse error: {message}")]
pub struct ParseError {
    pub pos: PosRange,
    pub message: String,
    /// `line:column` of the start, both from 1, the column in bytes.
    pub position: String,
}

impl ParseError {
    pub(crate) fn new(query: &str, pos: PosRange, message: String) -> Self {
        Self { pos, message, position: line_and_column(query, pos.start as usize) }
    }
}

/// All that was found wrong, at least one, in the order found. Prints as the first, as upstream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseErrors(pub Vec<ParseError>);

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(first) => first.fmt(f),
            None => f.write_str("error contains no error message"),
        }
    }
}

impl std::error::Error for ParseErrors {}
