//! Why work on a bucket's blocks failed.

use gauntlet_block::BlockError;
use gauntlet_objstore::ObjstoreError;
use gauntlet_runtime::{BudgetError, CancelReason};
use gauntlet_storeapi::StoreError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum BucketError {
    #[error("bucket: {0}")]
    Bucket(#[from] ObjstoreError),
    #[error("{0}")]
    Block(#[from] BlockError),
    /// Stored bytes are not what they should be; the text names object, offset, expected and found.
    #[error("{0}")]
    Corrupt(String),
    #[error("{0}")]
    Io(String),
    /// Something that the configuration rules out.
    #[error("{0}")]
    Refused(String),
    #[error("query needs more memory than it may use: {0}")]
    Budget(#[from] BudgetError),
    #[error("{0}")]
    Canceled(#[from] CancelReason),
    #[error("{0}")]
    Limit(String),
}

impl BucketError {
    /// Whether bytes are damaged, so that trying again cannot help.
    pub fn is_corruption(&self) -> bool {
        match self {
            Self::Corrupt(_) => true,
            Self::Block(err) => err.is_corruption(),
            // A block's object that is missing or shorter than its index says.
            Self::Bucket(err) => {
                matches!(err, ObjstoreError::NotFound { .. } | ObjstoreError::Range { .. })
            }
            _ => false,
        }
    }
}

impl From<BucketError> for StoreError {
    fn from(err: BucketError) -> Self {
        match err {
            BucketError::Budget(err) => err.into(),
            BucketError::Canceled(reason) => Self::Canceled(reason),
            BucketError::Limit(text) => Self::ResourceExhausted(text),
            BucketError::Corrupt(text) => Self::Corrupt(text),
            BucketError::Block(err) if err.is_corruption() => Self::Corrupt(err.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
