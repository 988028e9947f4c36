//! What our engine is known to answer otherwise than the scripts expect, with reasons. An entry that passes fails the run.

use super::report::Gap;

/// The known gaps of the engine.
pub const GAPS: &[Gap] = &[];
