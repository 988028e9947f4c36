//! Averages of downsampled chunks: sum over count, window by window, made when a worker reads the chunk.

use std::sync::Arc;

use bytes::Bytes;
use gauntlet_chunk::{ChunkEncoder, Columns, Encoding, Sample, SampleValue, XorAppender, decode};
use gauntlet_model::Timestamp;
use gauntlet_model::histogram::CounterResetHint;
use gauntlet_storage::{ChunkReader, QueryError};
use gauntlet_wire::frame::ChunkBytes;

/// Count and sum chunks of float series; a chunk's reference is its index.
#[derive(Debug, Default)]
pub struct Averages {
    pairs: Vec<(Bytes, Bytes)>,
}

impl Averages {
    /// Registers a pair and returns its reference.
    pub fn push(&mut self, count: &ChunkBytes, sum: &ChunkBytes) -> u64 {
        self.pairs.push((count.data.clone(), sum.data.clone()));
        self.pairs.len() as u64 - 1
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl ChunkReader for Averages {
    fn read_chunk(&self, chunk_ref: u64, buffer: &mut Vec<u8>) -> Result<Encoding, QueryError> {
        let pair = usize::try_from(chunk_ref).ok().and_then(|i| self.pairs.get(i));
        let (count, sum) = pair.ok_or_else(|| QueryError::Corrupt("no such average".to_owned()))?;
        let counts = read(Encoding::Xor, count)?;
        let sums = read(Encoding::Xor, sum)?;
        check_aligned(&counts, &sums)?;
        let mut out = XorAppender::new();
        for ((t, sum), count) in sums.timestamps.iter().zip(&sums.values).zip(&counts.values) {
            out.append(*t, sum / count);
        }
        buffer.clear();
        buffer.extend_from_slice(out.bytes());
        Ok(Encoding::Xor)
    }
}

/// Averages of a histogram series, made at once; several chunks where the layout changes.
pub fn histogram_averages(
    count: &ChunkBytes,
    sum: &ChunkBytes,
) -> Result<Vec<gauntlet_chunk::EncodedChunk>, QueryError> {
    let encoding = Encoding::from_u8(sum.encoding)
        .ok_or_else(|| QueryError::Corrupt(format!("chunk encoding {}", sum.encoding)))?;
    let counts = read(Encoding::Xor, &count.data)?;
    let sums = read(encoding, &sum.data)?;
    check_aligned(&counts, &sums)?;
    let mut encoder = ChunkEncoder::new(false);
    for (index, histogram) in &sums.histograms {
        let index = *index as usize;
        let mut average = histogram.as_ref().clone();
        average.counter_reset_hint = CounterResetHint::Gauge;
        let by = counts.values[index];
        average.zero_count /= by;
        average.count /= by;
        average.sum /= by;
        average.positive_buckets.iter_mut().for_each(|b| *b /= by);
        average.negative_buckets.iter_mut().for_each(|b| *b /= by);
        let value = SampleValue::FloatHistogram(Box::new(average));
        let sample = Sample { t: sums.timestamps[index], start: 0, value };
        encoder.append(&sample).map_err(|err| QueryError::Corrupt(err.to_string()))?;
    }
    Ok(encoder.finish())
}

fn read(encoding: Encoding, data: &[u8]) -> Result<Columns, QueryError> {
    let mut columns = Columns::default();
    decode(encoding, data, Timestamp::MIN, Timestamp::MAX, &mut columns)
        .map_err(|err| QueryError::Corrupt(format!("aggregate: {err}")))?;
    Ok(columns)
}

fn check_aligned(counts: &Columns, sums: &Columns) -> Result<(), QueryError> {
    if counts.timestamps == sums.timestamps && counts.values.len() == sums.values.len() {
        return Ok(());
    }
    Err(QueryError::Corrupt("sum and count timestamps not aligned".to_owned()))
}

/// The reader as a source of a set.
pub fn into_source(averages: Averages) -> Arc<dyn ChunkReader> {
    Arc::new(averages)
}
