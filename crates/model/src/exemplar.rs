//! An exemplar: one observation with labels of its own (a trace id, say) beside a series.

use crate::{Labels, Timestamp};

/// One exemplar. `timestamp` is `None` where the exposition gave none; storage then takes the scrape's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    pub timestamp: Option<Timestamp>,
}

/// Upper bound of the length of an exemplar's label names and values together, in characters (OpenMetrics 1.0).
pub const MAX_LABELS_CHARS: usize = 128;
