//! Samples of any kind outside of chunks, and the way into and out of chunks for the few places that handle samples one by one:
//! late samples, deletions, chunks that cross a block's end.

use gauntlet_chunk::histogram::{
    Appended, Bucket, FloatHistogramSamples, HistogramChunkAppender, HistogramSamples,
};
use gauntlet_chunk::xor::XorAppender;
use gauntlet_chunk::{ChunkError, Columns, Encoding, decode};
use gauntlet_model::sample::STALE_NAN_BITS;
use gauntlet_model::{FloatHistogram, Histogram, Timestamp, is_stale_nan};

/// A sample's value. Histograms are boxed: they are few, and floats must stay small.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Box<Histogram>),
    FloatHistogram(Box<FloatHistogram>),
}

impl Value {
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Float(value) => is_stale_nan(*value),
            Self::Histogram(h) => h.sum.to_bits() == STALE_NAN_BITS,
            Self::FloatHistogram(h) => h.sum.to_bits() == STALE_NAN_BITS,
        }
    }

    /// Equality by bits, not-a-numbers included; of different kinds never equal.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => same_histogram(a, b),
            (Self::FloatHistogram(a), Self::FloatHistogram(b)) => same_float_histogram(a, b),
            _ => false,
        }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match self {
            Self::Float(_) => Encoding::Xor,
            Self::Histogram(_) => Encoding::Histogram,
            Self::FloatHistogram(_) => Encoding::FloatHistogram,
        }
    }
}

fn same_histogram(a: &Histogram, b: &Histogram) -> bool {
    let stale = a.sum.to_bits() == STALE_NAN_BITS && b.sum.to_bits() == STALE_NAN_BITS;
    let norm = |h: &Histogram| Histogram {
        counter_reset_hint: gauntlet_model::histogram::CounterResetHint::Unknown,
        sum: 0.0,
        ..h.clone()
    };
    stale || a.sum.to_bits() == b.sum.to_bits() && norm(a) == norm(b)
}

fn same_float_histogram(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let stale = a.sum.to_bits() == STALE_NAN_BITS && b.sum.to_bits() == STALE_NAN_BITS;
    let norm = |h: &FloatHistogram| FloatHistogram {
        counter_reset_hint: gauntlet_model::histogram::CounterResetHint::Unknown,
        sum: 0.0,
        ..h.clone()
    };
    stale || a.sum.to_bits() == b.sum.to_bits() && norm(a) == norm(b)
}

/// A complete chunk and its first and last time, both in.
#[derive(Clone, Debug)]
pub(crate) struct EncodedChunk {
    pub(crate) encoding: Encoding,
    pub(crate) min_t: Timestamp,
    pub(crate) max_t: Timestamp,
    pub(crate) data: Vec<u8>,
}

/// Encodes ascending samples; a chunk for each run of one kind, and more where histograms ask for it.
pub(crate) fn encode_samples<'a>(
    samples: impl IntoIterator<Item = (Timestamp, &'a Value)>,
    max_samples: usize,
) -> Vec<EncodedChunk> {
    let mut out = Vec::new();
    let mut open: Option<Open> = None;
    for (t, value) in samples {
        let goes_on = open
            .as_ref()
            .is_some_and(|open| open.encoding() == value.encoding() && open.count() < max_samples);
        if !goes_on {
            out.extend(open.take().map(Open::finish));
        }
        let current = open.get_or_insert_with(|| Open::new(value, t));
        if let Some(next) = current.append(t, value)
            && let Some(full) = open.replace(next)
        {
            out.push(full.finish());
        }
    }
    out.extend(open.map(Open::finish));
    out
}

/// A chunk being written.
#[derive(Debug)]
struct Open {
    min_t: Timestamp,
    max_t: Timestamp,
    appender: OpenAppender,
}

#[derive(Debug)]
enum OpenAppender {
    Float(XorAppender),
    Histogram(Box<HistogramChunkAppender<i64>>),
    FloatHistogram(Box<HistogramChunkAppender<f64>>),
}

impl Open {
    fn new(value: &Value, t: Timestamp) -> Self {
        let appender = match value {
            Value::Float(_) => OpenAppender::Float(XorAppender::new()),
            Value::Histogram(_) => {
                OpenAppender::Histogram(Box::new(HistogramChunkAppender::new(false)))
            }
            Value::FloatHistogram(_) => {
                OpenAppender::FloatHistogram(Box::new(HistogramChunkAppender::new(false)))
            }
        };
        Self { min_t: t, max_t: t, appender }
    }

    fn encoding(&self) -> Encoding {
        match &self.appender {
            OpenAppender::Float(_) => Encoding::Xor,
            OpenAppender::Histogram(_) => Encoding::Histogram,
            OpenAppender::FloatHistogram(_) => Encoding::FloatHistogram,
        }
    }

    fn count(&self) -> usize {
        match &self.appender {
            OpenAppender::Float(appender) => appender.count(),
            OpenAppender::Histogram(appender) => appender.count(),
            OpenAppender::FloatHistogram(appender) => appender.count(),
        }
    }

    /// Appends, or gives the chunk that had to be begun for the sample. Histograms that no chunk takes are left out.
    fn append(&mut self, t: Timestamp, value: &Value) -> Option<Self> {
        let next = match (&mut self.appender, value) {
            (OpenAppender::Float(appender), Value::Float(value)) => {
                appender.append(t, *value);
                None
            }
            (OpenAppender::Histogram(appender), Value::Histogram(h)) => {
                append_one(appender, t, h).map(OpenAppender::Histogram)
            }
            (OpenAppender::FloatHistogram(appender), Value::FloatHistogram(h)) => {
                append_one(appender, t, h).map(OpenAppender::FloatHistogram)
            }
            _ => unreachable!("BUG: a chunk holds one kind"),
        };
        match next {
            Some(appender) => Some(Self { min_t: t, max_t: t, appender }),
            None => {
                self.max_t = t;
                None
            }
        }
    }

    fn finish(self) -> EncodedChunk {
        let encoding = self.encoding();
        let data = match self.appender {
            OpenAppender::Float(appender) => appender.into_bytes(),
            OpenAppender::Histogram(appender) => appender.into_bytes(),
            OpenAppender::FloatHistogram(appender) => appender.into_bytes(),
        };
        EncodedChunk { encoding, min_t: self.min_t, max_t: self.max_t, data }
    }
}

fn append_one<B: Bucket>(
    appender: &mut HistogramChunkAppender<B>,
    t: Timestamp,
    histogram: &B::Histogram,
) -> Option<Box<HistogramChunkAppender<B>>> {
    match appender.append(None, 0, t, histogram, false) {
        Ok(Appended::NewChunk(next)) => Some(next),
        Ok(Appended::Same | Appended::Recoded) | Err(_) => None,
    }
}

/// Decodes a chunk's samples within a range, both ends in.
pub(crate) fn decode_samples(
    encoding: Encoding,
    data: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
) -> Result<Vec<(Timestamp, Value)>, ChunkError> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Xor | Encoding::Xor2 => {
            let mut columns = Columns::default();
            decode(encoding, data, min_t, max_t, &mut columns)?;
            let floats = columns.values.iter().map(|value| Value::Float(*value));
            out.extend(columns.timestamps.iter().copied().zip(floats));
        }
        Encoding::Histogram | Encoding::HistogramSt => {
            let mut samples = HistogramSamples::new(encoding, data)?;
            while samples.advance()? {
                if (min_t..=max_t).contains(&samples.timestamp()) {
                    out.push((
                        samples.timestamp(),
                        Value::Histogram(Box::new(samples.histogram())),
                    ));
                }
            }
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            let mut samples = FloatHistogramSamples::new(encoding, data)?;
            while samples.advance()? {
                if (min_t..=max_t).contains(&samples.timestamp()) {
                    let h = Value::FloatHistogram(Box::new(samples.histogram()));
                    out.push((samples.timestamp(), h));
                }
            }
        }
    }
    Ok(out)
}
