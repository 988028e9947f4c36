//! Functions of range vectors.

use gauntlet_model::{Timestamp, gomath};
use gauntlet_promql::ast::Call;
use gauntlet_promql::{Annotation, FunctionId};

use super::select::Windows;
use super::{Element, Point, Run, Window, float_of, unsupported};

/// The samples of a window as floats.
struct Floats {
    points: Vec<(Timestamp, f64)>,
    starts: Vec<Timestamp>,
}

impl Floats {
    fn of(points: &[Point]) -> Result<Self, String> {
        let floats =
            points.iter().map(|p| Ok((p.t, float_of(&p.value)?))).collect::<Result<_, String>>()?;
        Ok(Self { points: floats, starts: points.iter().map(|p| p.start).collect() })
    }

    fn values(&self) -> Vec<f64> {
        self.points.iter().map(|(_, v)| *v).collect()
    }

    /// Whether the counter was reset between sample `i - 1` and sample `i`.
    fn reset_before(&self, i: usize) -> bool {
        self.points[i].1 < self.points[i - 1].1 || self.start_says_reset(i)
    }

    fn start_says_reset(&self, i: usize) -> bool {
        let (before, before_start) = (self.points[i - 1].0, self.starts[i - 1]);
        let (now, start) = (self.points[i].0, self.starts[i]);
        if start == 0 || start >= now || start < before {
            return false;
        }
        start > before || (before_start != 0 && before_start < before)
    }
}

impl Run<'_> {
    /// A call whose argument `arg` is a range vector.
    pub(super) fn range_call(
        &mut self,
        e: &Call,
        arg: usize,
        t: Timestamp,
    ) -> Result<Vec<Element>, String> {
        use FunctionId as F;
        let mut scalars = Vec::new();
        for (i, expr) in e.args.iter().enumerate() {
            if i != arg {
                scalars.push(self.scalar(expr, t)?);
            }
        }
        let Windows { windows, start, end } = self.windows(&e.args[arg], t)?;
        if e.func.id == F::AbsentOverTime {
            return Ok(if windows.is_empty() {
                vec![Element::float(super::call::absent_labels(&e.args[0]), false, 1.0, t)]
            } else {
                Vec::new()
            });
        }
        let keeps_name = matches!(e.func.id, F::LastOverTime | F::FirstOverTime);
        let mut out = Vec::new();
        for window in windows {
            let drop_name = !keeps_name || window.drop_name;
            let sample = match e.func.id {
                F::LastOverTime => window.points.last(),
                F::FirstOverTime => window.points.first(),
                _ => None,
            };
            if let Some(point) = sample {
                let (labels, value) = (window.labels.clone(), point.value.clone());
                out.push(Element { labels, drop_name, value, t, start: 0 });
                continue;
            }
            let value = self.window_value(e, &scalars, &window, (start, end), t)?;
            if let Some(value) = value {
                out.push(Element::float(window.labels, drop_name, value, t));
            }
        }
        Ok(out)
    }

    fn window_value(
        &mut self,
        e: &Call,
        scalars: &[f64],
        window: &Window,
        range: (Timestamp, Timestamp),
        t: Timestamp,
    ) -> Result<Option<f64>, String> {
        use FunctionId as F;
        let id = e.func.id;
        match id {
            F::CountOverTime => return Ok(Some(window.points.len() as f64)),
            F::PresentOverTime => return Ok(Some(1.0)),
            F::TsOfFirstOverTime => return Ok(window.points.first().map(|p| seconds(p.t))),
            F::TsOfLastOverTime => return Ok(window.points.last().map(|p| seconds(p.t))),
            _ => {}
        }
        let floats = Floats::of(&window.points)?;
        let values = floats.values();
        let name = window.labels.metric_name();
        let pos = e.args[0].pos();
        let enough = values.len() >= 2;
        Ok(match id {
            F::SumOverTime => {
                let (mut sum, mut c) = (0.0, 0.0);
                for value in values {
                    (sum, c) = kahan_add(value, sum, c);
                }
                Some(if sum.is_infinite() { sum } else { sum + c })
            }
            F::AvgOverTime => Some(mean(&values)),
            F::MinOverTime => Some(best(&floats.points, |v, best| v < best).1),
            F::MaxOverTime => Some(best(&floats.points, |v, best| v > best).1),
            F::TsOfMinOverTime => Some(seconds(best(&floats.points, |v, best| v <= best).0)),
            F::TsOfMaxOverTime => Some(seconds(best(&floats.points, |v, best| v >= best).0)),
            F::StddevOverTime => Some(variance(&values).sqrt()),
            F::StdvarOverTime => Some(variance(&values)),
            F::QuantileOverTime => {
                if !(0.0..=1.0).contains(&scalars[0]) {
                    self.annotations.add(Annotation::invalid_quantile(scalars[0], pos));
                }
                Some(quantile(scalars[0], &values))
            }
            F::MadOverTime => Some(median_deviation(&values)),
            F::Changes => {
                let differ = |w: &&[f64]| w[0] != w[1] && !(w[0].is_nan() && w[1].is_nan());
                Some(values.windows(2).filter(differ).count() as f64)
            }
            F::Resets => Some((1..values.len()).filter(|i| floats.reset_before(*i)).count() as f64),
            F::Rate | F::Increase | F::Delta => {
                let counter = id != F::Delta;
                let value = extrapolated(&floats, range, counter, id == F::Rate);
                let is_counter_name =
                    ["_total", "_sum", "_count", "_bucket"].iter().any(|s| name.ends_with(s));
                if value.is_some() && counter && !name.is_empty() && !is_counter_name {
                    self.annotations.add(Annotation::possible_non_counter(name, pos));
                }
                if counter && overlaps(&floats) {
                    self.annotations.add(Annotation::start_time_overlap(name, pos));
                }
                value
            }
            F::Irate | F::Idelta if enough => {
                let last = values.len() - 1;
                let interval = (floats.points[last].0 - floats.points[last - 1].0) as f64 / 1000.0;
                if id == F::Idelta {
                    Some(values[last] - values[last - 1])
                } else if floats.reset_before(last) {
                    Some(values[last] / interval)
                } else {
                    Some((values[last] - values[last - 1]) / interval)
                }
            }
            F::Deriv if enough => Some(regression(&floats.points, floats.points[0].0).0),
            F::PredictLinear if enough => {
                let (slope, intercept) = regression(&floats.points, t);
                Some(slope * scalars[0] + intercept)
            }
            F::DoubleExponentialSmoothing => {
                for (value, what) in [(scalars[0], "smoothing"), (scalars[1], "trend")] {
                    if value <= 0.0 || value >= 1.0 {
                        let short = if what == "smoothing" { "sf" } else { "tf" };
                        return Err(format!(
                            "invalid {what} factor. Expected: 0 < {short} < 1, got: {value:.6}"
                        ));
                    }
                }
                enough.then(|| smoothed(&values, scalars[0], scalars[1]))
            }
            F::Irate | F::Idelta | F::Deriv | F::PredictLinear => None,
            _ => return unsupported(e.func.name),
        })
    }
}

fn seconds(t: Timestamp) -> f64 {
    t as f64 / 1000.0
}

/// Neumaier's compensated addition: the new sum and compensation.
pub(super) fn kahan_add(value: f64, sum: f64, c: f64) -> (f64, f64) {
    let total = sum + value;
    if total.is_infinite() {
        return (total, 0.0);
    }
    let lost = if sum.abs() >= value.abs() { (sum - total) + value } else { (value - total) + sum };
    (total, c + lost)
}

/// The mean of a sum, or of running means once a sum would overflow.
pub(super) fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut c) = (values[0], 0.0);
    let mut running: Option<f64> = None;
    for (i, value) in values.iter().enumerate().skip(1) {
        let count = (i + 1) as f64;
        if running.is_none() {
            let (next, next_c) = kahan_add(*value, sum, c);
            if !next.is_infinite() {
                (sum, c) = (next, next_c);
                continue;
            }
            running = Some(sum / (count - 1.0));
            c /= count - 1.0;
        }
        let weight = (count - 1.0) / count;
        let before = running.unwrap_or(0.0);
        let (next, next_c) = kahan_add(value / count, weight * before, weight * c);
        (running, c) = (Some(next), next_c);
    }
    let count = values.len() as f64;
    running.map_or(sum / count + c / count, |mean| mean + c)
}

pub(super) fn quantile(q: f64, values: &[f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let rank = q * (sorted.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(sorted.len() - 1);
    let weight = rank - rank.floor();
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

fn best(points: &[(Timestamp, f64)], better: fn(f64, f64) -> bool) -> (Timestamp, f64) {
    points.iter().fold(points[0], |best, point| {
        if better(point.1, best.1) || best.1.is_nan() { *point } else { best }
    })
}

fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut mean_c, mut sum, mut sum_c) = (0.0, 0.0, 0.0, 0.0);
    for (i, value) in values.iter().enumerate() {
        let delta = value - (mean + mean_c);
        (mean, mean_c) = kahan_add(delta / (i + 1) as f64, mean, mean_c);
        (sum, sum_c) = kahan_add(delta * (value - (mean + mean_c)), sum, sum_c);
    }
    (sum + sum_c) / values.len() as f64
}

fn median_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, values);
    let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    quantile(0.5, &deviations)
}

fn overlaps(floats: &Floats) -> bool {
    (1..floats.points.len()).any(|i| {
        let start = floats.starts[i];
        start != 0 && start < floats.points[i - 1].0 && start != floats.starts[i - 1]
    })
}

/// `rate`, `increase` and `delta`: the difference stretched to the edges of the range.
fn extrapolated(
    floats: &Floats,
    (range_start, range_end): (Timestamp, Timestamp),
    counter: bool,
    per_second: bool,
) -> Option<f64> {
    let (first, last) = (floats.points.first()?, floats.points.last()?);
    let mut result = last.1 - first.1;
    if counter {
        for i in (1..floats.points.len()).filter(|i| floats.reset_before(*i)) {
            result += floats.points[i - 1].1;
        }
    }
    let mut to_start = (first.0 - range_start) as f64 / 1000.0;
    let mut to_end = (range_end - last.0) as f64 / 1000.0;
    let mut sampled = (last.0 - first.0) as f64 / 1000.0;
    let gaps = floats.points.len() - 1;
    let average = if gaps > 0 { sampled / gaps as f64 } else { 0.0 };
    let threshold = average * 1.1;
    let start = floats.starts[0];
    if counter && start != 0 && start > range_start && start < first.0 {
        to_start = 0.0;
        sampled = (last.0 - start) as f64 / 1000.0;
        result += first.1;
    } else if gaps == 0 {
        return None;
    } else {
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if counter && result > 0.0 && first.1 >= 0.0 {
            let to_zero = sampled * (first.1 / result);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if per_second {
        factor /= (range_end - range_start) as f64 / 1000.0;
    }
    Some(result * factor)
}

/// Slope and value at `at` of the least-squares line.
fn regression(points: &[(Timestamp, f64)], at: Timestamp) -> (f64, f64) {
    let first = points[0].1;
    if points.iter().all(|(_, v)| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for (t, y) in points {
        let x = (t - at) as f64 / 1e3;
        for (sum, value) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            *sum = kahan_add(value, sum.0, sum.1);
        }
    }
    let [x, y, xy, xx] = sums.map(|(sum, c)| sum + c);
    let n = points.len() as f64;
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

fn smoothed(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (mut before, mut now) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (i, value) in values.iter().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (now - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * value + (1.0 - smoothing) * (now + slope);
        (before, now) = (now, next);
    }
    now
}

/// Clamps as Go's `math.Max(min, math.Min(max, v))`.
pub(super) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    gomath::max(min, gomath::min(max, value))
}
