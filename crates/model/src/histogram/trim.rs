//! Keeping the part of a histogram below or above a value (operators `</` and `>/`).

use super::{Bucket, FloatHistogram};

/// Which part stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Below,
    Above,
}

/// Which side of zero a bucket is on, and whether its observations are spread evenly.
#[derive(Clone, Copy)]
struct Shape {
    positive: bool,
    linear: bool,
}

impl FloatHistogram {
    /// Drops observations above `value` (`below` set) or below it. A bucket cut in two is interpolated; count and sum are
    /// estimated anew from the buckets if anything was dropped.
    pub fn trim(&mut self, value: f64, below: bool) {
        let keep = if below { Keep::Below } else { Keep::Above };
        let linear = self.uses_custom_buckets();
        let (mut count, mut sum) = (0.0, 0.0);
        let mut trimmed = false;
        let mut populated = [false, false];
        for (side, positive) in [true, false].into_iter().enumerate() {
            let shape = Shape { positive, linear };
            let buckets: Vec<Bucket> = if positive {
                self.positive_bucket_iter().collect()
            } else {
                self.negative_bucket_iter().collect()
            };
            let counts =
                if positive { &mut self.positive_buckets } else { &mut self.negative_buckets };
            for (bucket, slot) in buckets.iter().zip(counts) {
                if bucket.count == 0.0 {
                    continue;
                }
                populated[side] = true;
                let (whole, cut) = match keep {
                    Keep::Below => (bucket.upper <= value, bucket.lower < value),
                    Keep::Above => (bucket.lower >= value, bucket.upper > value),
                };
                if whole {
                    count += bucket.count;
                    sum += middle(bucket.lower, bucket.upper, shape) * bucket.count;
                } else if cut {
                    let (kept, at) = trim_bucket(bucket, value, keep, shape);
                    count += kept;
                    sum += at * kept;
                    if *slot != kept {
                        *slot = kept;
                        trimmed = true;
                    }
                } else {
                    *slot = 0.0;
                    trimmed = true;
                }
            }
        }
        if self.zero_count > 0.0 {
            let [positive, negative] = populated;
            let (kept, at) = trim_zero(&self.zero_bucket(), value, negative, positive, keep);
            if self.zero_count != kept {
                self.zero_count = kept;
                trimmed = true;
            }
            sum += at * kept;
            count += kept;
        }
        if trimmed {
            self.count = count;
            self.sum = sum;
            self.compact(0);
        }
    }
}

/// What stays of a bucket that `value` cuts, and where its observations are taken to be.
fn trim_bucket(bucket: &Bucket, value: f64, keep: Keep, shape: Shape) -> (f64, f64) {
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return trim_infinite(bucket, value, keep);
    }
    let under = if value <= bucket.lower {
        0.0
    } else if value >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.fraction_below(value, shape.linear)
    };
    match keep {
        Keep::Below => (under, middle(bucket.lower, value, shape)),
        Keep::Above => (bucket.count - under, middle(value, bucket.upper, shape)),
    }
}

/// A bucket without end has no known distribution: it stays or goes whole, but for one that may be taken to begin at zero.
fn trim_infinite(bucket: &Bucket, value: f64, keep: Keep) -> (f64, f64) {
    let finite = |x: f64| if x.is_infinite() { 0.0 } else { x };
    if bucket.lower == f64::NEG_INFINITY {
        let from_zero = bucket.upper > 0.0 && bucket.upper != f64::INFINITY;
        return match keep {
            Keep::Below if value >= bucket.upper => (bucket.count, 0.0),
            Keep::Below if value > 0.0 && from_zero => {
                (bucket.count * value / bucket.upper, value / 2.0)
            }
            Keep::Below if bucket.upper <= 0.0 => (bucket.count, value),
            Keep::Above if value <= bucket.lower => (bucket.count, 0.0),
            Keep::Above if value >= 0.0 && bucket.upper > value && from_zero => {
                (bucket.count * (1.0 - value / bucket.upper), (value + bucket.upper) / 2.0)
            }
            _ => (0.0, finite(bucket.upper)),
        };
    }
    match keep {
        Keep::Above if value >= bucket.lower => (bucket.count, value),
        _ => (0.0, finite(bucket.lower)),
    }
}

fn trim_zero(
    zero: &Bucket,
    value: f64,
    has_negative: bool,
    has_positive: bool,
    keep: Keep,
) -> (f64, f64) {
    let upper = if has_negative && !has_positive { 0.0 } else { zero.upper };
    let lower = if has_positive && !has_negative { 0.0 } else { zero.lower };
    let all = (zero.count, (lower + upper) / 2.0);
    match keep {
        Keep::Below if value <= lower => (0.0, 0.0),
        Keep::Below if value >= upper => all,
        Keep::Below => (zero.count * ((value - lower) / (upper - lower)), (lower + value) / 2.0),
        Keep::Above if value <= lower => all,
        Keep::Above if value >= upper => (0.0, 0.0),
        Keep::Above => (zero.count * ((upper - value) / (upper - lower)), (value + upper) / 2.0),
    }
}

/// Where observations between two bounds are taken to be.
fn middle(lower: f64, upper: f64, shape: Shape) -> f64 {
    if lower.is_infinite() {
        return if upper.is_infinite() {
            0.0
        } else if upper > 0.0 {
            upper / 2.0
        } else {
            upper
        };
    }
    if upper.is_infinite() {
        return lower;
    }
    if shape.linear {
        return (lower + upper) / 2.0;
    }
    let geometric = (lower * upper).abs().sqrt();
    if shape.positive { geometric } else { -geometric }
}
