//! Chunks of native histograms: whole counts (encoding 2) and float counts (3), both also with start timestamps (5, 6).
//! Source: upstream `tsdb/chunkenc`. Page: docs/formats/chunk.md.
//!
//! | count u16 be | flags u8 | layout | first sample raw | later samples as differences | with the layout fixed for the whole chunk.
//! Flags: the top two bits are the [`CounterResetHeader`]; with start timestamps they move into the top of the count, and the flags
//! byte is the start header. One codec serves both kinds; [`Bucket`] is what they differ in.

mod appender;
mod bucket;
mod layout;
mod running;
mod samples;
mod spans;

use gauntlet_model::histogram::CounterResetHint;

pub use appender::{Appended, HistogramAppendError, HistogramChunkAppender};
pub use bucket::Bucket;
pub use samples::HistogramChunkSamples;
pub(crate) use samples::decode;

/// Encodes whole-count histograms.
pub type HistogramAppender = HistogramChunkAppender<i64>;
/// Encodes float-count histograms.
pub type FloatHistogramAppender = HistogramChunkAppender<f64>;
/// Reads whole-count histograms one by one.
pub type HistogramSamples<'a> = HistogramChunkSamples<'a, i64>;
/// Reads float-count histograms one by one.
pub type FloatHistogramSamples<'a> = HistogramChunkSamples<'a, f64>;

/// Count and flags in front of the layout.
pub(crate) const HEADER_BYTES: usize = 3;

/// What a chunk says of a counter reset between its first sample and the chunk before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CounterResetHeader {
    #[default]
    Unknown,
    NotCounterReset,
    CounterReset,
    Gauge,
}

impl CounterResetHeader {
    /// The header in the top two bits of a byte.
    pub fn from_bits(byte: u8) -> Self {
        match byte >> 6 {
            0b10 => Self::CounterReset,
            0b01 => Self::NotCounterReset,
            0b11 => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::NotCounterReset => 0b0100_0000,
            Self::CounterReset => 0b1000_0000,
            Self::Gauge => 0b1100_0000,
        }
    }

    /// The hint of sample `index` of a chunk with this header. Chunks may have been written between this and its neighbour, so the
    /// first sample of a counter is never certain.
    pub(crate) fn hint(self, index: usize) -> CounterResetHint {
        match self {
            Self::Gauge => CounterResetHint::Gauge,
            _ if index > 0 => CounterResetHint::NotCounterReset,
            _ => CounterResetHint::Unknown,
        }
    }
}

/// The counter reset header of a histogram chunk; `Unknown` for other chunks.
pub fn counter_reset_header(encoding: crate::Encoding, chunk: &[u8]) -> CounterResetHeader {
    use crate::Encoding;
    let at = match encoding {
        Encoding::Histogram | Encoding::FloatHistogram => 2,
        Encoding::HistogramSt | Encoding::FloatHistogramSt => 0,
        Encoding::Xor | Encoding::Xor2 => return CounterResetHeader::Unknown,
    };
    chunk.get(at).map_or(CounterResetHeader::Unknown, |byte| CounterResetHeader::from_bits(*byte))
}

#[cfg(test)]
mod tests;
