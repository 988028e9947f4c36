//! Downsampled chunks: up to five chunks in one, an aggregate each. Source: Thanos `pkg/compact/downsample`, encoding byte 0xff.
//! Page: docs/formats/chunk.md.
//! for count, sum, min, max, counter: | len uvarint, 0 if absent | encoding u8 | data, len bytes |

use gauntlet_encoding::{Cursor, DecodeError, put_uvarint};
use gauntlet_model::Timestamp;

use crate::columns::Columns;
use crate::{ChunkError, Encoding, decode, sample_count};

/// Encoding byte of such a chunk in a segment; no [`Encoding`] of its samples.
pub const AGGREGATE_ENCODING: u8 = 0xff;

/// What a sub-chunk holds for each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Aggregate {
    Count = 0,
    Sum = 1,
    Min = 2,
    Max = 3,
    Counter = 4,
}

impl Aggregate {
    pub const ALL: [Self; 5] = [Self::Count, Self::Sum, Self::Min, Self::Max, Self::Counter];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Counter => "counter",
        }
    }
}

/// Why an aggregate chunk could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// Upstream's text for an absent aggregate.
    #[error("aggregate {} does not exist", .0.as_str())]
    Absent(Aggregate),
    #[error("aggregate chunk is damaged: {0}")]
    Damaged(#[from] DecodeError),
    #[error("aggregate {} has unknown encoding {encoding}", aggregate.as_str())]
    UnknownEncoding { aggregate: Aggregate, encoding: u8 },
    #[error("aggregate {}: {error}", aggregate.as_str())]
    Chunk { aggregate: Aggregate, error: ChunkError },
}

/// The sub-chunks of one downsampled chunk, in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregateChunk<'a> {
    parts: [Option<(Encoding, &'a [u8])>; 5],
}

impl<'a> AggregateChunk<'a> {
    /// Takes the data of a chunk (behind its encoding byte) apart.
    pub fn parse(data: &'a [u8]) -> Result<Self, AggregateError> {
        let mut cursor = Cursor::new(data);
        let mut parts = [None; 5];
        for aggregate in Aggregate::ALL {
            let len = cursor.uvarint_len()?;
            if len == 0 {
                continue;
            }
            let number = cursor.u8()?;
            let encoding = Encoding::from_u8(number)
                .ok_or(AggregateError::UnknownEncoding { aggregate, encoding: number })?;
            parts[aggregate as usize] = Some((encoding, cursor.bytes(len)?));
        }
        Ok(Self { parts })
    }

    /// Puts the sub-chunks together.
    pub fn new(parts: [Option<(Encoding, &'a [u8])>; 5]) -> Self {
        Self { parts }
    }

    /// The chunk's data, to go behind [`AGGREGATE_ENCODING`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in self.parts {
            let Some((encoding, data)) = part else {
                out.push(0);
                continue;
            };
            put_uvarint(&mut out, data.len() as u64);
            out.push(encoding as u8);
            out.extend_from_slice(data);
        }
        out
    }

    /// The sub-chunk of one aggregate.
    pub fn get(&self, aggregate: Aggregate) -> Result<(Encoding, &'a [u8]), AggregateError> {
        self.parts[aggregate as usize].ok_or(AggregateError::Absent(aggregate))
    }

    /// Number of windows: the samples of the count; 0 if it is absent.
    pub fn windows(&self) -> usize {
        self.parts[0].map_or(0, |(encoding, data)| sample_count(encoding, data))
    }

    /// Appends the samples of one aggregate with `min_t <= t <= max_t`. For the counter these are the stored samples, the last
    /// one twice with the same time (see [`CounterMerge`]).
    pub fn decode(
        &self,
        aggregate: Aggregate,
        min_t: Timestamp,
        max_t: Timestamp,
        out: &mut Columns,
    ) -> Result<(), AggregateError> {
        let (encoding, data) = self.get(aggregate)?;
        decode(encoding, data, min_t, max_t, out)
            .map_err(|error| AggregateError::Chunk { aggregate, error })
    }
}

/// Strings the counter chunks of one series together into one ever-rising counter, as Thanos' reset-applying iterator does.
///
/// Each counter chunk begins with the first raw value and ends with the last raw value at the time of its last window, so that time
/// appears twice; the second tells how the next chunk's first value compares. NaNs and samples that go back in time are left out.
/// Histogram samples pass unchanged.
#[derive(Clone, Debug, Default)]
pub struct CounterMerge {
    started: bool,
    last_t: Timestamp,
    last_raw: f64,
    total: f64,
}

impl CounterMerge {
    pub fn new() -> Self {
        Self::default()
    }

    /// The last raw value seen, which a coarser counter chunk must end with.
    pub fn last_raw(&self) -> f64 {
        self.last_raw
    }

    /// Takes the samples of the next chunk and appends the merged ones to `out`.
    pub fn push(&mut self, chunk: &Columns, out: &mut Columns) {
        let first_of_later = self.started;
        for (index, (t, value)) in chunk.timestamps.iter().zip(&chunk.values).enumerate() {
            if let Some(histogram) = chunk.histogram(index) {
                if !first_of_later || *t > self.last_t {
                    self.last_t = *t;
                    self.started = true;
                    out.push_histogram(*t, histogram.clone());
                }
                continue;
            }
            if value.is_nan() {
                continue;
            }
            if !self.started {
                *self = Self { started: true, last_t: *t, last_raw: *value, total: *value };
                out.push_float(*t, *value);
            } else if *t > self.last_t {
                self.total += if *value >= self.last_raw { *value - self.last_raw } else { *value };
                (self.last_t, self.last_raw) = (*t, *value);
                out.push_float(*t, self.total);
            } else if *t == self.last_t {
                self.last_raw = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::XorAppender;

    fn xor(samples: &[(i64, f64)]) -> Vec<u8> {
        let mut appender = XorAppender::new();
        for (t, value) in samples {
            appender.append(*t, *value);
        }
        appender.into_bytes()
    }

    #[test]
    fn parts_come_back_and_absent_ones_are_named() {
        let (count, max) = (xor(&[(1, 2.0)]), xor(&[(1, 9.0), (2, 3.0)]));
        let parts =
            [Some((Encoding::Xor, &count[..])), None, None, Some((Encoding::Xor, &max)), None];
        let bytes = AggregateChunk::new(parts).encode();
        let chunk = AggregateChunk::parse(&bytes).unwrap();
        assert_eq!(chunk, AggregateChunk::new(parts));
        assert_eq!(chunk.windows(), 1);
        let mut out = Columns::default();
        chunk.decode(Aggregate::Max, 0, 9, &mut out).unwrap();
        assert_eq!(out.values, [9.0, 3.0]);
        let error = chunk.decode(Aggregate::Counter, 0, 9, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "aggregate counter does not exist");
        for cut in 0..bytes.len() {
            assert!(AggregateChunk::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn counter_chunks_join_across_resets() {
        let chunks: [&[(i64, f64)]; 3] = [
            &[(100, 10.0), (200, 20.0), (300, 40.0), (300, 5.0)],
            &[(400, 7.0), (500, 17.0), (500, 17.0)],
            &[(450, 1.0), (600, f64::NAN), (700, 3.0)],
        ];
        let mut merge = CounterMerge::new();
        let mut out = Columns::default();
        for chunk in chunks {
            let mut columns = Columns::default();
            chunk.iter().for_each(|(t, v)| columns.push_float(*t, *v));
            merge.push(&columns, &mut out);
        }
        assert_eq!(out.timestamps, [100, 200, 300, 400, 500, 700]);
        assert_eq!(out.values, [10.0, 20.0, 40.0, 42.0, 52.0, 55.0]);
        assert_eq!(merge.last_raw(), 3.0);
    }
}
