//! One door to all decoders: encoding and bytes in, columns out.

use gauntlet_model::Timestamp;

use crate::columns::Columns;
use crate::{ChunkError, Encoding, xor};

/// Appends to `out` the samples of a chunk with `min_t <= t <= max_t`. On error `out` is as it was before.
pub fn decode(
    encoding: Encoding,
    chunk: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
    out: &mut Columns,
) -> Result<(), ChunkError> {
    match encoding {
        Encoding::Xor => xor::decode(chunk, min_t, max_t, out).map(|_| ()),
        _ => Err(ChunkError::Damaged {
            encoding,
            sample: 0,
            reason: "encoding not yet decoded here",
        }),
    }
}

/// Number of samples that the chunk's header states. 0 where the chunk has no header.
pub fn sample_count(encoding: Encoding, chunk: &[u8]) -> usize {
    let stated = chunk.first_chunk::<2>().map_or(0, |count| u16::from_be_bytes(*count));
    usize::from(match encoding {
        Encoding::HistogramSt | Encoding::FloatHistogramSt => stated & 0x3fff,
        _ => stated,
    })
}
