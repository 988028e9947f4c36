//! Quantiles, fractions and variance of native histograms.

use super::sums::kahan_add;
use super::{Bucket, FloatHistogram};
use crate::gomath::{exp2, log2};

/// What a quantile or fraction has to say about observations that were not numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuantileNote {
    #[default]
    None,
    /// The quantile fell among observations that were not numbers.
    NanResult,
    /// Such observations count as if they were larger than all others (quantile) or belong to no range (fraction).
    NanObservations,
}

impl FloatHistogram {
    /// The `q`-quantile: interpolated exponentially in exponential buckets, linearly in the zero bucket and custom buckets.
    pub fn quantile(&self, q: f64) -> (f64, QuantileNote) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, QuantileNote::None);
        }
        if q > 1.0 {
            return (f64::INFINITY, QuantileNote::None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, QuantileNote::None);
        }
        // Observations that are no numbers count in `count` and in no bucket: then only counting upwards works.
        let upwards = self.sum.is_nan() || q < 0.5;
        if upwards {
            self.quantile_from(q * self.count, self.all_buckets(), true)
        } else {
            self.quantile_from((1.0 - q) * self.count, self.all_buckets().rev(), false)
        }
    }

    fn quantile_from(
        &self,
        mut rank: f64,
        mut buckets: impl Iterator<Item = Bucket>,
        upwards: bool,
    ) -> (f64, QuantileNote) {
        let mut bucket = Bucket::default();
        let mut count = 0.0;
        for next in buckets.by_ref() {
            bucket = next;
            if bucket.count == 0.0 {
                continue;
            }
            count += bucket.count;
            if count >= rank {
                break;
            }
        }
        let custom = self.uses_custom_buckets();
        if custom {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return (bucket.upper, QuantileNote::None);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return (bucket.lower, QuantileNote::None);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.one_sided_zero(&mut bucket);
        }
        if count > self.count {
            count = self.count;
        }
        if count < rank {
            if self.sum.is_nan() {
                return (f64::NAN, QuantileNote::NanResult);
            }
            return (bucket.upper, QuantileNote::None);
        }
        if upwards {
            rank -= count - bucket.count;
        } else {
            rank = count - rank;
        }
        let mut note = QuantileNote::None;
        if self.sum.is_nan() {
            // The bounds of the bucket found were adjusted above, yet the last bucket's are what counts from here on.
            for next in buckets {
                bucket = next;
                count += bucket.count;
            }
            if count < self.count {
                note = QuantileNote::NanObservations;
            }
        }
        let fraction = rank / bucket.count;
        if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
            return (bucket.lower + (bucket.upper - bucket.lower) * fraction, note);
        }
        let log_lower = log2(bucket.lower.abs());
        let log_upper = log2(bucket.upper.abs());
        if bucket.lower > 0.0 {
            return (exp2(log_lower + (log_upper - log_lower) * fraction), note);
        }
        (-exp2(log_upper + (log_lower - log_upper) * (1.0 - fraction)), note)
    }

    /// With buckets on one side only, the zero bucket reaches from zero to that side.
    fn one_sided_zero(&self, bucket: &mut Bucket) {
        match (self.negative_buckets.is_empty(), self.positive_buckets.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }

    /// Share of observations between `lower` and `upper`.
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, QuantileNote) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, QuantileNote::None);
        }
        if lower >= upper {
            return (0.0, QuantileNote::None);
        }
        let custom = self.uses_custom_buckets();
        let (mut count, mut rank) = (0.0, 0.0);
        let (mut lower_rank, mut upper_rank) = (None, None);
        let mut buckets = self.all_buckets();
        for mut bucket in buckets.by_ref() {
            count += bucket.count;
            let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
            if zero {
                self.one_sided_zero(&mut bucket);
            }
            let rank_at = |value: f64| {
                if !custom && !zero {
                    rank + bucket.count * bucket.fraction_below(value, false)
                } else if bucket.lower == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + bucket.count * bucket.fraction_below(value, true)
                }
            };
            for (found, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
                if found.is_none() && bucket.lower >= value {
                    *found = Some(rank);
                }
            }
            if lower_rank.is_some() && upper_rank.is_some() {
                break;
            }
            for (found, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
                if found.is_none() && bucket.lower < value && bucket.upper > value {
                    *found = Some(rank_at(value));
                }
            }
            if lower_rank.is_some() && upper_rank.is_some() {
                break;
            }
            rank += bucket.count;
        }
        let mut note = QuantileNote::None;
        if self.sum.is_nan() {
            count += buckets.map(|bucket| bucket.count).fold(0.0, |a, b| a + b);
            if count < self.count {
                note = QuantileNote::NanObservations;
            }
        } else {
            count = self.count;
        }
        let capped = |rank: Option<f64>| match rank {
            Some(rank) if rank <= count || rank.is_nan() => rank,
            _ => count,
        };
        ((capped(upper_rank) - capped(lower_rank)) / self.count, note)
    }
}

/// Variance of the observations, each taken to lie in the middle of its bucket.
pub fn variance(h: &FloatHistogram) -> f64 {
    let mean = h.sum / h.count;
    let (mut variance, mut c) = (0.0, 0.0);
    for bucket in h.all_buckets().filter(|bucket| bucket.count != 0.0) {
        let middle = if h.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = middle - mean;
        (variance, c) = kahan_add(bucket.count * delta * delta, variance, c);
    }
    (variance + c) / h.count
}
