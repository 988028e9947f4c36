//! Writing a histogram chunk: does the next sample fit, must the chunk grow buckets for it, or does a new chunk begin?

use std::borrow::Cow;

use gauntlet_encoding::BitWriter;
use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use gauntlet_model::{Timestamp, is_stale_nan};

use super::bucket::{Bucket, Side, View};
use super::running::Running;
use super::samples::HistogramChunkSamples;
use super::spans::{Union, count_buckets, insert, unite, unite_counters};
use super::{CounterResetHeader, HEADER_BYTES};
use crate::start_time::{HEADER_AT, StartEncoder};
use crate::{ChunkError, Encoding};

/// What became of an appended sample.
#[derive(Debug)]
pub enum Appended<B: Bucket> {
    /// It is in the chunk.
    Same,
    /// It is in the chunk, whose earlier samples were written anew with more buckets.
    Recoded,
    /// It did not fit: it is the first sample of this new chunk, the appended-to one is complete.
    NewChunk(Box<HistogramChunkAppender<B>>),
}

/// Why a sample could not be appended. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramAppendError {
    #[error("{0} counter reset")]
    CounterReset(&'static str),
    #[error("{0} schema change")]
    SchemaChange(String),
    #[error(
        "{kind} layout change with {positive} positive and {negative} negative {direction} inserts"
    )]
    LayoutChange { kind: String, direction: &'static str, positive: usize, negative: usize },
    #[error("chunk holds as many samples as it can")]
    Full,
    #[error("histogram has spans for {spans} buckets and {buckets} buckets")]
    SpansMismatch { spans: usize, buckets: usize },
}

/// Encodes histograms into a chunk of its own memory.
#[derive(Clone, Debug)]
pub struct HistogramChunkAppender<B: Bucket> {
    encoding: Encoding,
    out: Vec<u8>,
    free_bits: u8,
    count: usize,
    header: CounterResetHeader,
    running: Running<B>,
    start: Option<StartEncoder>,
}

/// Whether and how a sample fits.
struct Fit {
    /// Positive and negative layout; `None` if the sample does not fit.
    unions: Option<(Union, Union)>,
    reset: CounterResetHeader,
}

impl Fit {
    fn no(reset: CounterResetHeader) -> Self {
        Self { unions: None, reset }
    }

    fn as_is() -> Self {
        Self { unions: Some(Default::default()), reset: CounterResetHeader::NotCounterReset }
    }
}

impl<B: Bucket> HistogramChunkAppender<B> {
    /// An empty chunk. `with_start` chooses the encoding that stores start timestamps.
    pub fn new(with_start: bool) -> Self {
        Self {
            encoding: if with_start { B::WITH_START } else { B::PLAIN },
            out: vec![0; HEADER_BYTES],
            free_bits: 0,
            count: 0,
            header: CounterResetHeader::Unknown,
            running: Running::for_writing(),
            start: with_start.then(StartEncoder::default),
        }
    }

    /// Goes on with a chunk that was encoded before. Decodes it once.
    pub fn resume(encoding: Encoding, chunk: &[u8]) -> Result<Self, ChunkError> {
        let mut samples = HistogramChunkSamples::<B>::new(encoding, chunk)?;
        while samples.advance()? {}
        let mut this = Self::new(encoding == B::WITH_START);
        this.set_header(samples.header());
        if samples.total() == 0 {
            return Ok(this);
        }
        let bits = samples.position_bits();
        this.out = chunk[..bits.div_ceil(8)].to_vec();
        this.free_bits = (bits.next_multiple_of(8) - bits) as u8;
        this.count = samples.total();
        this.start = samples.start.map(|start| start.encoder());
        this.running = samples.running;
        Ok(this)
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Time of the last sample.
    pub fn last_time(&self) -> Timestamp {
        self.running.t
    }

    pub fn counter_reset_header(&self) -> CounterResetHeader {
        self.header
    }

    /// Overrides what the chunk says of its first sample.
    pub fn set_header(&mut self, header: CounterResetHeader) {
        self.header = header;
        self.write_count();
    }

    /// Appends a histogram. `previous` is the appender of the series' chunk before this one, if this one is empty; `append_only`
    /// forbids what would rewrite or end the chunk.
    pub fn append(
        &mut self,
        previous: Option<&Self>,
        start: Timestamp,
        t: Timestamp,
        histogram: &B::Histogram,
        append_only: bool,
    ) -> Result<Appended<B>, HistogramAppendError> {
        let view = B::view(histogram);
        check_spans(&view)?;
        if self.count == self.capacity() {
            return Err(HistogramAppendError::Full);
        }
        if self.count == 0 {
            self.put(start, t, &view);
            match view.hint {
                CounterResetHint::Gauge => self.set_header(CounterResetHeader::Gauge),
                CounterResetHint::CounterReset => self.set_header(CounterResetHeader::CounterReset),
                _ => {
                    if let Some(previous) = previous {
                        self.set_header(previous.fit_counter(&view).reset);
                    }
                }
            }
            return Ok(Appended::Same);
        }
        let gauge = view.hint == CounterResetHint::Gauge;
        let fit = if gauge { self.fit_gauge(&view) } else { self.fit_counter(&view) };
        let Some((positive, negative)) = fit.unions else {
            return self.begin_anew(start, t, &view, fit.reset, gauge, append_only);
        };
        let kind = if gauge {
            format!("{}gauge histogram", gauge_prefix::<B>())
        } else {
            B::WORD.to_owned()
        };
        let mut histogram = Cow::Borrowed(histogram);
        if !positive.backward.is_empty() || !negative.backward.is_empty() {
            if append_only && gauge {
                return Err(HistogramAppendError::LayoutChange {
                    kind,
                    direction: "backwards",
                    positive: positive.backward.len(),
                    negative: negative.backward.len(),
                });
            }
            let side = |union: &Union, spans: &[Span], buckets: &[B]| Side {
                // A counter's side that lacks nothing keeps its own way of writing the layout.
                spans: if gauge || !union.backward.is_empty() {
                    union.spans.clone()
                } else {
                    spans.to_vec()
                },
                buckets: insert(buckets, &union.backward),
            };
            let p = side(&positive, view.positive_spans, view.positive);
            let n = side(&negative, view.negative_spans, view.negative);
            B::set_buckets(histogram.to_mut(), p, n);
        }
        let view = B::view(&histogram);
        if positive.forward.is_empty() && negative.forward.is_empty() {
            self.put(start, t, &view);
            return Ok(Appended::Same);
        }
        if append_only {
            return Err(HistogramAppendError::LayoutChange {
                kind,
                direction: "forwards",
                positive: positive.forward.len(),
                negative: negative.forward.len(),
            });
        }
        self.recode(&positive, &negative, &view);
        self.put(start, t, &view);
        Ok(Appended::Recoded)
    }

    fn capacity(&self) -> usize {
        if self.start.is_some() { 0x3fff } else { 0xffff }
    }

    fn begin_anew(
        &self,
        start: Timestamp,
        t: Timestamp,
        view: &View<'_, B>,
        reset: CounterResetHeader,
        gauge: bool,
        append_only: bool,
    ) -> Result<Appended<B>, HistogramAppendError> {
        if append_only {
            return Err(match (gauge, reset) {
                (true, _) => HistogramAppendError::SchemaChange(format!(
                    "{}gauge histogram",
                    gauge_prefix::<B>()
                )),
                (false, CounterResetHeader::CounterReset) => {
                    HistogramAppendError::CounterReset(B::WORD)
                }
                (false, _) => HistogramAppendError::SchemaChange(B::WORD.to_owned()),
            });
        }
        let mut new = Self::new(self.start.is_some());
        new.set_header(match (gauge, reset) {
            (true, _) => CounterResetHeader::Gauge,
            // Float chunks name a reset or nothing.
            (false, CounterResetHeader::NotCounterReset) if !B::SCHEMA_CHANGE_IS_UNKNOWN => {
                CounterResetHeader::Unknown
            }
            (false, reset) => reset,
        });
        new.put(start, t, view);
        Ok(Appended::NewChunk(Box::new(new)))
    }

    /// Whether a counter's next sample fits, and whether a reset lies between.
    fn fit_counter(&self, h: &View<'_, B>) -> Fit {
        use CounterResetHeader::{CounterReset, NotCounterReset, Unknown};
        let undecided = if B::SCHEMA_CHANGE_IS_UNKNOWN { Unknown } else { NotCounterReset };
        if self.count > 0 && self.header == CounterResetHeader::Gauge {
            return Fit::no(NotCounterReset);
        }
        if h.hint == CounterResetHint::CounterReset {
            return Fit::no(CounterReset);
        }
        if is_stale_nan(h.sum) {
            return Fit::as_is();
        }
        if is_stale_nan(self.running.sum) {
            return Fit::no(undecided);
        }
        if h.count < self.running.count {
            return Fit::no(CounterReset);
        }
        let layout = &self.running.layout;
        if h.schema != layout.schema || h.zero_threshold != layout.zero_threshold {
            return Fit::no(undecided);
        }
        if h.schema == CUSTOM_BUCKETS_SCHEMA && h.custom_values != layout.custom_values {
            return Fit::no(CounterReset);
        }
        if h.zero_count < self.running.zero_count {
            return Fit::no(CounterReset);
        }
        let positive = unite_counters(
            (&layout.positive_spans, &self.running.positive),
            (h.positive_spans, h.positive),
        );
        let negative = unite_counters(
            (&layout.negative_spans, &self.running.negative),
            (h.negative_spans, h.negative),
        );
        match positive.zip(negative) {
            Some(unions) => Fit { unions: Some(unions), reset: NotCounterReset },
            None => Fit::no(CounterReset),
        }
    }

    /// Whether a gauge's next sample fits.
    fn fit_gauge(&self, h: &View<'_, B>) -> Fit {
        let no = Fit::no(CounterResetHeader::Gauge);
        if self.count > 0 && self.header != CounterResetHeader::Gauge {
            return no;
        }
        if is_stale_nan(h.sum) {
            return Fit::as_is();
        }
        let layout = &self.running.layout;
        if is_stale_nan(self.running.sum)
            || h.schema != layout.schema
            || h.zero_threshold != layout.zero_threshold
            || (h.schema == CUSTOM_BUCKETS_SCHEMA && h.custom_values != layout.custom_values)
        {
            return no;
        }
        let positive = unite(&layout.positive_spans, h.positive_spans);
        let negative = unite(&layout.negative_spans, h.negative_spans);
        Fit { unions: Some((positive, negative)), reset: CounterResetHeader::Gauge }
    }

    /// Writes the chunk's samples anew with the layout of `target`, the sample to come.
    fn recode(&mut self, positive: &Union, negative: &Union, target: &View<'_, B>) {
        let mut new = Self::new(self.start.is_some());
        let mut samples = HistogramChunkSamples::<B>::new(self.encoding, &self.out)
            .expect("BUG: chunk has the encoding it was written in");
        while samples.advance().expect("BUG: chunk written here can be read") {
            let mut histogram = samples.histogram();
            let view = B::view(&histogram);
            let p = Side {
                spans: target.positive_spans.to_vec(),
                buckets: insert(view.positive, &positive.forward),
            };
            let n = Side {
                spans: target.negative_spans.to_vec(),
                buckets: insert(view.negative, &negative.forward),
            };
            B::set_buckets(&mut histogram, p, n);
            new.put(samples.start_timestamp(), samples.timestamp(), &B::view(&histogram));
        }
        new.set_header(self.header);
        *self = new;
    }

    fn put(&mut self, start: Timestamp, t: Timestamp, h: &View<'_, B>) {
        let previous_t = self.running.t;
        let mut writer = BitWriter::resume(&mut self.out, self.free_bits);
        if self.count == 0 {
            self.running.put_first(&mut writer, t, h);
        } else {
            self.running.put_next(&mut writer, t, h);
        }
        let mut start_header = 0;
        if let Some(encoder) = &mut self.start {
            start_header = encoder.put(&mut writer, self.count, t, previous_t, start);
        }
        self.free_bits = writer.free_bits();
        self.out[HEADER_AT] |= start_header;
        self.count += 1;
        self.write_count();
    }

    fn write_count(&mut self) {
        let [high, low] = (self.count as u16).to_be_bytes();
        let header = self.header.bits();
        (self.out[0], self.out[1]) = (high, low);
        let at = if self.start.is_some() { 0 } else { 2 };
        self.out[at] = self.out[at] & 0x3f | header;
    }
}

/// Upstream names the two kinds of gauge "gauge histogram" and "float gauge histogram".
fn gauge_prefix<B: Bucket>() -> &'static str {
    B::WORD.strip_suffix("histogram").unwrap_or("")
}

fn check_spans<B: Bucket>(h: &View<'_, B>) -> Result<(), HistogramAppendError> {
    if is_stale_nan(h.sum) {
        return Ok(());
    }
    for (spans, buckets) in [(h.positive_spans, h.positive), (h.negative_spans, h.negative)] {
        let (spans, buckets) = (count_buckets(spans), buckets.len());
        if spans != buckets {
            return Err(HistogramAppendError::SpansMismatch { spans, buckets });
        }
    }
    Ok(())
}
