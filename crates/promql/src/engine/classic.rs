//! Quantiles and fractions of histograms, classic and native.
//!
//! The buckets of a classic histogram are series of their own, told apart by `le`. They are gathered once, in order of their
//! bounds; each step then walks one list.

use gauntlet_model::histogram::QuantileNote;
use gauntlet_model::{Labels, is_stale_nan};
use hashbrown::HashMap;

use super::error::EngineError;
use super::eval::Evaluator;
use super::grid::Grid;
use super::rows::{Cell, Meta, Rows, ScalarRow, is_absent, strip_metadata};
use crate::annotations::Annotation;
use crate::ast::PosRange;

const BUCKET_LABEL: &str = "le";
/// Relative difference of neighbouring counts that is taken for rounding.
const TOLERANCE: f64 = 1e-12;

/// A cumulative bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub upper: f64,
    pub count: f64,
}

/// The histograms among rows.
struct Gathered {
    classic: Vec<Classic>,
    /// Rows that have native histograms, with the classic histogram of the same labels, if there is one.
    native: Vec<(usize, Option<usize>)>,
}

/// A classic histogram: its rows by ascending bound.
struct Classic {
    /// Without `le`.
    labels: Labels,
    drop_name: bool,
    buckets: Vec<(f64, usize)>,
}

/// What is asked of each histogram.
enum Question<'a> {
    Quantile(&'a ScalarRow),
    Fraction(&'a ScalarRow, &'a ScalarRow),
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(
        &mut self,
        rows: &Rows,
        grid: &Grid,
        q: &ScalarRow,
        q_pos: PosRange,
        pos: PosRange,
    ) -> Result<Rows, EngineError> {
        self.check_quantiles(q, q_pos, grid.steps);
        let gathered = self.gather(rows, pos);
        let mut out = Rows::new(grid.steps);
        self.answer(rows, grid, &gathered, &Question::Quantile(q), pos, &|l| l, &mut out)?;
        self.finish_histograms(rows, out)
    }

    pub(super) fn histogram_quantiles(
        &mut self,
        rows: &Rows,
        grid: &Grid,
        label: &str,
        qs: &[(ScalarRow, PosRange)],
        pos: PosRange,
    ) -> Result<Rows, EngineError> {
        for (q, q_pos) in qs {
            self.check_quantiles(q, *q_pos, grid.steps);
        }
        let gathered = self.gather(rows, pos);
        let mut out = Rows::new(grid.steps);
        for (q, _) in qs {
            // The label says the quantile, which may change from step to step.
            let mut values: Vec<f64> = Vec::new();
            for value in q.iter(grid.steps) {
                if !values.iter().any(|v| v.to_bits() == value.to_bits()) {
                    values.push(value);
                }
            }
            for value in values {
                let text = open_metrics_float(value);
                let only: ScalarRow =
                    ScalarRow::Each(
                        q.iter(grid.steps)
                            .map(|v| {
                                if v.to_bits() == value.to_bits() { v } else { super::rows::ABSENT }
                            })
                            .collect(),
                    );
                let with_label = |labels: Labels| labels.to_builder().set(label, &text).build();
                let question = Question::Quantile(&only);
                self.answer(rows, grid, &gathered, &question, pos, &with_label, &mut out)?;
            }
        }
        self.finish_histograms(rows, out)
    }

    pub(super) fn histogram_fraction(
        &mut self,
        rows: &Rows,
        grid: &Grid,
        lower: &ScalarRow,
        upper: &ScalarRow,
        pos: PosRange,
    ) -> Result<Rows, EngineError> {
        let gathered = self.gather(rows, pos);
        let mut out = Rows::new(grid.steps);
        let question = Question::Fraction(lower, upper);
        self.answer(rows, grid, &gathered, &question, pos, &|l| l, &mut out)?;
        self.finish_histograms(rows, out)
    }

    fn check_quantiles(&mut self, q: &ScalarRow, pos: PosRange, steps: usize) {
        for q in q.iter(steps).filter(|q| q.is_nan() || !(0.0..=1.0).contains(q)) {
            self.annotations.add(Annotation::invalid_quantile(q, pos));
        }
    }

    fn finish_histograms(&mut self, input: &Rows, mut out: Rows) -> Result<Rows, EngineError> {
        let held = self.samples.held;
        out.drop_empty_rows();
        if out.steps > 1 || !self.switches.delayed_name_removal {
            out.merge_equal_labels()?;
        }
        self.samples.held = held.saturating_sub(input.total_samples());
        self.samples.hold(out.total_samples())?;
        Ok(out)
    }

    fn gather(&mut self, rows: &Rows, pos: PosRange) -> Gathered {
        let delayed = self.switches.delayed_name_removal;
        let mut by_labels: HashMap<Labels, usize> = HashMap::new();
        let mut classic: Vec<Classic> = Vec::new();
        for (row, meta) in rows.metas.iter().enumerate() {
            if rows.floats(row).iter().all(|v| is_absent(*v)) {
                continue;
            }
            let bound = meta.labels.value(BUCKET_LABEL);
            let Some(upper) = parse_bound(bound) else {
                let name = if delayed { meta.labels.metric_name() } else { "" };
                self.annotations.add(Annotation::bad_bucket_label(name, bound, pos));
                continue;
            };
            let labels = meta.labels.without(&[BUCKET_LABEL]);
            let i = *by_labels.entry(labels.clone()).or_insert_with(|| {
                classic.push(Classic { labels, drop_name: true, buckets: Vec::new() });
                classic.len() - 1
            });
            classic[i].buckets.push((upper, row));
        }
        for histogram in &mut classic {
            histogram
                .buckets
                .sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
        }
        let native = (0..rows.len())
            .filter(|row| rows.histogram_row(*row).is_some())
            .map(|row| (row, by_labels.get(&rows.metas[row].labels).copied()))
            .collect();
        Gathered { classic, native }
    }

    #[expect(clippy::too_many_arguments, reason = "one caller a question")]
    fn answer(
        &mut self,
        rows: &Rows,
        grid: &Grid,
        gathered: &Gathered,
        question: &Question<'_>,
        pos: PosRange,
        relabel: &dyn Fn(Labels) -> Labels,
        out: &mut Rows,
    ) -> Result<(), EngineError> {
        let delayed = self.switches.delayed_name_removal;
        let steps = grid.steps;
        let final_labels = |labels: &Labels| {
            relabel(if delayed { labels.clone() } else { strip_metadata(labels) })
        };
        // Steps at which a classic histogram shares its labels with a native one: neither counts.
        let mut conflicts: HashMap<usize, Vec<bool>> = HashMap::new();
        for (row, classic) in &gathered.native {
            self.cancel.check()?;
            let labels = &rows.metas[*row].labels;
            let to = out.push_empty(Meta { labels: final_labels(labels), drop_name: delayed });
            for step in 0..steps {
                let Some(histogram) = rows.histogram(*row, step) else { continue };
                if let Some(classic) = classic
                    && gathered.classic[*classic].is_present(rows, step)
                {
                    let name = if delayed { labels.metric_name() } else { "" };
                    self.annotations.add(Annotation::mixed_classic_native_histograms(name, pos));
                    conflicts.entry(*classic).or_insert_with(|| vec![false; steps])[step] = true;
                    continue;
                }
                let name = || if delayed { labels.metric_name() } else { "" };
                let (value, note) = match question {
                    Question::Quantile(q) => {
                        let q = q.get(step);
                        if is_stale_nan(q) {
                            continue;
                        }
                        let (value, note) = histogram.quantile(q);
                        let note = match note {
                            QuantileNote::None => None,
                            QuantileNote::NanResult => {
                                Some(Annotation::native_histogram_quantile_nan_result(name(), pos))
                            }
                            QuantileNote::NanObservations => {
                                Some(Annotation::native_histogram_quantile_nan_skew(name(), pos))
                            }
                        };
                        (value, note)
                    }
                    Question::Fraction(lower, upper) => {
                        let (value, note) = histogram.fraction(lower.get(step), upper.get(step));
                        let note = (note != QuantileNote::None)
                            .then(|| Annotation::native_histogram_fraction_nans(name(), pos));
                        (value, note)
                    }
                };
                if let Some(note) = note {
                    self.annotations.add(note);
                }
                out.set(to, step, Cell::Float(value));
            }
        }
        let mut buckets = Vec::new();
        for (i, classic) in gathered.classic.iter().enumerate() {
            self.cancel.check()?;
            let labels = final_labels(&classic.labels);
            let drop_name = delayed && classic.drop_name;
            let to = out.push_empty(Meta { labels, drop_name });
            let conflict = conflicts.get(&i);
            for step in 0..steps {
                if conflict.is_some_and(|steps| steps[step]) {
                    continue;
                }
                classic.collect(rows, step, &mut buckets);
                if buckets.is_empty() {
                    continue;
                }
                let value = match question {
                    Question::Fraction(lower, upper) => {
                        bucket_fraction(lower.get(step), upper.get(step), &mut buckets)
                    }
                    Question::Quantile(q) => {
                        let q = q.get(step);
                        if is_stale_nan(q) {
                            continue;
                        }
                        let (value, forced) = bucket_quantile(q, &mut buckets);
                        if let Some(forced) = forced {
                            let name = if delayed { classic.labels.metric_name() } else { "" };
                            self.annotations.add(Annotation::forced_monotonicity(
                                name,
                                pos,
                                grid.time(step),
                                (forced.min_bucket, forced.max_bucket),
                                forced.max_diff,
                            ));
                        }
                        value
                    }
                };
                out.set(to, step, Cell::Float(value));
            }
        }
        Ok(())
    }
}

impl Classic {
    fn is_present(&self, rows: &Rows, step: usize) -> bool {
        self.buckets.iter().any(|(_, row)| !is_absent(rows.values[row * rows.steps + step]))
    }

    /// The buckets of one step, ascending.
    fn collect(&self, rows: &Rows, step: usize, out: &mut Vec<Bucket>) {
        out.clear();
        let cells = self.buckets.iter().map(|(upper, row)| Bucket {
            upper: *upper,
            count: rows.values[row * rows.steps + step],
        });
        out.extend(cells.filter(|bucket| !is_absent(bucket.count)));
    }
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// As OpenMetrics prints numbers: whole ones with `.0`.
fn open_metrics_float(value: f64) -> String {
    let mut text = gauntlet_model::float::go_float(value);
    if value.is_finite() && !text.contains(['e', '.']) {
        text.push_str(".0");
    }
    text
}

/// Where counts had to be forced into order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forced {
    min_bucket: f64,
    max_bucket: f64,
    max_diff: f64,
}

/// The `q`-quantile of cumulative buckets in ascending order, linear within a bucket.
pub(super) fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let forced = force_order(buckets);
    let n = buckets.len();
    let observations = buckets[n - 1].count;
    if n < 2 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    let reaches = |bucket: &Bucket| bucket.count >= rank;
    let b = buckets[..n - 1].partition_point(|bucket| !reaches(bucket));
    let value = if b == n - 1 {
        buckets[n - 2].upper
    } else if b == 0 && buckets[0].upper <= 0.0 {
        buckets[0].upper
    } else {
        let (mut start, end, mut count) = (0.0, buckets[b].upper, buckets[b].count);
        if b > 0 {
            start = buckets[b - 1].upper;
            count -= buckets[b - 1].count;
            rank -= buckets[b - 1].count;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

/// Share of observations between two values.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut lower_rank, mut upper_rank) = (None, None);
    let mut rank = 0.0;
    let mut start = if buckets[0].upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    for bucket in buckets.iter() {
        let end = bucket.upper;
        let rank_at = |value: f64| {
            if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (value - start) / (end - start)
            }
        };
        for (found, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if found.is_none() && start >= value {
                *found = Some(rank);
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        for (found, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if found.is_none() && start < value && end > value {
                *found = Some(rank_at(value));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank = bucket.count;
        start = end;
    }
    let capped = |rank: Option<f64>| match rank {
        Some(rank) if rank <= count || rank.is_nan() => rank,
        _ => count,
    };
    (capped(upper_rank) - capped(lower_rank)) / count
}

/// Joins buckets of equal bounds.
fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Makes counts ascend: what differs by rounding alone becomes equal silently, what falls is raised and reported.
fn force_order(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == previous {
            continue;
        }
        if almost_equal(previous, count) {
            bucket.count = previous;
            continue;
        }
        if count < previous {
            bucket.count = previous;
            let at = bucket.upper;
            let diff = previous - count;
            let all =
                forced.get_or_insert(Forced { min_bucket: at, max_bucket: at, max_diff: 0.0 });
            all.min_bucket = all.min_bucket.min(at);
            all.max_bucket = all.max_bucket.max(at);
            all.max_diff = all.max_diff.max(diff);
            continue;
        }
        previous = count;
    }
    forced
}

fn almost_equal(a: f64, b: f64) -> bool {
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    #[test]
    fn quantiles_are_linear_in_the_bucket() {
        let inf = f64::INFINITY;
        let all = [(1.0, 10.0), (2.0, 20.0), (inf, 20.0)];
        assert_eq!(bucket_quantile(0.25, &mut buckets(&all)), (0.5, None));
        assert_eq!(bucket_quantile(0.75, &mut buckets(&all)), (1.5, None));
        assert_eq!(bucket_quantile(1.0, &mut buckets(&all)).0, 2.0);
        assert!(bucket_quantile(0.5, &mut buckets(&all[..2])).0.is_nan(), "no last bucket");
        let (_, forced) =
            bucket_quantile(0.5, &mut buckets(&[(1.0, 10.0), (2.0, 8.0), (inf, 12.0)]));
        assert_eq!(forced, Some(Forced { min_bucket: 2.0, max_bucket: 2.0, max_diff: 2.0 }));
        assert_eq!(bucket_fraction(0.5, 1.5, &mut buckets(&all)), 0.5);
    }
}
