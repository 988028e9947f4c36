//! Why a query has no answer. Texts and kinds are the peer's.

use gauntlet_model::histogram::IncompatibleSchemas;
use gauntlet_runtime::{BudgetError, CancelReason};
use gauntlet_storage::QueryError;

use crate::error::ParseErrors;

/// An error of a query; prints as users see it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Parse(#[from] ParseErrors),
    /// The query is well-formed and yet not to be evaluated as asked.
    #[error("{0}")]
    BadData(String),
    /// Evaluation failed because of the data or a parameter.
    #[error("{0}")]
    Execution(String),
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    #[error(
        "query needs more memory than it may use: {0}; select fewer series or a shorter range, or raise the limit of memory per query"
    )]
    Memory(#[from] BudgetError),
    /// As [`EngineError::Memory`], with the operator that wanted the memory.
    #[error(
        "query needs more memory than it may use in operator {operator}: {error}; select fewer series or a shorter range, or raise the limit of memory per query"
    )]
    MemoryOf { operator: &'static str, error: BudgetError },
    #[error("query timed out in {0}")]
    TimedOut(&'static str),
    #[error("query was canceled in {0}")]
    Canceled(&'static str),
    /// A storage could not be read.
    #[error("expanding series: {0}")]
    Storage(QueryError),
    /// A bug of ours, kept from taking the process down.
    #[error("unexpected error: {0}")]
    Internal(String),
}

/// Where in a query time ran out, as the peer says it.
pub(super) const EVALUATION: &str = "expression evaluation";
pub(super) const EXECUTION: &str = "query execution";

impl EngineError {
    /// Whether the query is to be run again, on a selection that is not deferred.
    pub(super) fn is_moved(&self) -> bool {
        matches!(self, Self::Storage(QueryError::Moved))
    }

    /// The `errorType` of the HTTP API.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Parse(_) | Self::BadData(_) => "bad_data",
            Self::TimedOut(_) => "timeout",
            Self::Canceled(_) => "canceled",
            Self::Internal(_) => "internal",
            Self::Execution(_)
            | Self::TooManySamples
            | Self::Memory(_)
            | Self::MemoryOf { .. }
            | Self::Storage(_) => "execution",
        }
    }

    /// Names the operator at work where memory ran out, unless one within did so.
    pub(super) fn of_operator(self, operator: &'static str) -> Self {
        match self {
            Self::Memory(error) => Self::MemoryOf { operator, error },
            other => other,
        }
    }

    pub(super) fn execution(text: impl Into<String>) -> Self {
        Self::Execution(text.into())
    }

    /// Two samples of one label set at one instant.
    pub(super) fn same_labels() -> Self {
        Self::execution("vector cannot contain metrics with the same labelset")
    }
}

impl From<CancelReason> for EngineError {
    fn from(reason: CancelReason) -> Self {
        match reason {
            CancelReason::Canceled => Self::Canceled(EVALUATION),
            CancelReason::TimedOut => Self::TimedOut(EVALUATION),
        }
    }
}

impl From<QueryError> for EngineError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Canceled(reason) => reason.into(),
            QueryError::Budget(error) => Self::Memory(error),
            other => Self::Storage(other),
        }
    }
}

impl From<IncompatibleSchemas> for EngineError {
    fn from(error: IncompatibleSchemas) -> Self {
        Self::execution(error.to_string())
    }
}
