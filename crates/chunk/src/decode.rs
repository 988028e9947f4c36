//! One door to all decoders: encoding and bytes in, columns out.

use gauntlet_model::Timestamp;

use crate::columns::Columns;
use crate::{ChunkError, Encoding, histogram, xor, xor2};

/// Appends to `out` the samples of a chunk with `min_t <= t <= max_t`, both ends in. On error `out` is as it was before.
pub fn decode(
    encoding: Encoding,
    chunk: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
    out: &mut Columns,
) -> Result<(), ChunkError> {
    let (len, histograms, starts) =
        (out.timestamps.len(), out.histograms.len(), out.start_timestamps.len());
    let result = match encoding {
        Encoding::Xor => return xor::decode(chunk, min_t, max_t, out).map(|_| ()),
        Encoding::Xor2 => xor2::decode(chunk, min_t, max_t, out),
        Encoding::Histogram | Encoding::HistogramSt => {
            histogram::decode::<i64>(encoding, chunk, min_t, max_t, out)
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            histogram::decode::<f64>(encoding, chunk, min_t, max_t, out)
        }
    };
    if result.is_err() {
        out.timestamps.truncate(len);
        out.values.truncate(len);
        out.histograms.truncate(histograms);
        out.start_timestamps.truncate(starts);
    }
    result
}

/// Number of samples that the chunk's header states. 0 where the chunk has no header.
pub fn sample_count(encoding: Encoding, chunk: &[u8]) -> usize {
    let stated = chunk.first_chunk::<2>().map_or(0, |count| u16::from_be_bytes(*count));
    usize::from(match encoding {
        Encoding::HistogramSt | Encoding::FloatHistogramSt => stated & 0x3fff,
        _ => stated,
    })
}
