//! Downsampling native histograms: count, sum and counter; no minimum and maximum. All of a batch come to its coarsest schema.
//! Checked against Thanos: raw to 5 min gives its bytes; coarser steps its numbers, but where a sum has more buckets than its parts we write
//! neighbouring spans as one and it as two.

use std::sync::Arc;

use gauntlet_chunk::histogram::Appended;
use gauntlet_chunk::{
    Aggregate, AggregateChunk, Columns, Encoding, FloatHistogramAppender, XorAppender,
};
use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, Timestamp};

use super::{Reason, TimeSpan, aggregate_piece, coarser_part, expand, windows};
use crate::compact::Piece;

type Batch = [(Timestamp, Arc<FloatHistogram>)];

/// What a window and the batch so far amount to.
#[derive(Default)]
struct Totals {
    schema: i32,
    count: u64,
    sum: Option<FloatHistogram>,
    counter: Option<FloatHistogram>,
    previous: Option<FloatHistogram>,
}

impl Totals {
    fn new(batch: &Batch) -> Self {
        let schema = batch.iter().map(|(_, h)| h.schema).min().unwrap_or_default();
        Self { schema, ..Self::default() }
    }

    fn begin(&mut self) {
        self.count = 0;
        self.sum = None;
    }

    fn add(&mut self, original: &FloatHistogram) -> Result<(), Reason> {
        let incompatible = |err: &dyn std::fmt::Display| Reason::Histogram(err.to_string());
        let histogram = if original.schema > self.schema {
            original.copy_to_schema(self.schema)
        } else {
            original.clone()
        };
        match (&mut self.counter, &self.previous) {
            (Some(counter), Some(previous)) => {
                // The original decides: a finer schema than before is a reset too.
                let reset = histogram.counter_reset_hint != CounterResetHint::Gauge
                    && original.detect_reset(previous);
                let mut increase = histogram.clone();
                if !reset {
                    increase.sub(previous).map_err(|err| incompatible(&err))?;
                }
                counter.add(&increase).map_err(|err| incompatible(&err))?;
            }
            _ => self.counter = Some(histogram.clone()),
        }
        match &mut self.sum {
            Some(sum) => {
                sum.add(&histogram).map_err(|err| incompatible(&err))?;
            }
            None => self.sum = Some(histogram.clone()),
        }
        // As a counter a smaller sum would end the chunk.
        if let Some(sum) = &mut self.sum {
            sum.counter_reset_hint = CounterResetHint::Gauge;
        }
        self.previous = Some(histogram);
        self.count += 1;
        Ok(())
    }
}

/// A chunk of aggregated histograms.
struct Part(FloatHistogramAppender);

impl Part {
    fn new() -> Self {
        Self(FloatHistogramAppender::new(false))
    }

    fn append(&mut self, t: Timestamp, histogram: Option<&FloatHistogram>) -> Result<(), Reason> {
        let Some(histogram) = histogram else { return Ok(()) };
        let empty = FloatHistogramAppender::new(false);
        let done = self.0.append(Some(&empty), 0, t, histogram, false);
        match done.map_err(|err| Reason::Histogram(err.to_string()))? {
            Appended::Same | Appended::Recoded => {}
            // The peer keeps what follows; it cannot happen in a batch of one schema.
            Appended::NewChunk(new) => self.0 = *new,
        }
        Ok(())
    }
}

fn is_gauge(batch: &Batch) -> bool {
    batch.first().is_some_and(|(_, h)| h.counter_reset_hint == CounterResetHint::Gauge)
}

/// One aggregate chunk of a batch of raw histograms.
pub(super) fn batch(batch: &Batch, resolution_ms: i64) -> Result<Option<Piece>, Reason> {
    if batch.is_empty() {
        return Ok(None);
    }
    let gauge = is_gauge(batch);
    let (mut count, mut sum, mut counter) = (XorAppender::new(), Part::new(), Part::new());
    let mut range = TimeSpan::default();
    let times: Vec<_> = batch.iter().map(|(t, _)| *t).collect();
    windows(
        &mut Totals::new(batch),
        &times,
        resolution_ms,
        Totals::begin,
        |totals, i| totals.add(&batch[i].1),
        |totals, t| {
            range.take(t);
            mark_gauge(totals, gauge);
            counter.append(t, totals.counter.as_ref())?;
            sum.append(t, totals.sum.as_ref())?;
            count.append(t, totals.count as f64);
            Ok(())
        },
    )?;
    Ok(Some(piece(Some(&count), &sum, &counter, range)))
}

fn mark_gauge(totals: &mut Totals, gauge: bool) {
    if gauge {
        for part in [&mut totals.counter, &mut totals.sum].into_iter().flatten() {
            part.counter_reset_hint = CounterResetHint::Gauge;
        }
    }
}

fn piece(count: Option<&XorAppender>, sum: &Part, counter: &Part, range: TimeSpan) -> Piece {
    let mut parts = [None; 5];
    parts[Aggregate::Count as usize] = count.map(|count| (Encoding::Xor, count.bytes()));
    parts[Aggregate::Sum as usize] = Some((Encoding::FloatHistogram, sum.0.bytes()));
    parts[Aggregate::Counter as usize] = Some((Encoding::FloatHistogram, counter.0.bytes()));
    aggregate_piece(parts, range)
}

/// One chunk of several downsampled ones.
pub(super) fn coarser(
    chunks: &[AggregateChunk<'_>],
    resolution_ms: i64,
) -> Result<Option<Piece>, Reason> {
    let mut range = TimeSpan::default();
    let counters = samples(Aggregate::Counter, chunks)?;
    let mut counter = Part::new();
    fold(&counters, resolution_ms, |totals, t| {
        range.take(t);
        counter.append(t, totals.counter.as_ref())
    })?;
    let sums = samples(Aggregate::Sum, chunks)?;
    if sums.is_empty() {
        return Ok(None);
    }
    let mut sum = Part::new();
    fold(&sums, resolution_ms, |totals, t| {
        range.take(t);
        sum.append(t, totals.sum.as_ref())
    })?;
    let count = coarser_part(Aggregate::Count, chunks, resolution_ms, &mut range)?;
    Ok(Some(piece(count.as_ref(), &sum, &counter, range)))
}

fn fold(
    batch: &Batch,
    resolution_ms: i64,
    end: impl FnMut(&mut Totals, Timestamp) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let times: Vec<_> = batch.iter().map(|(t, _)| *t).collect();
    let mut totals = Totals::new(batch);
    windows(
        &mut totals,
        &times,
        resolution_ms,
        Totals::begin,
        |totals, i| totals.add(&batch[i].1),
        end,
    )?;
    Ok(())
}

fn samples(
    aggregate: Aggregate,
    chunks: &[AggregateChunk<'_>],
) -> Result<Vec<(Timestamp, Arc<FloatHistogram>)>, Reason> {
    let mut columns = Columns::default();
    for chunk in chunks {
        if let Ok((encoding, data)) = chunk.get(aggregate) {
            expand(encoding, data, &mut columns)?;
        }
    }
    let of =
        |(at, h): &(u32, Arc<FloatHistogram>)| (columns.timestamps[*at as usize], Arc::clone(h));
    Ok(columns.histograms.iter().map(of).collect())
}
