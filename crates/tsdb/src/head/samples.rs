//! Samples of any kind outside of chunks, and the way into and out of chunks for the few places that handle samples one by one:
//! late samples, deletions, chunks that cross a block's end.

use gauntlet_chunk::histogram::{
    Appended, Bucket, FloatHistogramSamples, HistogramChunkAppender, HistogramSamples,
};
use gauntlet_chunk::{ChunkError, Columns, Encoding, Xor2Appender, XorAppender, decode};
use gauntlet_model::sample::STALE_NAN_BITS;
use gauntlet_model::{FloatHistogram, Histogram, Timestamp, is_stale_nan};

/// A sample's value. Histograms are boxed: they are few, and floats must stay small.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Box<Histogram>),
    FloatHistogram(Box<FloatHistogram>),
    /// One of the others, and the sample's start timestamp, which is not 0.
    Started(Box<(Timestamp, Value)>),
}

/// Which encodings new chunks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encodings {
    pub(crate) xor2: bool,
    pub(crate) histogram_starts: bool,
    /// Start timestamps are kept: a float chunk that cannot is ended.
    pub(crate) starts: bool,
}

impl Encodings {
    /// Encoding of a new chunk for the value alone.
    pub(crate) fn plain(self, value: &Value) -> Encoding {
        self.with_start(value.plain(), false)
    }

    fn with_start(self, value: &Value, started: bool) -> Encoding {
        match (value.kind(), self.histogram_starts || started) {
            (Encoding::Histogram, true) => Encoding::HistogramSt,
            (Encoding::FloatHistogram, true) => Encoding::FloatHistogramSt,
            (Encoding::Xor, _) if self.xor2 || started => Encoding::Xor2,
            (kind, _) => kind,
        }
    }

    /// The value as a chunk of these encodings keeps it.
    pub(crate) fn strip(self, value: Value) -> Value {
        match value {
            Value::Started(started) => {
                let kept =
                    if started.1.kind().is_histogram() { self.histogram_starts } else { self.xor2 };
                if kept { Value::Started(started) } else { started.1 }
            }
            value => value,
        }
    }
}

impl Value {
    /// The value with a start timestamp, unless that is 0.
    pub(crate) fn with_start(self, start: Timestamp) -> Self {
        if start == 0 { self } else { Self::Started(Box::new((start, self))) }
    }

    /// The value without its start timestamp.
    #[inline]
    pub(crate) fn plain(&self) -> &Self {
        match self {
            Self::Started(started) => &started.1,
            plain => plain,
        }
    }

    /// The start timestamp; 0 if there is none.
    #[inline]
    pub(crate) fn start(&self) -> Timestamp {
        match self {
            Self::Started(started) => started.0,
            _ => 0,
        }
    }

    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Started(started) => started.1.is_stale(),
            Self::Float(value) => is_stale_nan(*value),
            Self::Histogram(h) => h.sum.to_bits() == STALE_NAN_BITS,
            Self::FloatHistogram(h) => h.sum.to_bits() == STALE_NAN_BITS,
        }
    }

    /// Equality by bits, not-a-numbers included; of different kinds never equal. Start timestamps do not count.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self.plain(), other.plain()) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => same_histogram(a, b),
            (Self::FloatHistogram(a), Self::FloatHistogram(b)) => same_float_histogram(a, b),
            _ => false,
        }
    }

    /// The kind of the value, as the encoding that holds nothing else.
    pub(crate) fn kind(&self) -> Encoding {
        match self {
            Self::Float(_) => Encoding::Xor,
            Self::Histogram(_) => Encoding::Histogram,
            Self::FloatHistogram(_) => Encoding::FloatHistogram,
            Self::Started(started) => started.1.kind(),
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

/// Encodes ascending samples; a chunk for each run of one kind, and more where histograms ask for it. Start timestamps are kept,
/// whatever `encodings` say of samples without.
pub(crate) fn encode_samples<'a>(
    samples: impl IntoIterator<Item = (Timestamp, &'a Value)>,
    max_samples: usize,
    encodings: Encodings,
) -> Vec<EncodedChunk> {
    let mut out = Vec::new();
    let mut open: Option<Open> = None;
    for (t, value) in samples {
        let encoding = encodings.with_start(value, value.start() != 0);
        let goes_on = open.as_ref().is_some_and(|open| {
            // What stores start timestamps takes samples without as well.
            let fits = open.encoding() == encoding || open.takes_unstarted(encoding);
            fits && open.count() < max_samples
        });
        if !goes_on {
            out.extend(open.take().map(Open::finish));
        }
        let current = open.get_or_insert_with(|| Open::new(encoding, t));
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
    Xor2(Box<Xor2Appender>),
    Histogram(Box<HistogramChunkAppender<i64>>),
    FloatHistogram(Box<HistogramChunkAppender<f64>>),
}

impl Open {
    fn new(encoding: Encoding, t: Timestamp) -> Self {
        let appender = match encoding {
            Encoding::Xor => OpenAppender::Float(XorAppender::new()),
            Encoding::Xor2 => OpenAppender::Xor2(Box::default()),
            Encoding::Histogram | Encoding::HistogramSt => {
                let with_start = encoding == Encoding::HistogramSt;
                OpenAppender::Histogram(Box::new(HistogramChunkAppender::new(with_start)))
            }
            Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
                let with_start = encoding == Encoding::FloatHistogramSt;
                OpenAppender::FloatHistogram(Box::new(HistogramChunkAppender::new(with_start)))
            }
        };
        Self { min_t: t, max_t: t, appender }
    }

    fn encoding(&self) -> Encoding {
        match &self.appender {
            OpenAppender::Float(_) => Encoding::Xor,
            OpenAppender::Xor2(_) => Encoding::Xor2,
            OpenAppender::Histogram(appender) => appender.encoding(),
            OpenAppender::FloatHistogram(appender) => appender.encoding(),
        }
    }

    fn takes_unstarted(&self, encoding: Encoding) -> bool {
        matches!(
            (self.encoding(), encoding),
            (Encoding::Xor2, Encoding::Xor)
                | (Encoding::HistogramSt, Encoding::Histogram)
                | (Encoding::FloatHistogramSt, Encoding::FloatHistogram)
        )
    }

    fn count(&self) -> usize {
        match &self.appender {
            OpenAppender::Float(appender) => appender.count(),
            OpenAppender::Xor2(appender) => appender.count(),
            OpenAppender::Histogram(appender) => appender.count(),
            OpenAppender::FloatHistogram(appender) => appender.count(),
        }
    }

    /// Appends, or gives the chunk that had to be begun for the sample. Histograms that no chunk takes are left out.
    fn append(&mut self, t: Timestamp, value: &Value) -> Option<Self> {
        let start = value.start();
        let next = match (&mut self.appender, value.plain()) {
            (OpenAppender::Float(appender), Value::Float(value)) => {
                appender.append(t, *value);
                None
            }
            (OpenAppender::Xor2(appender), Value::Float(value)) => {
                appender.append(start, t, *value);
                None
            }
            (OpenAppender::Histogram(appender), Value::Histogram(h)) => {
                append_one(appender, start, t, h).map(OpenAppender::Histogram)
            }
            (OpenAppender::FloatHistogram(appender), Value::FloatHistogram(h)) => {
                append_one(appender, start, t, h).map(OpenAppender::FloatHistogram)
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
            OpenAppender::Xor2(appender) => appender.into_bytes(),
            OpenAppender::Histogram(appender) => appender.into_bytes(),
            OpenAppender::FloatHistogram(appender) => appender.into_bytes(),
        };
        EncodedChunk { encoding, min_t: self.min_t, max_t: self.max_t, data }
    }
}

fn append_one<B: Bucket>(
    appender: &mut HistogramChunkAppender<B>,
    start: Timestamp,
    t: Timestamp,
    histogram: &B::Histogram,
) -> Option<Box<HistogramChunkAppender<B>>> {
    match appender.append(None, start, t, histogram, false) {
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
            for (i, (t, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
                let start = columns.start_timestamps.get(i).copied().unwrap_or(0);
                out.push((*t, Value::Float(*value).with_start(start)));
            }
        }
        Encoding::Histogram | Encoding::HistogramSt => {
            let mut samples = HistogramSamples::new(encoding, data)?;
            while samples.advance()? {
                if (min_t..=max_t).contains(&samples.timestamp()) {
                    let h = Value::Histogram(Box::new(samples.histogram()));
                    out.push((samples.timestamp(), h.with_start(samples.start_timestamp())));
                }
            }
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            let mut samples = FloatHistogramSamples::new(encoding, data)?;
            while samples.advance()? {
                if (min_t..=max_t).contains(&samples.timestamp()) {
                    let h = Value::FloatHistogram(Box::new(samples.histogram()));
                    out.push((samples.timestamp(), h.with_start(samples.start_timestamp())));
                }
            }
        }
    }
    Ok(out)
}
