//! Exponential, logarithms and powers.

#![expect(clippy::excessive_precision, reason = "constants as published")]

use super::{frexp, ldexp};

const LN2_HI: f64 = 6.93147180369123816490e-01;
const LN2_LO: f64 = 1.90821492927058770002e-10;
const LOG_COEFFICIENTS: [f64; 7] = [
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
];

/// e^x. With fused multiply-add, as on every machine that the peer is measured on.
pub fn exp(x: f64) -> f64 {
    const LN2_UPPER: f64 = 0.693_147_180_559_662_956_511_601_805_686_950_683_593_75;
    const LN2_LOWER: f64 = 0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12;
    const TAYLOR: [f64; 8] = [
        2.4801587301587301587e-5,
        1.9841269841269841270e-4,
        1.3888888888888888889e-3,
        8.3333333333333333333e-3,
        4.1666666666666666667e-2,
        1.6666666666666666667e-1,
        0.5,
        1.0,
    ];
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x > 7.09782712893384e+02 {
        return f64::INFINITY;
    }
    if x < -1000.0 {
        return 0.0;
    }
    let whole = (std::f64::consts::LOG2_E * x).round_ties_even();
    let rest = (-LN2_LOWER).mul_add(whole, (-LN2_UPPER).mul_add(whole, x)) * 0.0625;
    let mut sum = TAYLOR[0];
    for coefficient in &TAYLOR[1..] {
        sum = rest.mul_add(sum, *coefficient);
    }
    // e^rest - 1, then squared four times: (1 + a)^2 - 1 = a * (a + 2).
    let mut power = rest * sum;
    for _ in 0..3 {
        power *= power + 2.0;
    }
    let result = (power + 2.0).mul_add(power, 1.0);
    let exponent = whole as i64 + 0x3ff;
    if exponent >= 0x7ff {
        f64::INFINITY
    } else if exponent > 0 {
        result * f64::from_bits((exponent as u64) << 52)
    } else if exponent < -52 {
        0.0
    } else {
        result * f64::from_bits(((exponent + 0x3fe) as u64) << 52) * f64::from_bits(1 << 52)
    }
}

/// 2^x.
pub fn exp2(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 1.0239999999999999e+03 {
        return f64::INFINITY;
    }
    if x < -1.0740e+03 {
        return 0.0;
    }
    let whole = if x > 0.0 {
        (x + 0.5) as i32
    } else if x < 0.0 {
        (x - 0.5) as i32
    } else {
        0
    };
    let rest = x - f64::from(whole);
    let (hi, lo) = (rest * LN2_HI, -rest * LN2_LO);
    let r = hi - lo;
    let t = r * r;
    let c = r - t
        * (1.66666666666666657415e-01
            + t * (-2.77777777770155933842e-03
                + t * (6.61375632143793436117e-05
                    + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
    ldexp(1.0 - ((lo - (r * c) / (2.0 - c)) - hi), whole)
}

/// Natural logarithm.
pub fn log(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    // A subnormal number is taken as if it were normal, as the peer's machine code does.
    let bits = x.to_bits();
    let mut fraction = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0.5f64.to_bits());
    let mut exponent = (bits >> 52) as i32 - 0x3fe;
    if fraction < std::f64::consts::SQRT_2 / 2.0 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let f = fraction - 1.0;
    let k = f64::from(exponent);
    let [l1, l2, l3, l4, l5, l6, l7] = LOG_COEFFICIENTS;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let t1 = s2 * (l1 + s4 * (l3 + s4 * (l5 + s4 * l7)));
    let t2 = s4 * (l2 + s4 * (l4 + s4 * l6));
    let r = t1 + t2;
    let hfsq = 0.5 * f * f;
    k * LN2_HI - ((hfsq - (s * (hfsq + r) + k * LN2_LO)) - f)
}

/// Logarithm to base 10.
pub fn log10(x: f64) -> f64 {
    log(x) * std::f64::consts::LOG10_E
}

/// Logarithm to base 2; exact for powers of two.
pub fn log2(x: f64) -> f64 {
    let (fraction, exponent) = frexp(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    log(fraction) * std::f64::consts::LOG2_E + f64::from(exponent)
}

/// log(1 + x).
pub fn log1p(x: f64) -> f64 {
    const SQRT2_LESS_1: f64 = 4.142135623730950488017e-01;
    const SQRT2_HALF_LESS_1: f64 = -2.928932188134524755992e-01;
    if x < -1.0 || x.is_nan() {
        return f64::NAN;
    }
    if x == -1.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    let size = x.abs();
    if size < 1.0 / (1u64 << 54) as f64 {
        return x;
    }
    if size < 1.0 / (1u64 << 29) as f64 {
        return x - x * x * 0.5;
    }
    let (f, k, correction, mantissa);
    if size < SQRT2_LESS_1 && x > SQRT2_HALF_LESS_1 {
        (f, k, correction, mantissa) = (x, 0i64, 0.0, 1u64);
    } else {
        let u = if size < (1u64 << 53) as f64 { 1.0 + x } else { x };
        let mut exponent = (u.to_bits() >> 52) as i64 - 1023;
        correction = if size >= (1u64 << 53) as f64 {
            0.0
        } else if exponent > 0 {
            (1.0 - (u - x)) / u
        } else {
            (x - (u - 1.0)) / u
        };
        let mut bits = u.to_bits() & 0x000f_ffff_ffff_ffff;
        let normal;
        if bits < 0x0006_a09e_667f_3bcd {
            normal = f64::from_bits(bits | 0x3ff0_0000_0000_0000);
        } else {
            exponent += 1;
            normal = f64::from_bits(bits | 0x3fe0_0000_0000_0000);
            bits = (0x0010_0000_0000_0000 - bits) >> 2;
        }
        (f, k, mantissa) = (normal - 1.0, exponent, bits);
    }
    let kf = k as f64;
    let hfsq = 0.5 * f * f;
    if mantissa == 0 {
        if f == 0.0 {
            return if k == 0 { 0.0 } else { kf * LN2_HI + (correction + kf * LN2_LO) };
        }
        let r = hfsq * (1.0 - 0.66666666666666666 * f);
        return if k == 0 { f - r } else { kf * LN2_HI - ((r - (kf * LN2_LO + correction)) - f) };
    }
    let s = f / (2.0 + f);
    let z = s * s;
    let [l1, l2, l3, l4, l5, l6, l7] = LOG_COEFFICIENTS;
    let r = z * (l1 + z * (l2 + z * (l3 + z * (l4 + z * (l5 + z * (l6 + z * l7))))));
    if k == 0 {
        return f - (hfsq - s * (hfsq + r));
    }
    kf * LN2_HI - ((hfsq - (s * (hfsq + r) + (kf * LN2_LO + correction))) - f)
}

/// x^y.
pub fn pow(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if y == 1.0 {
        return x;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == 0.0 {
        let keeps_sign = x.is_sign_negative() && is_odd(y);
        return match (y < 0.0, keeps_sign) {
            (true, true) => f64::NEG_INFINITY,
            (true, false) => f64::INFINITY,
            (false, true) => x,
            (false, false) => 0.0,
        };
    }
    if y.is_infinite() {
        return if x == -1.0 {
            1.0
        } else if (x.abs() < 1.0) == (y > 0.0) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if x.is_infinite() {
        if x < 0.0 {
            return pow(1.0 / x, -y);
        }
        return if y < 0.0 { 0.0 } else { f64::INFINITY };
    }
    if y == 0.5 {
        return x.sqrt();
    }
    if y == -0.5 {
        return 1.0 / x.sqrt();
    }
    let mut whole = y.abs().trunc();
    let mut rest = y.abs() - whole;
    if rest != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= (1u64 << 63) as f64 {
        return if x == -1.0 {
            1.0
        } else if (x.abs() < 1.0) == (y > 0.0) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let mut result = 1.0;
    let mut result_exponent = 0i32;
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        result = exp(rest * log(x));
    }
    let (mut power, mut exponent) = frexp(x);
    let mut bits = whole as i64;
    while bits != 0 {
        if !(-(1 << 12)..=1 << 12).contains(&exponent) {
            // Sure to overflow or underflow.
            result_exponent += exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= power;
            result_exponent += exponent;
        }
        power *= power;
        exponent <<= 1;
        if power < 0.5 {
            power += power;
            exponent -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        result_exponent = -result_exponent;
    }
    ldexp(result, result_exponent)
}

fn is_odd(x: f64) -> bool {
    x.abs() < (1u64 << 53) as f64 && x.trunc() == x && (x as i64) & 1 == 1
}
