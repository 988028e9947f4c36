//! From a series' encoded chunks to columns: decode, merge what overlaps, deduplicate replicas.

use gauntlet_chunk::Columns;

use crate::dedup::{PenaltyScratch, decode_penalty};
use crate::query::{QueryError, TimeRange};
use crate::series_set::{Chunk, Dedup, SeriesSet};

/// Buffers that a worker keeps between series.
#[derive(Debug, Default)]
pub struct DecodeScratch {
    bytes: Vec<u8>,
    chunk: Columns,
    merged: Columns,
    penalty: PenaltyScratch,
}

impl SeriesSet {
    /// Replaces `out` by the samples of series `index` in `range`, ascending, each time once.
    pub fn decode(
        &self,
        index: usize,
        range: TimeRange,
        scratch: &mut DecodeScratch,
        out: &mut Columns,
    ) -> Result<(), QueryError> {
        if let Dedup::Penalty { counter } = self.dedup {
            return decode_penalty(self, index, range, counter, &mut scratch.penalty, out);
        }
        let _ = (index, range, scratch, out);
        Err(QueryError::Unavailable("decoding waits for the chunk decoders".to_owned()))
    }
}

#[expect(dead_code, reason = "used once decoders land")]
fn in_range(chunk: &Chunk, range: TimeRange) -> bool {
    range.overlaps(chunk.min_time, chunk.max_time)
}
