//! The writer's side: batches of samples that are committed or rolled back whole.

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};

/// Why one sample, or a whole batch, was not taken. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("out of bounds")]
    OutOfBounds,
    #[error("out of order sample")]
    OutOfOrder,
    #[error("too old sample")]
    TooOld,
    #[error("duplicate sample for timestamp")]
    DuplicateSample,
    #[error("out of order exemplar")]
    OutOfOrderExemplar,
    #[error("duplicate exemplar")]
    DuplicateExemplar,
    #[error("label name \"{0}\" is not unique: invalid sample")]
    DuplicateLabel(String),
    #[error("empty labelset: invalid sample")]
    EmptyLabels,
    #[error("native histogram is invalid: {0}")]
    InvalidHistogram(String),
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// The storage takes no writes now (disk full, failed sync); the text names cause and cure.
    #[error("storage is read-only: {0}")]
    ReadOnly(String),
    #[error("write failed: {0}")]
    Io(String),
}

impl AppendError {
    /// Whether the sample itself is at fault, so that sending it again cannot help.
    pub fn is_sample_fault(&self) -> bool {
        !matches!(self, Self::ReadOnly(_) | Self::Io(_))
    }
}

/// How a batch is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct AppendOptions {
    /// Refuse samples that are older than the series' newest, even inside the out-of-order window.
    pub discard_out_of_order: bool,
    /// Commit returns only once the batch is on disk: set where the sender is told that it was taken.
    pub durable: bool,
}

/// Where batches begin.
pub trait Appendable: Send + Sync + std::fmt::Debug {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_>;
}

/// One batch. Samples are seen by readers after [`Appender::commit`] and only whole. Dropping it rolls it back.
///
/// `series` is what an earlier append of the same series returned, or `SeriesRef(0)`: with a known reference `labels` is not
/// looked at, so that callers with a cache pay for no label set.
pub trait Appender: Send {
    fn append(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, AppendError>;

    /// States the start timestamp of the sample that is appended next, in milliseconds; 0 if it is not known. A storage that keeps
    /// none does not look at it.
    fn start_of_next(&mut self, start: Timestamp) {
        let _ = start;
    }

    /// Appends a zero where a counter began (its start timestamp), for the sample at `t` that follows. Errs where a sample as new is
    /// there already: the zero was appended before, or comes too late. Such errors are common and not counted.
    fn append_start_zero(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
    ) -> Result<SeriesRef, AppendError> {
        let _ = (series, labels, start, t);
        Err(AppendError::Unsupported("start timestamps"))
    }

    /// [`Appender::append_start_zero`] of a histogram: an empty one with the buckets of `like`, the sample at `t`.
    fn append_start_zero_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        like: &Histogram,
    ) -> Result<SeriesRef, AppendError> {
        let _ = (series, labels, start, t, like);
        Err(AppendError::Unsupported("start timestamps"))
    }

    /// [`Appender::append_start_zero_histogram`] with float counts.
    fn append_start_zero_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        like: &FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        let _ = (series, labels, start, t, like);
        Err(AppendError::Unsupported("start timestamps"))
    }

    fn append_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: Histogram,
    ) -> Result<SeriesRef, AppendError>;

    fn append_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: FloatHistogram,
    ) -> Result<SeriesRef, AppendError>;

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        exemplar: Exemplar,
    ) -> Result<(), AppendError>;

    fn update_metadata(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        metadata: &Metadata,
    ) -> Result<(), AppendError>;

    /// Makes the batch durable as the storage promises, and visible. On error nothing of it is visible.
    fn commit(self: Box<Self>) -> Result<(), AppendError>;

    fn rollback(self: Box<Self>);
}

/// The histogram that stands where counting began: nothing counted, a reset by definition, the layout of `like`.
pub fn zero_histogram(like: &Histogram) -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::CounterReset,
        schema: like.schema,
        zero_threshold: like.zero_threshold,
        custom_values: like.custom_values.clone(),
        ..Histogram::default()
    }
}

/// [`zero_histogram`] with float counts.
pub fn zero_float_histogram(like: &FloatHistogram) -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: CounterResetHint::CounterReset,
        schema: like.schema,
        zero_threshold: like.zero_threshold,
        custom_values: like.custom_values.clone(),
        ..FloatHistogram::default()
    }
}
