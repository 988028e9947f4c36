//! Folding rows into the state of their group, all steps of a row at once.

use gauntlet_model::histogram::{CounterResetHint, kahan_add};
use gauntlet_model::{FloatHistogram, Labels};
use gauntlet_sys::simd::{Kernel, vectorised};

use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::ast::{AggregateOp, PosRange};
use crate::engine::rows::{
    ABSENT, HistogramRow, Meta, Rows, empty_histograms, histogram_bytes, is_absent,
};
use crate::engine::window::Mean;

/// The state of all groups of one aggregation. What the columns hold depends on the operation:
///
/// | operation | `value` | `extra` | `count` |
/// | --- | --- | --- | --- |
/// | sum | sum | compensation | |
/// | avg | sum, or mean | compensation | floats; negative once `value` is a mean |
/// | min, max | extreme | | |
/// | count | number of samples | | |
/// | group | 1 | | |
/// | stddev, stdvar | sum of squares | mean | floats |
pub(super) struct Fold {
    op: AggregateOp,
    steps: usize,
    pos: PosRange,
    /// Columns of all groups, `steps` cells each, absent where no float was seen.
    value: Vec<f64>,
    extra: Vec<f64>,
    count: Vec<f64>,
    groups: Vec<Group>,
}

/// What a group has besides its floats.
#[derive(Default)]
struct Group {
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
        let (value, extra, count) = Default::default();
        Self { op, steps, pos, value, extra, count, groups: Vec::new() }
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Memory of one group's floats.
    pub(super) fn bytes_per_group(&self) -> u64 {
        (columns(self.op) * self.steps * 8 + size_of::<Group>()) as u64
    }

    pub(super) fn add_group(&mut self) {
        self.groups.push(Group::default());
        let cells = self.groups.len() * self.steps;
        let fills = [(&mut self.value, ABSENT), (&mut self.extra, 0.0), (&mut self.count, 0.0)];
        let columns = columns(self.op);
        for (column, fill) in fills.into_iter().take(columns) {
            column.resize(cells, fill);
        }
    }

    pub(super) fn mark_drop_name(&mut self, group: usize) {
        self.groups[group].drop_name = true;
    }

    /// Bytes that folding these histograms in will take: sum and compensation of each step that has none yet.
    pub(super) fn histogram_growth(&self, group: usize, row: Option<&HistogramRow>) -> u64 {
        let sums = matches!(self.op, AggregateOp::Sum | AggregateOp::Avg);
        let Some(row) = row.filter(|_| sums) else { return 0 };
        let there = &self.groups[group].histograms;
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
        let state = &mut self.groups[group];
        let cells = group * self.steps..(group + 1) * self.steps;
        let mut columns = Columns {
            value: &mut self.value[cells.clone()],
            extra: self.extra.get_mut(cells.clone()).unwrap_or_default(),
            count: self.count.get_mut(cells).unwrap_or_default(),
        };
        if state.histograms.iter().flatten().any(|h| h.incompatible) {
            // Where histograms did not fit, floats do not count either.
            let mut kept = floats.to_vec();
            for (value, histogram) in kept.iter_mut().zip(&state.histograms) {
                if histogram.as_ref().is_some_and(|h| h.incompatible) {
                    *value = ABSENT;
                }
            }
            columns.fold(self.op, &kept);
        } else {
            columns.fold(self.op, floats);
        }
        let Some(histograms) = histograms else { return };
        match self.op {
            AggregateOp::Count | AggregateOp::Group => {
                let cells = columns.value.iter_mut().zip(histograms);
                for (value, _) in cells.filter(|(_, h)| h.is_some()) {
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

    /// The rows of all groups, whose label sets are `labels`. The column of values becomes theirs.
    pub(super) fn finish(self, labels: Vec<Labels>, annotations: &mut Annotations) -> Rows {
        let Self { op, steps, pos, mut value, extra, count, mut groups } = self;
        let filled = |v: f64| !is_absent(v);
        match op {
            AggregateOp::Sum => {
                for (value, c) in value.iter_mut().zip(&extra).filter(|(v, _)| filled(**v)) {
                    *value += c;
                }
            }
            AggregateOp::Avg => {
                let rest = extra.iter().zip(&count);
                for (value, (c, n)) in value.iter_mut().zip(rest).filter(|(v, _)| filled(**v)) {
                    *value = if *n < 0.0 { *value + c } else { *value / n + c / n };
                }
            }
            AggregateOp::Stdvar | AggregateOp::Stddev => {
                for (value, n) in value.iter_mut().zip(&count).filter(|(v, _)| filled(**v)) {
                    *value /= n;
                    if op == AggregateOp::Stddev {
                        *value = value.sqrt();
                    }
                }
            }
            _ => {}
        }
        drop((extra, count));
        let mut histograms: Vec<Option<HistogramRow>> = Vec::new();
        for (number, group) in groups.iter_mut().enumerate() {
            if group.histograms.is_empty() {
                continue;
            }
            let mut row = empty_histograms(steps);
            let values = &mut value[number * steps..(number + 1) * steps];
            for (step, sum) in group.histograms.drain(..).enumerate() {
                let Some(sum) = sum else { continue };
                if filled(values[step]) {
                    annotations.add(Annotation::mixed_floats_histograms_aggregation(pos));
                    values[step] = ABSENT;
                    continue;
                }
                if sum.incompatible {
                    continue;
                }
                if sum.reset && sum.no_reset {
                    annotations.add(Annotation::counter_reset_collision(
                        HistogramOperation::Aggregation,
                        pos,
                    ));
                }
                row[step] = sum.sum.finish().map(std::sync::Arc::new);
            }
            histograms.resize_with(number, || None);
            histograms.push(Some(row));
        }
        if !histograms.is_empty() {
            histograms.resize_with(groups.len(), || None);
        }
        let named = labels.into_iter().zip(&groups);
        let metas = named.map(|(labels, group)| Meta { labels, drop_name: group.drop_name });
        Rows { steps, metas: metas.collect(), values: value, histograms, charge: None }
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

fn columns(op: AggregateOp) -> usize {
    use AggregateOp::{Avg, Stddev, Stdvar, Sum};
    match op {
        Sum => 2,
        Avg | Stddev | Stdvar => 3,
        _ => 1,
    }
}

/// The cells of one group; columns that the operation has no use for are empty.
struct Columns<'a> {
    value: &'a mut [f64],
    extra: &'a mut [f64],
    count: &'a mut [f64],
}

impl Columns<'_> {
    fn fold(&mut self, op: AggregateOp, floats: &[f64]) {
        let value = &mut *self.value;
        match op {
            AggregateOp::Sum => vectorised(FoldSum { sums: value, cs: self.extra, floats }),
            AggregateOp::Avg => fold_mean(value, self.extra, self.count, floats),
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
            _ => fold_variance(value, self.extra, self.count, floats),
        }
    }
}

/// Written without branches, so that the compiler can take several steps at once.
struct FoldSum<'a> {
    sums: &'a mut [f64],
    cs: &'a mut [f64],
    floats: &'a [f64],
}

impl Kernel for FoldSum<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sums, cs, floats } = self;
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
