//! Folding rows into the state of their group, all steps of a row at once.

use gauntlet_model::histogram::{CounterResetHint, kahan_add};
use gauntlet_model::{FloatHistogram, Labels};

use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::ast::{AggregateOp, PosRange};
use crate::engine::rows::{ABSENT, HistogramRow, empty_histograms, histogram_bytes, is_absent};
use crate::engine::window::Mean;

/// The state of all groups of one aggregation.
pub(super) struct Fold {
    op: AggregateOp,
    steps: usize,
    pos: PosRange,
    states: Vec<State>,
}

/// One group. What the columns hold depends on the operation:
///
/// | operation | `value` | `extra` | `count` |
/// | --- | --- | --- | --- |
/// | sum | sum | compensation | |
/// | avg | sum, or mean | compensation | floats; negative once `value` is a mean |
/// | min, max | extreme | | |
/// | count | number of samples | | |
/// | group | 1 | | |
/// | stddev, stdvar | sum of squares | mean | floats |
#[derive(Default)]
struct State {
    /// Absent where no float was seen.
    value: Vec<f64>,
    extra: Vec<f64>,
    count: Vec<f64>,
    /// Sums of histograms, or empty.
    histograms: Vec<Option<Box<HistogramState>>>,
    drop_name: bool,
}

struct HistogramState {
    sum: HistogramSum,
    reset: bool,
    no_reset: bool,
    /// Exponential and custom buckets met: no result.
    incompatible: bool,
}

enum HistogramSum {
    Sum { value: FloatHistogram, compensation: Option<FloatHistogram> },
    Mean(Mean),
}

impl Fold {
    pub(super) fn new(op: AggregateOp, steps: usize, pos: PosRange) -> Self {
        Self { op, steps, pos, states: Vec::new() }
    }

    pub(super) fn groups(&self) -> usize {
        self.states.len()
    }

    fn columns(&self) -> usize {
        use AggregateOp::{Avg, Stddev, Stdvar, Sum};
        match self.op {
            Sum => 2,
            Avg | Stddev | Stdvar => 3,
            _ => 1,
        }
    }

    /// Memory of one group's floats.
    pub(super) fn bytes_per_group(&self) -> u64 {
        (self.columns() * self.steps * 8 + 64) as u64
    }

    pub(super) fn add_group(&mut self) {
        let columns = self.columns();
        let column = |n: usize, value: f64| {
            if columns >= n { vec![value; self.steps] } else { Vec::new() }
        };
        self.states.push(State {
            value: column(1, ABSENT),
            extra: column(2, 0.0),
            count: column(3, 0.0),
            ..State::default()
        });
    }

    pub(super) fn mark_drop_name(&mut self, group: usize) {
        self.states[group].drop_name = true;
    }

    pub(super) fn drops_name(&self, group: usize) -> bool {
        self.states[group].drop_name
    }

    /// Bytes that folding these histograms in will take: sum and compensation of each step that has none yet.
    pub(super) fn histogram_growth(&self, group: usize, row: Option<&HistogramRow>) -> u64 {
        let sums = matches!(self.op, AggregateOp::Sum | AggregateOp::Avg);
        let Some(row) = row.filter(|_| sums) else { return 0 };
        let there = &self.states[group].histograms;
        let new =
            row.iter().enumerate().filter(|(step, _)| there.get(*step).is_none_or(Option::is_none));
        let bytes = new.filter_map(|(_, h)| h.as_ref()).map(|h| 2 * histogram_bytes(h) + 64);
        bytes.sum::<usize>() as u64
    }

    /// Folds a series in.
    pub(super) fn take(
        &mut self,
        group: usize,
        floats: &[f64],
        histograms: Option<&HistogramRow>,
        labels: &Labels,
        annotations: &mut Annotations,
    ) {
        let state = &mut self.states[group];
        if state.histograms.iter().flatten().any(|h| h.incompatible) {
            // Where histograms did not fit, floats do not count either.
            let mut kept = floats.to_vec();
            for (value, histogram) in kept.iter_mut().zip(&state.histograms) {
                if histogram.as_ref().is_some_and(|h| h.incompatible) {
                    *value = ABSENT;
                }
            }
            fold_floats(self.op, state, &kept);
        } else {
            fold_floats(self.op, state, floats);
        }
        let Some(histograms) = histograms else { return };
        match self.op {
            AggregateOp::Count | AggregateOp::Group => {
                for (value, _) in
                    state.value.iter_mut().zip(histograms).filter(|(_, h)| h.is_some())
                {
                    let before = if is_absent(*value) { 0.0 } else { *value };
                    *value = if self.op == AggregateOp::Count { before + 1.0 } else { 1.0 };
                }
            }
            AggregateOp::Sum | AggregateOp::Avg => {
                if state.histograms.is_empty() {
                    state.histograms.resize_with(self.steps, || None);
                }
                for (slot, histogram) in state.histograms.iter_mut().zip(histograms) {
                    if let Some(histogram) = histogram {
                        let mean = self.op == AggregateOp::Avg;
                        add_histogram(slot, histogram, mean, labels, self.pos, annotations);
                    }
                }
            }
            op => {
                if histograms.iter().any(Option::is_some) {
                    annotations
                        .add(Annotation::histogram_ignored_in_aggregation(op.as_str(), self.pos));
                }
            }
        }
    }

    /// The group's row.
    pub(super) fn finish(
        &mut self,
        group: usize,
        annotations: &mut Annotations,
    ) -> (Vec<f64>, Option<HistogramRow>) {
        let state = &mut self.states[group];
        let mut values = std::mem::take(&mut state.value);
        let filled = |v: f64| !is_absent(v);
        match self.op {
            AggregateOp::Sum => {
                for (value, c) in values.iter_mut().zip(&state.extra).filter(|(v, _)| filled(**v)) {
                    *value += c;
                }
            }
            AggregateOp::Avg => {
                let rest = state.extra.iter().zip(&state.count);
                for (value, (c, n)) in values.iter_mut().zip(rest).filter(|(v, _)| filled(**v)) {
                    *value = if *n < 0.0 { *value + c } else { *value / n + c / n };
                }
            }
            AggregateOp::Stdvar | AggregateOp::Stddev => {
                for (value, n) in values.iter_mut().zip(&state.count).filter(|(v, _)| filled(**v)) {
                    *value /= n;
                    if self.op == AggregateOp::Stddev {
                        *value = value.sqrt();
                    }
                }
            }
            _ => {}
        }
        if state.histograms.is_empty() {
            return (values, None);
        }
        let mut row = empty_histograms(self.steps);
        for (step, sum) in state.histograms.drain(..).enumerate() {
            let Some(sum) = sum else { continue };
            if filled(values[step]) {
                annotations.add(Annotation::mixed_floats_histograms_aggregation(self.pos));
                values[step] = ABSENT;
                continue;
            }
            if sum.incompatible {
                continue;
            }
            if sum.reset && sum.no_reset {
                annotations.add(Annotation::counter_reset_collision(
                    HistogramOperation::Aggregation,
                    self.pos,
                ));
            }
            row[step] = sum.sum.finish().map(std::sync::Arc::new);
        }
        (values, Some(row))
    }
}

impl HistogramSum {
    fn finish(self) -> Option<FloatHistogram> {
        let mut result = match self {
            Self::Mean(mean) => mean.finish().ok()?,
            Self::Sum { mut value, compensation } => {
                if let Some(compensation) = &compensation {
                    value.add(compensation).ok()?;
                }
                value
            }
        };
        result.compact(0);
        Some(result)
    }
}

fn add_histogram(
    slot: &mut Option<Box<HistogramState>>,
    histogram: &FloatHistogram,
    mean: bool,
    labels: &Labels,
    pos: PosRange,
    annotations: &mut Annotations,
) {
    let first = slot.is_none();
    let state = slot.get_or_insert_with(|| {
        let sum = if mean {
            HistogramSum::Mean(Mean::new(histogram))
        } else {
            HistogramSum::Sum { value: histogram.clone(), compensation: None }
        };
        Box::new(HistogramState { sum, reset: false, no_reset: false, incompatible: false })
    });
    if state.incompatible {
        return;
    }
    match histogram.counter_reset_hint {
        CounterResetHint::CounterReset => state.reset = true,
        CounterResetHint::NotCounterReset => state.no_reset = true,
        CounterResetHint::Unknown | CounterResetHint::Gauge => {}
    }
    if first {
        return;
    }
    let reconciled = match &mut state.sum {
        HistogramSum::Mean(mean) => mean.add(histogram),
        HistogramSum::Sum { value, compensation } => {
            value.kahan_add(histogram, compensation).map(|done| done.bounds_reconciled)
        }
    };
    match reconciled {
        Ok(true) => annotations
            .add(Annotation::mismatched_custom_buckets(HistogramOperation::Aggregation, pos)),
        Ok(false) => {}
        Err(_) => {
            annotations
                .add(Annotation::mixed_exponential_custom_histograms(labels.metric_name(), pos));
            state.incompatible = true;
        }
    }
}

fn fold_floats(op: AggregateOp, state: &mut State, floats: &[f64]) {
    let value = &mut state.value[..floats.len()];
    match op {
        AggregateOp::Sum => fold_sum(value, &mut state.extra, floats),
        AggregateOp::Avg => fold_mean(value, &mut state.extra, &mut state.count, floats),
        AggregateOp::Count => {
            for (n, v) in value.iter_mut().zip(floats) {
                let more = if is_absent(*n) { 1.0 } else { *n + 1.0 };
                *n = if is_absent(*v) { *n } else { more };
            }
        }
        AggregateOp::Group => {
            for (one, v) in value.iter_mut().zip(floats) {
                *one = if is_absent(*v) { *one } else { 1.0 };
            }
        }
        AggregateOp::Min => fold_extreme(value, floats, |old, new| old > new),
        AggregateOp::Max => fold_extreme(value, floats, |old, new| old < new),
        _ => fold_variance(value, &mut state.extra, &mut state.count, floats),
    }
}

/// Written without branches, so that the compiler can take several steps at once.
fn fold_sum(sums: &mut [f64], cs: &mut [f64], floats: &[f64]) {
    for ((sum, c), v) in sums.iter_mut().zip(cs).zip(floats) {
        let (old, old_c) = (*sum, *c);
        let (added, added_c) = kahan_add(*v, old, old_c);
        let first = is_absent(old);
        let none = is_absent(*v);
        let new = if first { *v } else { added };
        let new_c = if first { 0.0 } else { added_c };
        *sum = if none { old } else { new };
        *c = if none { old_c } else { new_c };
    }
}

fn fold_mean(values: &mut [f64], cs: &mut [f64], counts: &mut [f64], floats: &[f64]) {
    for (((value, c), count), v) in values.iter_mut().zip(cs).zip(counts).zip(floats) {
        if is_absent(*v) {
            continue;
        }
        if is_absent(*value) {
            (*value, *c, *count) = (*v, 0.0, 1.0);
            continue;
        }
        let n = count.abs() + 1.0;
        if *count > 0.0 {
            let (sum, sum_c) = kahan_add(*v, *value, *c);
            if !sum.is_infinite() {
                (*value, *c, *count) = (sum, sum_c, n);
                continue;
            }
            // The sum would overflow: go on with the mean.
            *value /= n - 1.0;
            *c /= n - 1.0;
        }
        let q = (n - 1.0) / n;
        (*value, *c) = kahan_add(v / n, q * *value, q * *c);
        *count = -n;
    }
}

fn fold_extreme(values: &mut [f64], floats: &[f64], loses: impl Fn(f64, f64) -> bool) {
    for (value, v) in values.iter_mut().zip(floats) {
        // An absent value is a not-a-number and so loses too.
        let takes = !is_absent(*v) && (loses(*value, *v) || value.is_nan());
        *value = if takes { *v } else { *value };
    }
}

fn fold_variance(values: &mut [f64], means: &mut [f64], counts: &mut [f64], floats: &[f64]) {
    for (((value, mean), count), v) in values.iter_mut().zip(means).zip(counts).zip(floats) {
        if is_absent(*v) {
            continue;
        }
        if is_absent(*value) {
            (*value, *mean, *count) = (if v.is_finite() { 0.0 } else { f64::NAN }, *v, 1.0);
            continue;
        }
        *count += 1.0;
        let delta = v - *mean;
        *mean += delta / *count;
        *value += delta * (v - *mean);
    }
}
