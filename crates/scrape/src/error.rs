//! Why a scrape failed. The texts are what status pages show as the last error; where upstream has words for it, they are upstream's.

use gauntlet_expfmt::{ContentTypeError, LabelsError, ParseError};
use gauntlet_net::{ClientError, Stage};
use gauntlet_storage::AppendError;

/// A failed scrape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] ClientError),
    #[error(transparent)]
    ContentType(#[from] ContentTypeError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Labels(#[from] LabelsError),
    #[error("missing metric name (__name__ label)")]
    NoName,
    #[error("invalid metric name or label names: {0}")]
    InvalidName(String),
    /// One of the label limits; the text says which, of what series.
    #[error("{0}")]
    LabelLimit(String),
    #[error("sample limit exceeded")]
    SampleLimit,
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    #[error("target_limit exceeded (number of targets: {targets}, limit: {limit})")]
    TargetLimit { targets: usize, limit: u64 },
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ScrapeError {
    /// At which stage the scrape failed, in one word, for status pages.
    pub fn stage(&self) -> &'static str {
        match self {
            Self::Fetch(err) => err.stage.as_str(),
            Self::ContentType(_) | Self::Parse(_) | Self::Labels(_) => "parse",
            Self::NoName | Self::InvalidName(_) => "parse",
            Self::LabelLimit(_) | Self::SampleLimit | Self::BucketLimit => "limit",
            Self::TargetLimit { .. } => "limit",
            Self::Append(_) => "append",
        }
    }

    /// Whether the body was larger than allowed.
    pub(crate) fn is_body_limit(&self) -> bool {
        matches!(self, Self::Fetch(err) if err.stage == Stage::Limit)
    }
}
