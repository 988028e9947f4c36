//! A storage in memory that answers selections with encoded chunks, as the real ones do.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_chunk::Encoding;
use gauntlet_chunk::histogram::{Appended, FloatHistogramAppender};
use gauntlet_chunk::xor2::Xor2Appender;
use gauntlet_model::{FloatHistogram, Labels, Matcher, STALE_NAN, Timestamp, is_stale_nan};
use gauntlet_storage::{
    Chunk, ChunkData, DeferredSeries, LabelAnswer, LabelRequest, QueryError, Queryable,
    SelectRequest, SeriesSet, SeriesSetBuilder, TimeRange,
};

use super::expand::SequenceValue;
use super::nhcb;
use super::script::Load;

/// Most samples of a chunk: small, so that series have several.
const CHUNK_SAMPLES: usize = 120;

#[derive(Clone, Debug)]
struct Sample {
    t: Timestamp,
    start: Timestamp,
    value: f64,
    histogram: Option<Arc<FloatHistogram>>,
}

#[derive(Clone, Debug, Default)]
struct Series {
    samples: Vec<Sample>,
    chunks: Vec<Chunk>,
}

/// See the file's head. Samples of a series are appended in ascending time.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    series: BTreeMap<Labels, Series>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.series.clear();
    }

    /// Stores what a `load` describes.
    pub fn load(&mut self, load: &Load) -> Result<(), String> {
        for series in &load.series {
            for (i, value) in series.values.iter().enumerate() {
                let t = i as i64 * load.step_ms;
                let start = series.starts.get(i).copied().flatten().map_or(0, |offset| t + offset);
                match value {
                    SequenceValue::Omitted => {}
                    SequenceValue::Float(value) => {
                        self.append(&series.labels, start, t, *value, None)?;
                    }
                    SequenceValue::Histogram { histogram, .. } => {
                        let histogram = Arc::new((**histogram).clone());
                        self.append(&series.labels, start, t, 0.0, Some(histogram))?;
                    }
                }
            }
        }
        if load.with_nhcb {
            for (labels, by_time) in nhcb::convert(load)? {
                for (t, histogram) in by_time {
                    self.append(&labels, 0, t, 0.0, Some(Arc::new(histogram)))?;
                }
            }
        }
        self.encode()
    }

    /// Appends a sample; it can be read once [`Self::encode`] was called.
    pub fn append(
        &mut self,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        value: f64,
        histogram: Option<Arc<FloatHistogram>>,
    ) -> Result<(), String> {
        if let Some(histogram) = &histogram {
            histogram.validate().map_err(|e| e.to_string())?;
        }
        let series = self.series.entry(labels.clone()).or_default();
        let mut sample = Sample { t, start, value, histogram };
        if let Some(last) = series.samples.last() {
            if t == last.t {
                let same = match (&sample.histogram, &last.histogram) {
                    (None, None) => value.to_bits() == last.value.to_bits(),
                    (Some(a), Some(b)) => a.same_data(b),
                    _ => false,
                };
                return if same {
                    Ok(())
                } else {
                    Err(format!("duplicate sample for timestamp {t} of {labels}"))
                };
            }
            if t < last.t {
                return Err(format!("out of order sample at {t} of {labels}"));
            }
            // A series of histograms ends with a stale histogram.
            if is_stale_nan(value) && sample.histogram.is_none() && last.histogram.is_some() {
                let stale = FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() };
                sample.histogram = Some(Arc::new(stale));
            }
        }
        series.samples.push(sample);
        series.chunks.clear();
        Ok(())
    }

    /// Whether the series has a sample at `t` or later.
    pub fn has_sample_at(&self, labels: &Labels, t: Timestamp) -> bool {
        self.series.get(labels).and_then(|s| s.samples.last()).is_some_and(|last| last.t >= t)
    }

    /// Encodes series that changed.
    pub fn encode(&mut self) -> Result<(), String> {
        for series in self.series.values_mut().filter(|s| s.chunks.is_empty()) {
            series.chunks = encode(&series.samples)?;
        }
        Ok(())
    }

    /// Series that match, at once.
    pub fn select_now(&self, matchers: &[Matcher], range: TimeRange) -> SeriesSet {
        let mut builder = SeriesSetBuilder::new();
        for (labels, series) in &self.series {
            if !matchers.iter().all(|m| m.matches_labels(labels)) {
                continue;
            }
            let mut chunks = series.chunks.iter();
            let overlapping = |c: &&Chunk| range.overlaps(c.min_time, c.max_time);
            let Some(first) = chunks.by_ref().find(overlapping) else { continue };
            builder.push_series(labels.clone());
            builder.push_chunk(first.clone());
            chunks.filter(overlapping).for_each(|c| builder.push_chunk(c.clone()));
        }
        builder.build()
    }

    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = &'a Labels> {
        self.series.keys().filter(|l| matchers.iter().all(|m| m.matches_labels(l)))
    }
}

/// One open chunk.
enum Open {
    Floats(Xor2Appender),
    Histograms(Box<FloatHistogramAppender>),
}

fn encode(samples: &[Sample]) -> Result<Vec<Chunk>, String> {
    let mut done = Vec::new();
    let mut open: Option<(Open, Timestamp, Timestamp)> = None;
    for sample in samples {
        let full = |count: usize| count >= CHUNK_SAMPLES;
        let fits = match (&open, &sample.histogram) {
            (Some((Open::Floats(a), ..)), None) => !full(a.count()),
            (Some((Open::Histograms(a), ..)), Some(_)) => !full(a.count()),
            _ => false,
        };
        let previous = if fits { None } else { open.take() };
        let (mut appender, min, _) = open.take().unwrap_or_else(|| {
            let appender = match sample.histogram {
                None => Open::Floats(Xor2Appender::new()),
                Some(_) => Open::Histograms(Box::new(FloatHistogramAppender::new(true))),
            };
            (appender, sample.t, sample.t)
        });
        let mut min = min;
        match (&mut appender, &sample.histogram) {
            (Open::Floats(a), _) => {
                a.append(sample.start, sample.t, sample.value);
            }
            (Open::Histograms(a), Some(histogram)) => {
                let before = match &previous {
                    Some((Open::Histograms(p), ..)) => Some(&**p),
                    _ => None,
                };
                let appended = a
                    .append(before, sample.start, sample.t, histogram, false)
                    .map_err(|e| e.to_string())?;
                if let Appended::NewChunk(next) = appended {
                    let complete = std::mem::replace(a, next);
                    let max = samples.iter().rev().find(|s| s.t < sample.t).map_or(min, |s| s.t);
                    done.push(finish(Open::Histograms(complete), min, max));
                    min = sample.t;
                }
            }
            (Open::Histograms(_), None) => unreachable!("BUG: float into a histogram chunk"),
        }
        if let Some((previous, min, max)) = previous {
            done.push(finish(previous, min, max));
        }
        open = Some((appender, min, sample.t));
    }
    if let Some((last, min, max)) = open {
        done.push(finish(last, min, max));
    }
    Ok(done)
}

fn finish(open: Open, min_time: Timestamp, max_time: Timestamp) -> Chunk {
    let (encoding, bytes) = match open {
        Open::Floats(a) => (Encoding::Xor2, a.into_bytes()),
        Open::Histograms(a) => (a.encoding(), a.into_bytes()),
    };
    let data = ChunkData::Encoded { encoding, bytes: Bytes::from(bytes) };
    Chunk { min_time, max_time, replica: 0, data }
}

/// A set that is handed out in parts.
#[derive(Debug)]
struct Parts(SeriesSet);

impl DeferredSeries for Parts {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn agree_on(&self, names: &[&str]) -> bool {
        let values = |i: usize| names.iter().map(move |name| self.0.labels(i).get(name));
        (1..self.0.len()).all(|i| values(i).eq(values(0)))
    }

    fn load(&self, series: Range<usize>, names: Option<&[&str]>) -> Result<SeriesSet, QueryError> {
        let mut part = SeriesSetBuilder::new();
        for i in series {
            let labels = self.0.labels(i);
            part.push_series(names.map_or_else(|| labels.clone(), |names| labels.keep(names)));
            self.0.chunks(i).iter().for_each(|chunk| part.push_chunk(chunk.clone()));
        }
        Ok(part.build_unsorted())
    }
}

impl Queryable for MemoryStore {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            request.cancel.check()?;
            let set = self.select_now(&request.matchers, request.range);
            Ok(match request.hints.deferred.is_some() {
                true => SeriesSet::of_deferred(Arc::new(Parts(set))),
                false => set,
            })
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let names = self.matching(&request.matchers).flat_map(|l| l.iter().map(|(n, _)| n));
        let values: std::collections::BTreeSet<String> = names.map(str::to_owned).collect();
        let values = values.into_iter().collect();
        async move { Ok(LabelAnswer { values, warnings: Vec::new() }) }.boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let found = self.matching(&request.matchers).filter_map(|l| l.get(name));
        let values: std::collections::BTreeSet<String> = found.map(str::to_owned).collect();
        let values = values.into_iter().collect();
        async move { Ok(LabelAnswer { values, warnings: Vec::new() }) }.boxed()
    }
}
