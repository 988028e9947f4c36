//! Compensated addition (Kahan, with Neumaier's improvement), step by step as the peer does it.

/// Adds `value` to `sum` with compensation `c`; the total is `sum + c`. An infinite sum has no compensation.
#[inline(always)]
pub fn kahan_add(value: f64, sum: f64, c: f64) -> (f64, f64) {
    let total = sum + value;
    let c = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        c + ((sum - total) + value)
    } else {
        c + ((value - total) + sum)
    };
    (total, c)
}

/// Subtracts `value`.
#[inline(always)]
pub fn kahan_sub(value: f64, sum: f64, c: f64) -> (f64, f64) {
    kahan_add(-value, sum, c)
}
