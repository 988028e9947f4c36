//! Reading a histogram chunk sample by sample: for columns, for re-encoding, for dumps.

use std::sync::Arc;

use gauntlet_encoding::BitReader;
use gauntlet_model::histogram::EXPONENTIAL_SCHEMA_MAX;
use gauntlet_model::{FloatHistogram, Timestamp, is_stale_nan};

use super::bucket::{Bucket, Numbers};
use super::layout::Layout;
use super::running::Running;
use super::{CounterResetHeader, HEADER_BYTES, counter_reset_header};
use crate::columns::Columns;
use crate::fault::Fault;
use crate::start_time::{HEADER_AT, StartDecoder};
use crate::{ChunkError, Encoding, sample_count};

/// The samples of one chunk. Call [`Self::advance`], then ask for the current sample.
#[derive(Debug)]
pub struct HistogramChunkSamples<'a, B: Bucket> {
    encoding: Encoding,
    reader: BitReader<'a>,
    end: usize,
    total: usize,
    read: usize,
    header: CounterResetHeader,
    pub(crate) start: Option<StartDecoder>,
    pub(crate) running: Running<B>,
}

impl<'a, B: Bucket> HistogramChunkSamples<'a, B> {
    /// Errs where `encoding` is of the other kind or the chunk has no header.
    pub fn new(encoding: Encoding, chunk: &'a [u8]) -> Result<Self, ChunkError> {
        if encoding != B::PLAIN && encoding != B::WITH_START {
            return Err(Fault::Bad("encoding holds no such histograms").at(encoding, 0, 0));
        }
        if chunk.len() < HEADER_BYTES {
            return Err(Fault::Cut.at(encoding, 0, chunk.len()));
        }
        Ok(Self {
            encoding,
            reader: BitReader::at(chunk, HEADER_BYTES * 8),
            end: chunk.len() * 8,
            total: sample_count(encoding, chunk),
            read: 0,
            header: counter_reset_header(encoding, chunk),
            start: (encoding == B::WITH_START).then(|| StartDecoder::new(chunk[HEADER_AT])),
            running: Running::for_reading(),
        })
    }

    /// Moves to the next sample; false behind the last.
    pub fn advance(&mut self) -> Result<bool, ChunkError> {
        if self.read == self.total {
            return Ok(false);
        }
        self.step().map_err(|fault| fault.at(self.encoding, self.read, self.end / 8))?;
        self.read += 1;
        Ok(true)
    }

    fn step(&mut self) -> Result<(), Fault> {
        let previous_t = self.running.t;
        if self.read == 0 {
            self.running.read_first(&mut self.reader, self.end)?;
        } else {
            self.running.read_next(&mut self.reader)?;
        }
        match &mut self.start {
            Some(start) => start.read(&mut self.reader, self.read, self.running.t, previous_t),
            None => Ok(()),
        }
    }

    /// Samples that the chunk says it holds.
    pub fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn position_bits(&self) -> usize {
        self.reader.position()
    }

    pub(crate) fn header(&self) -> CounterResetHeader {
        self.header
    }

    /// Time of the current sample.
    pub fn timestamp(&self) -> Timestamp {
        self.running.t
    }

    /// Start timestamp of the current sample, 0 if unknown.
    pub fn start_timestamp(&self) -> Timestamp {
        self.start.map_or(0, |start| start.start)
    }

    /// The current sample in its stored kind. A stale marker is an empty histogram with the stale NaN as its sum.
    pub fn histogram(&self) -> B::Histogram {
        let running = &self.running;
        let stale = is_stale_nan(running.sum);
        let numbers = Numbers {
            sum: running.sum,
            count: if stale { B::Count::default() } else { running.count },
            zero_count: if stale { B::Count::default() } else { running.zero_count },
            positive: if stale { Vec::new() } else { running.positive.clone() },
            negative: if stale { Vec::new() } else { running.negative.clone() },
        };
        if stale {
            return B::histogram(Layout::default(), Default::default(), numbers);
        }
        let hint = self.header.hint(self.read.saturating_sub(1));
        let mut histogram = B::histogram(running.layout.clone(), hint, numbers);
        if running.layout.schema > EXPONENTIAL_SCHEMA_MAX {
            B::reduce_resolution(&mut histogram, EXPONENTIAL_SCHEMA_MAX);
        }
        histogram
    }

    /// The current sample with float counts.
    pub fn float_histogram(&self) -> FloatHistogram {
        B::to_float(self.histogram())
    }
}

/// Appends the samples with `min_t <= t <= max_t`. On error the caller restores `out`.
pub(crate) fn decode<B: Bucket>(
    encoding: Encoding,
    chunk: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
    out: &mut Columns,
) -> Result<(), ChunkError> {
    let mut samples = HistogramChunkSamples::<B>::new(encoding, chunk)?;
    while samples.advance()? {
        let t = samples.timestamp();
        if t > max_t {
            break;
        }
        if t >= min_t {
            out.push_histogram(t, Arc::new(samples.float_histogram()));
            out.set_last_start(samples.start_timestamp());
        }
    }
    Ok(())
}
