//! Chunk encodings and their batch decoders.
//!
//! A chunk is up to a few hundred samples of one series in one of upstream's encodings. Readers decode whole chunks into
//! [`Columns`]; there is no iterator per sample on the hot path.

pub mod aggregate;
pub mod columns;
mod decode;
mod fault;
pub mod histogram;
#[cfg(test)]
mod recorded;
pub mod sample;
mod start_time;
mod window;
pub mod xor;
pub mod xor2;

pub use aggregate::{Aggregate, AggregateChunk};
pub use columns::Columns;
pub use decode::{decode, sample_count};
pub use histogram::{CounterResetHeader, FloatHistogramAppender, HistogramAppender};
pub use sample::{
    ChunkEncoder, EncodedChunk, RewriteError, Sample, SampleValue, filter_chunk, read_samples,
};
pub use xor::{XOR_STEP_BYTES, XorAppender, XorState};
pub use xor2::{Starts, Xor2Appender};

/// How a chunk's bytes are to be read; the numbers are upstream's, on disk and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    Xor = 1,
    Histogram = 2,
    FloatHistogram = 3,
    Xor2 = 4,
    HistogramSt = 5,
    FloatHistogramSt = 6,
}

impl Encoding {
    /// The encoding that upstream's number names.
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Xor,
            2 => Self::Histogram,
            3 => Self::FloatHistogram,
            4 => Self::Xor2,
            5 => Self::HistogramSt,
            6 => Self::FloatHistogramSt,
            _ => return None,
        })
    }

    /// Whether samples are histograms of either kind.
    pub fn is_histogram(self) -> bool {
        !matches!(self, Self::Xor | Self::Xor2)
    }
}

/// Bytes that are no chunk of their encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("chunk of encoding {encoding:?} ends at byte {offset} of sample {sample}")]
    CutShort { encoding: Encoding, sample: usize, offset: usize },
    #[error("chunk of encoding {encoding:?} is damaged at sample {sample}: {reason}")]
    Damaged { encoding: Encoding, sample: usize, reason: &'static str },
}

/// Door for fuzzing: the first byte names the encoding (0xff: aggregates), the rest is the chunk. Must neither panic nor hang.
pub fn fuzz_chunk(data: &[u8]) {
    let Some((number, chunk)) = data.split_first() else { return };
    let mut out = Columns::default();
    match Encoding::from_u8(*number) {
        Some(encoding) => {
            let _ = decode(encoding, chunk, i64::MIN, i64::MAX, &mut out);
            let _ = read_samples(encoding, chunk);
        }
        None => {
            if let Ok(aggregates) = AggregateChunk::parse(chunk) {
                for aggregate in Aggregate::ALL {
                    let _ = aggregates.decode(aggregate, i64::MIN, i64::MAX, &mut out);
                }
            }
        }
    }
}
