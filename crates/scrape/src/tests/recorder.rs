//! A storage that writes down what it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::{
    Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp, is_stale_nan,
};
use gauntlet_storage::{AppendError, AppendOptions, Appendable, Appender};
use parking_lot::Mutex;

/// Takes samples in order and keeps what was committed.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    series: Vec<Labels>,
    last: BTreeMap<u64, (Timestamp, f64)>,
    written: Vec<String>,
    /// Appends in which a label set was needed.
    named: usize,
    /// Series that storage has let go of.
    forgotten: Vec<u64>,
}

impl Recorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What was committed since the last call, one line a sample: `labels value@time`, `STALE` for the marker.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().written)
    }

    /// [`Recorder::take`] without the synthetic series, times left out.
    pub(super) fn take_values(&self) -> Vec<String> {
        let all = self
            .take()
            .into_iter()
            .filter(|line| !line.starts_with("up{") && !line.starts_with("scrape_"));
        all.map(|line| line.split('@').next().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn named(&self) -> usize {
        self.state.lock().named
    }

    /// Lets go of all series, as a head does with old ones.
    pub(super) fn forget_all(&self) {
        let mut state = self.state.lock();
        state.forgotten = (1..=state.series.len() as u64).collect();
    }
}

/// `name{a="b"}`.
pub(super) fn show(labels: &Labels) -> String {
    let name = labels.metric_name();
    let rest: Vec<_> = labels
        .iter()
        .filter(|(n, _)| *n != "__name__")
        .map(|(n, v)| format!("{n}={v:?}"))
        .collect();
    format!("{name}{{{}}}", rest.join(","))
}

impl Appendable for Recorder {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        Box::new(Batch {
            recorder: self,
            options,
            start: None,
            pending: Vec::new(),
            samples: Vec::new(),
        })
    }
}

struct Batch<'a> {
    recorder: &'a Recorder,
    options: AppendOptions,
    /// Of the next sample.
    start: Option<Timestamp>,
    pending: Vec<String>,
    samples: Vec<(u64, Timestamp, f64)>,
}

impl Batch<'_> {
    fn resolve(&self, series: SeriesRef, labels: &Labels) -> Result<u64, AppendError> {
        let mut state = self.recorder.state.lock();
        if series.0 > 0 && !state.forgotten.contains(&series.0) {
            return Ok(series.0);
        }
        state.named += 1;
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        let forgotten = state.forgotten.clone();
        let known = state
            .series
            .iter()
            .enumerate()
            .position(|(i, l)| l == labels && !forgotten.contains(&(i as u64 + 1)));
        let at = known.unwrap_or_else(|| {
            state.series.push(labels.clone());
            state.series.len() - 1
        });
        Ok(at as u64 + 1)
    }

    fn add(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
        shown: String,
    ) -> Result<SeriesRef, AppendError> {
        let id = self.resolve(series, labels)?;
        let state = self.recorder.state.lock();
        let before = self.samples.iter().rev().find(|s| s.0 == id).map(|s| (s.1, s.2));
        if let Some((last_t, last)) = before.or_else(|| state.last.get(&id).copied()) {
            if t < last_t {
                return Err(AppendError::OutOfOrder);
            }
            if t == last_t && value.to_bits() != last.to_bits() {
                return Err(AppendError::DuplicateSample);
            }
        }
        let _ = self.options;
        self.pending.push(format!("{} {shown}@{t}", show(&state.series[id as usize - 1])));
        self.samples.push((id, t, value));
        Ok(SeriesRef(id))
    }
}

impl Appender for Batch<'_> {
    fn append(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, AppendError> {
        let mut shown = if is_stale_nan(value) { "STALE".to_owned() } else { value.to_string() };
        if let Some(start) = self.start.take() {
            shown.push_str(&format!(" since {start}"));
        }
        self.add(series, labels, t, value, shown)
    }

    fn start_of_next(&mut self, start: Timestamp) {
        self.start = Some(start);
    }

    fn append_start_zero(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
    ) -> Result<SeriesRef, AppendError> {
        if start >= t {
            return Err(AppendError::OutOfBounds);
        }
        self.add(series, labels, start, 0.0, "began".to_owned())
    }

    fn append_start_zero_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        _: Timestamp,
        like: &Histogram,
    ) -> Result<SeriesRef, AppendError> {
        self.add(series, labels, start, 0.0, format!("began(schema {})", like.schema))
    }

    fn append_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        h: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        let since = self.start.take().map_or(String::new(), |start| format!(" since {start}"));
        let shown = format!("histogram(schema {}, count {}){since}", h.schema, h.count);
        self.add(series, labels, t, h.sum, shown)
    }

    fn append_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        h: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        let shown = format!("float histogram(schema {}, count {})", h.schema, h.count);
        self.add(series, labels, t, h.sum, shown)
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        exemplar: Exemplar,
    ) -> Result<(), AppendError> {
        let id = self.resolve(series, labels)?;
        let name = show(&self.recorder.state.lock().series[id as usize - 1]);
        let labels = show(&exemplar.labels);
        self.pending
            .push(format!("{name} exemplar {labels} {}@{:?}", exemplar.value, exemplar.timestamp));
        Ok(())
    }

    fn update_metadata(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        metadata: &Metadata,
    ) -> Result<(), AppendError> {
        let id = self.resolve(series, labels)?;
        let name = show(&self.recorder.state.lock().series[id as usize - 1]);
        self.pending.push(format!(
            "{name} metadata {} {:?}",
            metadata.metric_type.as_str(),
            metadata.help
        ));
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        let mut state = self.recorder.state.lock();
        for (id, t, value) in self.samples {
            state.last.insert(id, (t, value));
        }
        state.written.extend(self.pending);
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}
