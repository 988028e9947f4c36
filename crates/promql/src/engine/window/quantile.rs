//! Quantiles of samples.

use crate::engine::gosort;

/// The `q`-quantile of values, between two of them their weighted mean; not-a-number is less than everything. Reorders `values`.
pub(in crate::engine) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let n = values.len() as f64;
    let rank = q * (n - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(n - 1.0);
    let weight = rank - rank.floor();
    let (lower, upper) = (lower as usize, upper as usize);
    // Only zeros of both signs are equal and yet tell apart: then the order of equal values is the peer's sort's.
    let zeros = values.iter().filter(|v| **v == 0.0);
    if zeros.clone().any(|v| v.is_sign_negative()) && zeros.clone().any(|v| v.is_sign_positive()) {
        gosort::sort(values, |a, b| a.is_nan() || a < b);
        return values[lower] * (1.0 - weight) + values[upper] * weight;
    }
    let (_, low, above) = values.select_nth_unstable_by(lower, |a, b| {
        // Not-a-number first.
        match (a.is_nan(), b.is_nan()) {
            (true, true) => std::cmp::Ordering::Equal,
            (true, false) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Greater,
            (false, false) => a.total_cmp(b),
        }
    });
    let low = *low;
    let high = if upper == lower {
        low
    } else {
        // The least of what is above; not-a-number only if there is one.
        above
            .iter()
            .copied()
            .find(|v| v.is_nan())
            .unwrap_or_else(|| above.iter().copied().min_by(f64::total_cmp).unwrap_or(low))
    };
    low * (1.0 - weight) + high * weight
}

/// Median of the absolute deviations from the median.
pub(in crate::engine) fn median_deviation(values: &mut [f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    quantile(0.5, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_and_put_nan_first() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0, 4.0]), 2.5);
        assert_eq!(quantile(0.0, &mut [3.0, 1.0]), 1.0);
        assert_eq!(quantile(1.0, &mut [3.0, 1.0]), 3.0);
        assert!(quantile(0.0, &mut [3.0, f64::NAN]).is_nan());
        assert_eq!(quantile(1.0, &mut [3.0, f64::NAN, 2.0]), 3.0);
        assert_eq!(median_deviation(&mut [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), 1.0);
    }
}
