//! What a scraper does with a native histogram, whichever of the two forms it has.

use gauntlet_model::histogram::{
    EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN, HistogramError, Span,
};

use crate::parser::HistogramSample;

/// Spans and buckets that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{side} side: spans require {need} buckets, have {have}")]
pub(crate) struct LayoutError {
    side: &'static str,
    need: u64,
    have: usize,
}

/// Whether `spans` take exactly `have` buckets; everything that walks a histogram relies on it.
pub(crate) fn check_layout(
    side: &'static str,
    spans: &[Span],
    have: usize,
) -> Result<(), LayoutError> {
    let need: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if need == have as u64 { Ok(()) } else { Err(LayoutError { side, need, have }) }
}

impl HistogramSample {
    pub fn schema(&self) -> i32 {
        match self {
            Self::Int(h) => h.schema,
            Self::Float(h) => h.schema,
        }
    }

    /// Number of buckets on both sides, without the zero bucket.
    pub fn bucket_count(&self) -> usize {
        match self {
            Self::Int(h) => h.positive_buckets.len() + h.negative_buckets.len(),
            Self::Float(h) => h.positive_buckets.len() + h.negative_buckets.len(),
        }
    }

    /// Whether the schema is one whose resolution can be halved.
    pub fn is_exponential(&self) -> bool {
        (EXPONENTIAL_SCHEMA_MIN..=EXPONENTIAL_SCHEMA_MAX).contains(&self.schema())
    }

    /// Merges buckets until the schema is `schema`, which must be coarser.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        match self {
            Self::Int(h) => h.reduce_resolution(schema),
            Self::Float(h) => h.reduce_resolution(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_must_take_all_buckets() {
        let spans = [Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }];
        assert!(check_layout("positive", &spans, 3).is_ok());
        let err = check_layout("positive", &spans, 2).unwrap_err();
        assert_eq!(err.to_string(), "positive side: spans require 3 buckets, have 2");
        let huge = [Span { offset: 0, length: u32::MAX }; 3];
        assert!(check_layout("negative", &huge, 0).is_err());
    }
}
