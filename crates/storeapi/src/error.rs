//! Why a store did not answer, and how that travels as a gRPC status.

use gauntlet_runtime::{BudgetError, CancelReason};
use gauntlet_storage::QueryError;
use tonic::{Code, Status};

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}")]
    InvalidArgument(String),
    /// The store cannot be reached or is not ready; trying later may help.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    ResourceExhausted(String),
    #[error("{0}")]
    Canceled(#[from] CancelReason),
    /// The strategy was ABORT and a part of the answer was missing.
    #[error("{0}")]
    Aborted(String),
    /// Stored bytes or an answer's bytes are damaged.
    #[error("{0}")]
    Corrupt(String),
    /// What a peer said, with its code.
    #[error("rpc error: code = {} desc = {message}", code_name(*code))]
    Rpc { code: Code, message: String },
}

impl StoreError {
    pub fn from_status(status: &Status) -> Self {
        Self::Rpc { code: status.code(), message: status.message().to_owned() }
    }

    pub fn to_status(&self) -> Status {
        let code = match self {
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::Unavailable(_) => Code::Unavailable,
            Self::ResourceExhausted(_) => Code::ResourceExhausted,
            Self::Canceled(CancelReason::Canceled) => Code::Cancelled,
            Self::Canceled(CancelReason::TimedOut) => Code::DeadlineExceeded,
            Self::Aborted(_) => Code::Aborted,
            Self::Corrupt(_) => Code::DataLoss,
            Self::Rpc { code, message } => return Status::new(*code, message),
        };
        Status::new(code, self.to_string())
    }
}

impl From<BudgetError> for StoreError {
    fn from(err: BudgetError) -> Self {
        Self::ResourceExhausted(format!("query needs more memory than it may use: {err}"))
    }
}

impl From<gauntlet_wire::WireError> for StoreError {
    fn from(err: gauntlet_wire::WireError) -> Self {
        Self::Corrupt(err.to_string())
    }
}

impl From<QueryError> for StoreError {
    fn from(err: QueryError) -> Self {
        match err {
            QueryError::Canceled(reason) => Self::Canceled(reason),
            QueryError::Budget(err) => err.into(),
            QueryError::Corrupt(text) => Self::Corrupt(text),
            QueryError::Unavailable(text) => Self::Unavailable(text),
            err @ QueryError::Moved => Self::Unavailable(err.to_string()),
            QueryError::BadRequest(text) => Self::InvalidArgument(text),
        }
    }
}

impl From<StoreError> for QueryError {
    fn from(err: StoreError) -> Self {
        match err {
            StoreError::InvalidArgument(text) => Self::BadRequest(text),
            StoreError::Canceled(reason) => Self::Canceled(reason),
            StoreError::Corrupt(text) => Self::Corrupt(text),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Go's name of a code, which users see in warnings.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
