//! Hyperbolic functions and their inverses.

#![expect(clippy::excessive_precision, reason = "constants as published")]

use std::f64::consts::LN_2;

use super::exp::{exp, log, log1p};

const NEAR_ZERO: f64 = 1.0 / (1u64 << 28) as f64;
const LARGE: f64 = (1u64 << 28) as f64;

pub fn sinh(x: f64) -> f64 {
    let size = x.abs();
    let y = if size > 21.0 {
        exp(size) * 0.5
    } else if size > 0.5 {
        let e = exp(size);
        (e - 1.0 / e) * 0.5
    } else {
        let sq = size * size;
        let p = ((-0.2630563213397497062819489e+2 * sq + -0.2894211355989563807284660366e+4) * sq
            + -0.8991272022039509355398013511e+5)
            * sq
            + -0.6307673640497716991184787251e+6;
        let q = ((sq + -0.173678953558233699533450911e+3) * sq + 0.1521517378790019070696485176e+5)
            * sq
            + -0.6307673640497716991212077277e+6;
        p * size / q
    };
    if x < 0.0 { -y } else { y }
}

pub fn cosh(x: f64) -> f64 {
    let size = x.abs();
    let e = exp(size);
    if size > 21.0 { e * 0.5 } else { (e + 1.0 / e) * 0.5 }
}

pub fn tanh(x: f64) -> f64 {
    const MAX_LOG: f64 = 8.8029691931113054295988e+01;
    let z = x.abs();
    if z > 0.5 * MAX_LOG {
        return if x < 0.0 { -1.0 } else { 1.0 };
    }
    if z >= 0.625 {
        let y = 1.0 - 2.0 / (exp(2.0 * z) + 1.0);
        return if x < 0.0 { -y } else { y };
    }
    if x == 0.0 {
        return x;
    }
    let s = x * x;
    let p = (-9.64399179425052238628e-1 * s + -9.92877231001918586564e1) * s
        + -1.61468768441708447952e3;
    let q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s
        + 4.84406305325125486048e3;
    x + x * s * p / q
}

pub fn asinh(x: f64) -> f64 {
    if !x.is_finite() {
        return x;
    }
    let size = x.abs();
    let y = if size > LARGE {
        log(size) + LN_2
    } else if size > 2.0 {
        log(2.0 * size + 1.0 / ((size * size + 1.0).sqrt() + size))
    } else if size < NEAR_ZERO {
        size
    } else {
        log1p(size + size * size / (1.0 + (1.0 + size * size).sqrt()))
    };
    if x < 0.0 { -y } else { y }
}

pub fn acosh(x: f64) -> f64 {
    if x < 1.0 || x.is_nan() {
        return f64::NAN;
    }
    if x == 1.0 {
        return 0.0;
    }
    if x >= LARGE {
        return log(x) + LN_2;
    }
    if x > 2.0 {
        return log(2.0 * x - 1.0 / (x + (x * x - 1.0).sqrt()));
    }
    let t = x - 1.0;
    log1p(t + (2.0 * t + t * t).sqrt())
}

pub fn atanh(x: f64) -> f64 {
    if !(-1.0..=1.0).contains(&x) {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    let size = x.abs();
    let y = if size < NEAR_ZERO {
        size
    } else if size < 0.5 {
        let double = size + size;
        0.5 * log1p(double + double * size / (1.0 - size))
    } else {
        0.5 * log1p((size + size) / (1.0 - size))
    };
    if x < 0.0 { -y } else { y }
}
