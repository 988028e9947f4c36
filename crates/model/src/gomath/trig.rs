//! Circular functions and their inverses.

#![expect(clippy::excessive_precision, reason = "constants as published")]

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

const SIN: [f64; 6] = [
    1.58962301576546568060e-10,
    -2.50507477628578072866e-8,
    2.75573136213857245213e-6,
    -1.98412698295895385996e-4,
    8.33333333332211858878e-3,
    -1.66666666666666307295e-1,
];
const COS: [f64; 6] = [
    -1.13585365213876817300e-11,
    2.08757008419747316778e-9,
    -2.75573141792967388112e-7,
    2.48015872888517045348e-5,
    -1.38888888888730564116e-3,
    4.16666666666665929218e-2,
];
/// From here on the argument is reduced with the bits of 4/pi.
const REDUCE_THRESHOLD: f64 = (1u64 << 29) as f64;
/// 4/pi in binary, 64 bits an entry, after the first.
const FOUR_OVER_PI: [u64; 20] = [
    0x0000_0000_0000_0001,
    0x45f3_06dc_9c88_2a53,
    0xf84e_afa3_ea69_bb81,
    0xb6c5_2b32_7887_2083,
    0xfca2_c757_bd77_8ac3,
    0x6e48_dc74_849b_a5c0,
    0x0c92_5dd4_13a3_2439,
    0xfc3b_d639_6253_4e7d,
    0xd104_6bea_5d76_8909,
    0xd338_e04d_68be_fc82,
    0x7323_ac73_06a6_73e9,
    0x3908_bf17_7bf2_5076,
    0x3ff1_2fff_bc0b_301f,
    0xde5e_2316_b414_da3e,
    0xda6c_fd9e_4f96_136e,
    0x9e8c_7ecd_3cbf_d45a,
    0xea4f_758f_d7cb_e2f6,
    0x7a0e_73ef_14a5_25d4,
    0xd7f6_bf62_3f1a_ba10,
    0xac06_608d_f8f6_d757,
];

pub fn sin(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let mut octant = octant & 7;
    let mut negative = x < 0.0;
    if octant > 3 {
        negative = !negative;
        octant -= 4;
    }
    let y = if octant == 1 || octant == 2 { cos_poly(z) } else { sin_poly(z) };
    if negative { -y } else { y }
}

pub fn cos(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let mut octant = octant & 7;
    let mut negative = false;
    if octant > 3 {
        octant -= 4;
        negative = !negative;
    }
    if octant > 1 {
        negative = !negative;
    }
    let y = if octant == 1 || octant == 2 { sin_poly(z) } else { cos_poly(z) };
    if negative { -y } else { y }
}

pub fn tan(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let zz = z * z;
    let mut y = z;
    if zz > 1e-14 {
        let p = ((-1.30936939181383777646e4 * zz) + 1.15351664838587416140e6) * zz
            + -1.79565251976484877988e7;
        let q = (((zz + 1.36812963470692954678e4) * zz + -1.32089234440210967447e6) * zz
            + 2.50083801823357915839e7)
            * zz
            + -5.38695755929454629881e7;
        y = z + z * (zz * p / q);
    }
    if octant & 2 == 2 {
        y = -1.0 / y;
    }
    if x < 0.0 { -y } else { y }
}

fn sin_poly(z: f64) -> f64 {
    let zz = z * z;
    let [a, b, c, d, e, f] = SIN;
    z + z * zz * (((((a * zz + b) * zz + c) * zz + d) * zz + e) * zz + f)
}

fn cos_poly(z: f64) -> f64 {
    let zz = z * z;
    let [a, b, c, d, e, f] = COS;
    1.0 - 0.5 * zz + zz * zz * (((((a * zz + b) * zz + c) * zz + d) * zz + e) * zz + f)
}

/// Even octant and what is left of a positive argument.
fn reduce(x: f64) -> (u64, f64) {
    if x >= REDUCE_THRESHOLD {
        return reduce_large(x);
    }
    let mut octant = (x * 1.27323954473516268615) as u64;
    let mut y = octant as f64;
    if octant & 1 == 1 {
        octant += 1;
        y += 1.0;
    }
    let z = ((x - y * 7.85398125648498535156e-1) - y * 3.77489470793079817668e-8)
        - y * 2.69515142907905952645e-15;
    (octant, z)
}

/// Payne-Hanek: the product with the three digits of 4/pi that matter.
fn reduce_large(x: f64) -> (u64, f64) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1023 - 52;
    let mantissa = bits & !(0x7ff << 52) | 1 << 52;
    let at = (exponent + 61) as usize;
    let (digit, shift) = (at / 64, (at % 64) as u32);
    let take = |i: usize| -> u64 {
        let low = if shift == 0 { 0 } else { FOUR_OVER_PI[i + 1] >> (64 - shift) };
        FOUR_OVER_PI[i] << shift | low
    };
    let multiply = |a: u64| -> (u64, u64) {
        let wide = u128::from(a) * u128::from(mantissa);
        ((wide >> 64) as u64, wide as u64)
    };
    let (z2_hi, _) = multiply(take(digit + 2));
    let (z1_hi, z1_lo) = multiply(take(digit + 1));
    let z0_lo = take(digit).wrapping_mul(mantissa);
    let (lo, carry) = z1_lo.overflowing_add(z2_hi);
    let mut hi = z0_lo.wrapping_add(z1_hi).wrapping_add(u64::from(carry));
    let mut octant = hi >> 61;
    hi = hi << 3 | lo >> 61;
    let zeros = hi.leading_zeros();
    let biased = 1023 - u64::from(zeros + 1);
    hi = hi.checked_shl(zeros + 1).unwrap_or(0) | lo.checked_shr(64 - (zeros + 1)).unwrap_or(0);
    hi >>= 64 - 52;
    let mut z = f64::from_bits(hi | biased << 52);
    if octant & 1 == 1 {
        octant = (octant + 1) & 7;
        z -= 1.0;
    }
    (octant, z * FRAC_PI_4)
}

pub fn asin(x: f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    let size = x.abs();
    if size.is_nan() || size > 1.0 {
        return f64::NAN;
    }
    let root = (1.0 - size * size).sqrt();
    let y = if size > 0.7 {
        FRAC_PI_2 - atan_positive(root / size)
    } else {
        atan_positive(size / root)
    };
    if x < 0.0 { -y } else { y }
}

pub fn acos(x: f64) -> f64 {
    FRAC_PI_2 - asin(x)
}

pub fn atan(x: f64) -> f64 {
    if x == 0.0 {
        x
    } else if x > 0.0 {
        atan_positive(x)
    } else {
        -atan_positive(-x)
    }
}

pub fn atan2(y: f64, x: f64) -> f64 {
    if y.is_nan() || x.is_nan() {
        return f64::NAN;
    }
    if y == 0.0 {
        let to_the_right = x >= 0.0 && x.is_sign_positive();
        return if to_the_right { 0f64 } else { PI }.copysign(y);
    }
    if x == 0.0 {
        return FRAC_PI_2.copysign(y);
    }
    if x.is_infinite() {
        return match (x > 0.0, y.is_infinite()) {
            (true, true) => FRAC_PI_4,
            (true, false) => 0.0,
            (false, true) => 3.0 * PI / 4.0,
            (false, false) => PI,
        }
        .copysign(y);
    }
    if y.is_infinite() {
        return FRAC_PI_2.copysign(y);
    }
    let q = atan(y / x);
    if x >= 0.0 {
        q
    } else if q <= 0.0 {
        q + PI
    } else {
        q - PI
    }
}

fn atan_positive(x: f64) -> f64 {
    const MORE_BITS: f64 = 6.123233995736765886130e-17;
    if x <= 0.66 {
        atan_small(x)
    } else if x > 2.41421356237309504880 {
        FRAC_PI_2 - atan_small(1.0 / x) + MORE_BITS
    } else {
        FRAC_PI_4 + atan_small((x - 1.0) / (x + 1.0)) + 0.5 * MORE_BITS
    }
}

/// For arguments in [0, 0.66].
fn atan_small(x: f64) -> f64 {
    let z = x * x;
    let p = (((-8.750608600031904122785e-01 * z + -1.615753718733365076637e+01) * z
        + -7.500855792314704667340e+01)
        * z
        + -1.228866684490136173410e+02)
        * z
        + -6.485021904942025371773e+01;
    let q = ((((z + 2.485846490142306297962e+01) * z + 1.650270098316988542046e+02) * z
        + 4.328810604912902668951e+02)
        * z
        + 4.853903996359136964868e+02)
        * z
        + 1.945506571482613964425e+02;
    x * (z * p / q) + x
}
