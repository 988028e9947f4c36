//! Kernels over series of floats. Order of operations is the peer's, so that results agree to the last bit.

use gauntlet_model::Timestamp;
use gauntlet_model::histogram::kahan_add;
use gauntlet_sys::simd::{Kernel, vectorised};

use super::quantile::{median_deviation, quantile};
use super::rate::{Extrapolation, per_second};
use super::{Frame, Patience, RowOut, RowStats, Window};
use crate::annotations::Annotation;
use crate::engine::error::EngineError;
use crate::functions::FunctionId;

/// Evaluates all steps.
pub(super) fn run(
    window: &Window,
    frame: &mut Frame,
    times: &[Timestamp],
    values: &[f64],
    out: &mut RowOut<'_>,
    scratch: &mut Vec<f64>,
) -> Result<RowStats, EngineError> {
    use FunctionId as F;
    let row = &mut *out.values;
    if matches!(window.func, F::Rate | F::Increase | F::Delta) {
        return vectorised(Rate { window, frame, values, row, drops: scratch });
    }
    let slide = Slide { frame, window };
    match window.func {
        F::Irate => slide.each(row, |_, lo, hi| instant_rate(times, values, lo, hi)),
        F::Idelta => slide.each(row, |_, lo, hi| {
            if hi - lo < 2 || times[hi - 1] == times[hi - 2] {
                return super::super::rows::ABSENT;
            }
            values[hi - 1] - values[hi - 2]
        }),
        F::SumOverTime => {
            vectorised(Sums { slide, values, row, alone: sum, finish: |sum, c, _| sum + c })
        }
        F::AvgOverTime => {
            let finish = |sum, c, n| sum / n + c / n;
            vectorised(Sums { slide, values, row, alone: average, finish })
        }
        F::MinOverTime => extreme(&slide, values, row, |new, old| new < old),
        F::MaxOverTime => extreme(&slide, values, row, |new, old| new > old),
        F::CountOverTime => slide.each(row, |_, lo, hi| (hi - lo) as f64),
        F::PresentOverTime | F::AbsentOverTime => slide.each(row, |_, _, _| 1.0),
        F::LastOverTime => slide.each(row, |_, _, hi| values[hi - 1]),
        F::FirstOverTime => slide.each(row, |_, lo, _| values[lo]),
        F::StdvarOverTime => slide.each(row, |_, lo, hi| variance(&values[lo..hi])),
        F::StddevOverTime => slide.each(row, |_, lo, hi| variance(&values[lo..hi]).sqrt()),
        F::Changes => {
            count_up(values, scratch, |old, new| new != old && !(new.is_nan() && old.is_nan()));
            slide.each(row, |_, lo, hi| scratch[hi - 1] - scratch[lo])
        }
        F::Resets => {
            count_up(values, scratch, |old, new| new < old);
            slide.each(row, |_, lo, hi| scratch[hi - 1] - scratch[lo])
        }
        F::TsOfFirstOverTime => slide.each(row, |_, lo, _| times[lo] as f64 / 1000.0),
        F::TsOfLastOverTime => slide.each(row, |_, _, hi| times[hi - 1] as f64 / 1000.0),
        F::TsOfMaxOverTime => slide.each(row, |_, lo, hi| {
            times[lo + place(&values[lo..hi], |new, old| new >= old)] as f64 / 1000.0
        }),
        F::TsOfMinOverTime => slide.each(row, |_, lo, hi| {
            times[lo + place(&values[lo..hi], |new, old| new <= old)] as f64 / 1000.0
        }),
        F::QuantileOverTime => {
            let annotations = &mut *out.annotations;
            slide.each(row, |step, lo, hi| {
                let q = window.params[0].get(step);
                check_quantile(q, window, annotations);
                scratch.clear();
                scratch.extend_from_slice(&values[lo..hi]);
                quantile(q, scratch)
            })
        }
        F::MadOverTime => slide.each(row, |_, lo, hi| {
            scratch.clear();
            scratch.extend_from_slice(&values[lo..hi]);
            median_deviation(scratch)
        }),
        F::Deriv => slide.each(row, |_, lo, hi| match hi - lo {
            0 | 1 => super::super::rows::ABSENT,
            _ => regression(&times[lo..hi], &values[lo..hi], times[lo]).0,
        }),
        F::PredictLinear => slide.each(row, |step, lo, hi| match hi - lo {
            0 | 1 => super::super::rows::ABSENT,
            _ => predict(window, step, &times[lo..hi], &values[lo..hi]),
        }),
        F::DoubleExponentialSmoothing => {
            let mut failed = None;
            let stats = slide.each(row, |step, lo, hi| {
                smooth(window, step, &values[lo..hi]).unwrap_or_else(|err| {
                    failed.get_or_insert(err);
                    super::super::rows::ABSENT
                })
            });
            failed.map_or(stats, Err)
        }
        other => Err(EngineError::Internal(format!("{other:?} is no function of ranges"))),
    }
}

/// Walks the steps.
struct Slide<'a> {
    frame: &'a Frame,
    window: &'a Window,
}

impl Slide<'_> {
    /// Calls `value(step, lo, hi)` for each step with samples `lo..hi` in its window, at least one.
    #[inline(always)]
    fn each(
        &self,
        row: &mut [f64],
        mut value: impl FnMut(usize, usize, usize) -> f64,
    ) -> Result<RowStats, EngineError> {
        let mut patience = Patience::default();
        for (step, lo, hi) in self.frame.steps() {
            patience.spend(hi - lo, &self.window.cancel)?;
            row[step] = value(step, lo, hi);
        }
        Ok(self.frame.stats)
    }
}

/// Compensated sums of windows of equal length, several side by side: one alone waits for each of its additions. What
/// overflows or is no number is left to `alone`.
struct Sums<'a, A, F> {
    slide: Slide<'a>,
    values: &'a [f64],
    row: &'a mut [f64],
    alone: A,
    finish: F,
}

impl<A: Fn(&[f64]) -> f64, F: Fn(f64, f64, f64) -> f64> Kernel for Sums<'_, A, F> {
    type Output = Result<RowStats, EngineError>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { slide, values, row, alone, finish } = self;
        const LANES: usize = 8;
        let (lo, hi) = (&slide.frame.lo[..], &slide.frame.hi[..]);
        let mut step = 0;
        let mut patience = Patience::default();
        while step < row.len() {
            let (first, end) = (lo[step] as usize, hi[step] as usize);
            let n = end - first;
            patience.spend(n, &slide.window.cancel)?;
            // Windows that move on by one sample a step.
            let side_by_side = n > 0
                && step + LANES <= row.len()
                && (1..LANES).all(|i| {
                    lo[step + i] as usize == first + i && hi[step + i] as usize == end + i
                });
            if !side_by_side {
                if n > 0 {
                    row[step] = alone(&values[first..end]);
                }
                step += 1;
                continue;
            }
            let (mut sum, mut c) = ([0.0; LANES], [0.0; LANES]);
            sum.copy_from_slice(&values[first..first + LANES]);
            for column in values[first + 1..end + LANES - 1].windows(LANES) {
                for i in 0..LANES {
                    (sum[i], c[i]) = kahan_add_finite(column[i], sum[i], c[i]);
                }
            }
            for i in 0..LANES {
                row[step + i] = if sum[i].is_finite() {
                    finish(sum[i], c[i], n as f64)
                } else {
                    alone(&values[first + i..end + i])
                };
            }
            step += LANES;
        }
        Ok(slide.frame.stats)
    }
}

/// [`kahan_add`] where the sum stays finite: without a branch.
#[inline(always)]
fn kahan_add_finite(value: f64, sum: f64, c: f64) -> (f64, f64) {
    let total = sum + value;
    let swap = sum.abs() < value.abs();
    let (large, small) = if swap { (value, sum) } else { (sum, value) };
    (total, c + ((large - total) + small))
}

/// rate, increase and delta: first, last and the resets between, whatever the window's length.
struct Rate<'a> {
    window: &'a Window,
    frame: &'a mut Frame,
    values: &'a [f64],
    row: &'a mut [f64],
    drops: &'a mut Vec<f64>,
}

impl Kernel for Rate<'_> {
    type Output = Result<RowStats, EngineError>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { window, frame, values, row, drops } = self;
        let counter = window.func != FunctionId::Delta;
        let is_rate = window.func == FunctionId::Rate;
        let extrapolation = Extrapolation::new(window.range_ms, counter, is_rate);
        frame.fit_stretches(window, &extrapolation);
        let (lo, hi) = (&frame.lo[..], &frame.hi[..]);
        let stretches = &frame.stretches[..];
        let falls = if counter { list_falls(values, drops, &mut frame.falls) } else { 0 };
        if falls == 0 {
            for (((lo, hi), stretch), cell) in lo.iter().zip(hi).zip(stretches).zip(row) {
                let (lo, hi) = (*lo as usize, *hi as usize);
                if hi - lo >= 2 {
                    let rise = values[hi - 1] - values[lo];
                    *cell = extrapolation.apply(stretch, rise, values[lo]);
                }
            }
            return Ok(frame.stats);
        }
        // What a window adds for its resets, it adds in order; several windows side by side, since each waits for its additions.
        const LANES: usize = 8;
        let falls_to = &frame.falls[..];
        let mut patience = Patience::default();
        for first in (0..row.len()).step_by(LANES) {
            let lanes = LANES.min(row.len() - first);
            let (mut rise, mut begin, mut count) = ([0.0; LANES], [0; LANES], [0; LANES]);
            for lane in 0..lanes {
                let (lo, hi) = (lo[first + lane] as usize, hi[first + lane] as usize);
                if hi - lo < 2 {
                    continue;
                }
                rise[lane] = values[hi - 1] - values[lo];
                begin[lane] = falls_to[lo] as usize;
                count[lane] = falls_to[hi - 1] as usize - begin[lane];
            }
            patience.spend(count.iter().sum(), &window.cancel)?;
            let most = count.iter().copied().max().unwrap_or(0);
            // What is no reset of the window is added too, and not taken: no branch is to be guessed.
            let parts: [&[f64]; LANES] =
                std::array::from_fn(|lane| drops[begin[lane]..].get(..most).unwrap_or(&[]));
            if parts.iter().all(|part| part.len() == most) {
                (0..most).for_each(|k| {
                    for lane in 0..LANES {
                        let added = rise[lane] + parts[lane][k];
                        rise[lane] = if k < count[lane] { added } else { rise[lane] };
                    }
                });
            } else {
                for (rise, (begin, count)) in rise.iter_mut().zip(begin.iter().zip(&count)) {
                    drops[*begin..begin + count].iter().for_each(|drop| *rise += drop);
                }
            }
            for (lane, rise) in rise.iter().enumerate().take(lanes) {
                let step = first + lane;
                if hi[step] - lo[step] >= 2 {
                    let first = values[lo[step] as usize];
                    row[step] = extrapolation.apply(&stretches[step], *rise, first);
                }
            }
        }
        Ok(frame.stats)
    }
}

/// Puts the values before falls into `drops`, in order, with more behind that mean nothing, and into `falls_to` how many of the
/// falls are at each value or before it. Returns how many there are. Without a branch: noise falls as often as not.
#[inline(always)]
fn list_falls(values: &[f64], drops: &mut Vec<f64>, falls_to: &mut Vec<u32>) -> usize {
    drops.clear();
    drops.resize(values.len(), 0.0);
    falls_to.clear();
    falls_to.resize(values.len(), 0);
    let mut falls = 0;
    for (pair, to) in values.windows(2).zip(falls_to.iter_mut().skip(1)) {
        // There are fewer falls than values.
        if let Some(drop) = drops.get_mut(falls) {
            *drop = pair[0];
        }
        falls += usize::from(pair[1] < pair[0]);
        *to = falls as u32;
    }
    falls
}

fn instant_rate(times: &[Timestamp], values: &[f64], lo: usize, hi: usize) -> f64 {
    if hi - lo < 2 {
        return super::super::rows::ABSENT;
    }
    let interval = times[hi - 1] - times[hi - 2];
    if interval == 0 {
        return super::super::rows::ABSENT;
    }
    let (old, new) = (values[hi - 2], values[hi - 1]);
    let rise = if new < old { new } else { new - old };
    per_second(rise, interval)
}

/// Compensated sum.
pub(super) fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut c) = (0.0, 0.0);
    for value in values {
        (sum, c) = kahan_add(*value, sum, c);
    }
    if sum.is_infinite() { sum } else { sum + c }
}

/// Compensated mean: sum over count, or the incremental mean from the value on at which the sum would overflow.
pub(super) fn average(values: &[f64]) -> f64 {
    let (mut sum, mut c) = (values[0], 0.0);
    let mut mean = None;
    for (i, value) in values.iter().enumerate().skip(1) {
        let count = (i + 1) as f64;
        if mean.is_none() {
            let (new_sum, new_c) = kahan_add(*value, sum, c);
            if !new_sum.is_infinite() {
                (sum, c) = (new_sum, new_c);
                continue;
            }
            c /= count - 1.0;
        }
        let old = mean.unwrap_or(sum / (count - 1.0));
        let q = (count - 1.0) / count;
        let (new, new_c) = kahan_add(value / count, q * old, q * c);
        mean = Some(new);
        c = new_c;
    }
    let count = values.len() as f64;
    mean.map_or(sum / count + c / count, |mean| mean + c)
}

/// Compensated variance (Welford).
pub(super) fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut mean_c, mut aux, mut aux_c) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_c);
        (mean, mean_c) = kahan_add(delta / count, mean, mean_c);
        (aux, aux_c) = kahan_add(delta * (value - (mean + mean_c)), aux, aux_c);
    }
    (aux + aux_c) / count
}

/// The index of the value that wins; not-a-number loses to everything.
pub(super) fn place(values: &[f64], wins: impl Fn(f64, f64) -> bool) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if wins(*value, values[best]) || values[best].is_nan() {
            best = i;
        }
    }
    best
}

/// Minimum or maximum. Short windows are scanned; for long ones a queue keeps the candidates in order, so that each sample is
/// looked at twice at most.
fn extreme(
    slide: &Slide<'_>,
    values: &[f64],
    row: &mut [f64],
    wins: impl Fn(f64, f64) -> bool,
) -> Result<RowStats, EngineError> {
    const SCAN_UP_TO: usize = 16;
    let mut queue: Vec<usize> = Vec::new();
    let (mut head, mut seen) = (0, 0);
    slide.each(row, |_, lo, hi| {
        if hi - lo <= SCAN_UP_TO {
            return values[lo + place(&values[lo..hi], &wins)];
        }
        if seen < lo {
            queue.clear();
            head = 0;
            seen = lo;
        }
        while seen < hi {
            let value = values[seen];
            if !value.is_nan() {
                while queue.len() > head
                    && queue.last().is_some_and(|last| wins(value, values[*last]))
                {
                    queue.pop();
                }
                queue.push(seen);
            }
            seen += 1;
        }
        while head < queue.len() && queue[head] < lo {
            head += 1;
        }
        queue.get(head).map_or(values[hi - 1], |best| values[*best])
    })
}

/// `counts[i]`: at how many places up to `i` the condition held between a value and its predecessor.
fn count_up(values: &[f64], counts: &mut Vec<f64>, holds: impl Fn(f64, f64) -> bool) {
    counts.clear();
    let mut count = 0.0;
    counts.push(count);
    for pair in values.windows(2) {
        if holds(pair[0], pair[1]) {
            count += 1.0;
        }
        counts.push(count);
    }
}

/// Slope and value at `origin` of the least-squares line; x in seconds.
pub(super) fn regression(times: &[Timestamp], values: &[f64], origin: Timestamp) -> (f64, f64) {
    let first = values[0];
    let mut constant = true;
    let (mut n, mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (0.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
    for (i, (t, y)) in times.iter().zip(values).enumerate() {
        if constant && i > 0 && *y != first {
            constant = false;
        }
        n += 1.0;
        let x = (*t - origin) as f64 / 1e3;
        x_sum = kahan_add(x, x_sum.0, x_sum.1);
        y_sum = kahan_add(*y, y_sum.0, y_sum.1);
        xy_sum = kahan_add(x * y, xy_sum.0, xy_sum.1);
        xx_sum = kahan_add(x * x, xx_sum.0, xx_sum.1);
    }
    if constant {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [x, y, xy, xx] = [x_sum, y_sum, xy_sum, xx_sum].map(|(sum, c)| sum + c);
    let covariance = xy - x * y / n;
    let variance = xx - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

/// `predict_linear` for at least two samples.
pub(super) fn predict(window: &Window, step: usize, times: &[Timestamp], values: &[f64]) -> f64 {
    let (slope, intercept) = regression(times, values, window.grid.time(step));
    slope * window.params[0].get(step) + intercept
}

/// Double exponential smoothing; no value for fewer than two samples.
pub(super) fn smooth(window: &Window, step: usize, values: &[f64]) -> Result<f64, EngineError> {
    let (smoothing, trend) = (window.params[0].get(step), window.params[1].get(step));
    for (factor, name, letter) in [(smoothing, "smoothing", "sf"), (trend, "trend", "tf")] {
        if factor <= 0.0 || factor >= 1.0 {
            return Err(EngineError::execution(format!(
                "invalid {name} factor. Expected: 0 < {letter} < 1, got: {factor:.6}"
            )));
        }
    }
    if values.len() < 2 {
        return Ok(super::super::rows::ABSENT);
    }
    let (mut s0, mut s1) = (0.0, values[0]);
    let mut b = values[1] - values[0];
    for (i, value) in values.iter().enumerate().skip(1) {
        let x = smoothing * value;
        if i > 1 {
            b = trend * (s1 - s0) + (1.0 - trend) * b;
        }
        let y = (1.0 - smoothing) * (s1 + b);
        (s0, s1) = (s1, x + y);
    }
    Ok(s1)
}

pub(super) fn check_quantile(
    q: f64,
    window: &Window,
    annotations: &mut crate::annotations::Annotations,
) {
    if q.is_nan() || !(0.0..=1.0).contains(&q) {
        annotations.add(Annotation::invalid_quantile(q, window.pos));
    }
}
