//! Elementary functions as Go's `math` package computes them on amd64, to the last bit.
//!
//! Answers of PromQL are compared bit by bit with the peer's, and the functions of the C library round differently.
//! The methods are the published ones Go uses too: Cephes for the circular functions, FreeBSD's msun for logarithms and the
//! inverse hyperbolic functions, Taylor with repeated squaring (SLEEF) for the exponential. Left out: everything PromQL does
//! not call. `sqrt`, `floor`, `ceil` and `%` are exact in both languages and are not here.

mod exp;
mod hyperbolic;
mod trig;

pub use exp::{exp, exp2, log, log1p, log2, log10, pow};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use trig::{acos, asin, atan, atan2, cos, sin, tan};

/// Go's `math.Max`: not-a-number wins over all but +Inf, and +0 over -0.
pub fn max(x: f64, y: f64) -> f64 {
    if x == f64::INFINITY || y == f64::INFINITY {
        f64::INFINITY
    } else if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if x == 0.0 && y == 0.0 {
        if x.is_sign_negative() { y } else { x }
    } else if x > y {
        x
    } else {
        y
    }
}

/// Go's `math.Min`: not-a-number wins over all but -Inf, and -0 over +0.
pub fn min(x: f64, y: f64) -> f64 {
    if x == f64::NEG_INFINITY || y == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if x == 0.0 && y == 0.0 {
        if x.is_sign_negative() { x } else { y }
    } else if x < y {
        x
    } else {
        y
    }
}

/// The remainder of `x / y` with the sign of `x`.
pub fn fmod(x: f64, y: f64) -> f64 {
    x % y
}

/// Splits into a fraction in [0.5, 1) and a power of two.
pub fn frexp(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (x, shifted) = normalize(x);
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022 + shifted;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent)
}

/// `fraction * 2^exponent`, rounded once.
pub fn ldexp(fraction: f64, exponent: i32) -> f64 {
    if fraction == 0.0 || !fraction.is_finite() {
        return fraction;
    }
    let (fraction, shifted) = normalize(fraction);
    let bits = fraction.to_bits();
    let mut exponent =
        i64::from(exponent) + i64::from(shifted) + ((bits >> 52) & 0x7ff) as i64 - 1023;
    if exponent < -1075 {
        return 0f64.copysign(fraction);
    }
    if exponent > 1023 {
        return f64::INFINITY.copysign(fraction);
    }
    let mut scale = 1.0;
    if exponent < -1022 {
        exponent += 53;
        scale = 1.0 / (1u64 << 53) as f64;
    }
    scale * f64::from_bits(bits & !(0x7ff << 52) | ((exponent + 1023) as u64) << 52)
}

/// A normal number and the power of two that it must be multiplied with to give `x`.
fn normalize(x: f64) -> (f64, i32) {
    if x.abs() < f64::MIN_POSITIVE { (x * (1u64 << 52) as f64, -52) } else { (x, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_and_joining_are_inverse() {
        for x in [1.0, 0.5, -3.75, 1e300, 5e-324, 2.3e-310, f64::MAX] {
            let (fraction, exponent) = frexp(x);
            assert!((0.5..1.0).contains(&fraction.abs()), "{x}");
            assert_eq!(ldexp(fraction, exponent), x);
        }
        assert_eq!(ldexp(1.0, 2000), f64::INFINITY);
        assert_eq!(ldexp(1.0, -2000), 0.0);
        assert_eq!(ldexp(1.0, -1074), 5e-324);
    }

    #[test]
    fn bits_equal_go() {
        type Case = (&'static str, fn(f64) -> f64, f64, u64);
        let cases: &[Case] = include!("vectors.in");
        for (name, function, x, bits) in cases {
            assert_eq!(function(*x).to_bits(), *bits, "{name}({x})");
        }
        let pairs: &[(f64, f64, u64)] = include!("pow_vectors.in");
        for (x, y, bits) in pairs {
            assert_eq!(pow(*x, *y).to_bits(), *bits, "pow({x}, {y})");
        }
    }
}
