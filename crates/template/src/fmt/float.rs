//! `strconv.FormatFloat` for 64 bits, all verbs, shortest or with a precision (rounding the exact value half to even).

use gauntlet_model::float::{push_go_float, push_plain_float};

/// Appends `value` as verb `e E f F g G x X b`; no precision is the shortest text that reads back.
pub(crate) fn append_float(out: &mut String, value: f64, verb: char, precision: Option<usize>) {
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        });
        return;
    }
    let upper = verb.is_ascii_uppercase() && verb != 'F';
    let from = out.len();
    match (verb.to_ascii_lowercase(), precision) {
        ('f', None) => push_plain_float(out, value),
        ('f', Some(precision)) => push_fixed(out, value, precision),
        ('g', None) => push_go_float(out, value),
        ('g', Some(precision)) => push_general(out, value, precision),
        ('e', precision) => push_exponent(out, value, precision),
        ('x', precision) => push_hex(out, value, precision),
        _ => push_binary(out, value),
    }
    if upper {
        out[from..].make_ascii_uppercase();
    }
}

fn push_fixed(out: &mut String, value: f64, precision: usize) {
    // The standard library caps nothing but is slow beyond the digits a float can have; zeros follow those.
    let exact = precision.min(1100);
    out.push_str(&format!("{value:.exact$}"));
    out.extend(std::iter::repeat_n('0', precision - exact));
}

/// Digits and decimal exponent of the first digit, rounded to `digits` significant ones (at least one).
fn digits(value: f64, digits: Option<usize>) -> (String, i32) {
    let abs = value.abs();
    let text = match digits {
        Some(n) => format!("{abs:.*e}", n.clamp(1, 1100) - 1),
        None => format!("{abs:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').expect("BUG: exponent form has an e");
    let exponent = exponent.parse().expect("BUG: the exponent is a number");
    (mantissa.chars().filter(char::is_ascii_digit).collect(), exponent)
}

fn push_exponent(out: &mut String, value: f64, precision: Option<usize>) {
    let (digits, exponent) = digits(value, precision.map(|p| p + 1));
    let zeros = precision.map_or(0, |p| (p + 1).saturating_sub(digits.len()));
    push_scientific(out, value.is_sign_negative(), &digits, zeros, exponent);
}

fn push_scientific(out: &mut String, negative: bool, digits: &str, zeros: usize, exponent: i32) {
    if negative {
        out.push('-');
    }
    out.push_str(&digits[..1]);
    if digits.len() > 1 || zeros > 0 {
        out.push('.');
        out.push_str(&digits[1..]);
        out.extend(std::iter::repeat_n('0', zeros));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("e{sign}{:02}", exponent.abs()));
}

fn push_general(out: &mut String, value: f64, precision: usize) {
    let precision = precision.max(1);
    let (digits, exponent) = digits(value, Some(precision));
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let exponent = if value == 0.0 { 0 } else { exponent };
    let count = digits.len() as i32;
    let mut limit = precision.min(1 << 20) as i32;
    if limit > count && count > exponent {
        limit = count;
    }
    if exponent < -4 || exponent >= limit {
        return push_scientific(out, value.is_sign_negative(), digits, 0, exponent);
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(digits);
    } else if count > exponent + 1 {
        let (whole, fraction) = digits.split_at(exponent as usize + 1);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str(digits);
        out.extend(std::iter::repeat_n('0', (exponent + 1 - count) as usize));
    }
}

/// `0x1.8p+01`.
fn push_hex(out: &mut String, value: f64, precision: Option<usize>) {
    let bits = value.to_bits();
    let mut exponent = (bits >> 52 & 0x7ff) as i32;
    let mut mantissa = bits & ((1 << 52) - 1);
    if exponent == 0 {
        exponent = 1;
    } else {
        mantissa |= 1 << 52;
    }
    if mantissa == 0 {
        exponent = 0;
    } else {
        exponent -= 1023;
        while mantissa >> 52 == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
    }
    // 1 whole digit, then 15 hexadecimal ones: 60 bits of fraction.
    mantissa <<= 8;
    if let Some(precision) = precision.filter(|p| *p < 15) {
        let drop = 60 - 4 * precision as u32;
        let rest = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        let half = 1 << (drop - 1);
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    out.push_str("0x");
    out.push(if mantissa >> 60 == 0 { '0' } else { '1' });
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(p) if p <= 15 => fraction[..p].to_owned(),
        Some(p) => format!("{fraction}{}", "0".repeat(p - 15)),
    };
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("p{sign}{:02}", exponent.abs()));
}

/// `4503599627370496p-52`.
fn push_binary(out: &mut String, value: f64) {
    let bits = value.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) =
        if biased == 0 { (fraction, 1) } else { (fraction | 1 << 52, biased) };
    let exponent = exponent - 1023 - 52;
    let sign = if value.is_sign_negative() { "-" } else { "" };
    out.push_str(&format!("{sign}{mantissa}p{exponent:+}"));
}
