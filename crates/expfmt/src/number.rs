//! Numbers of expositions: quick for what exporters write, Go's `strconv` for the rest.
//!
//! A mantissa of at most 15 digits with a power of ten of at most 22 is one exact integer divided by one exact power: the
//! result is correctly rounded without further work. Everything else goes to the standard library, after Go's grammar was checked.

use std::fmt::Write as _;

use gauntlet_model::float::{GoQuoted, push_go_float};
use gauntlet_model::sample::NORMAL_NAN_BITS;

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Reads `[-+]digits[.digits][e[-+]digits]` at the start of `text` if it can be done exactly at once: the value and its length.
/// `None` says nothing about validity.
#[inline]
pub(crate) fn quick_float(text: &[u8]) -> Option<(f64, usize)> {
    let mut i = 0;
    let negative = text.first() == Some(&b'-');
    if negative || text.first() == Some(&b'+') {
        i = 1;
    }
    let first = i;
    let mut mantissa = 0u64;
    while let Some(digit) = text.get(i).map(|c| c.wrapping_sub(b'0')).filter(|d| *d < 10) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        i += 1;
    }
    let mut digits = i - first;
    let mut scale = 0i32;
    if text.get(i) == Some(&b'.') {
        i += 1;
        let fraction = i;
        while let Some(digit) = text.get(i).map(|c| c.wrapping_sub(b'0')).filter(|d| *d < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            i += 1;
        }
        scale = -((i - fraction) as i32);
        digits += i - fraction;
    }
    if digits == 0 || digits > 19 {
        return None;
    }
    if matches!(text.get(i), Some(b'e' | b'E')) {
        i += 1;
        let down = text.get(i) == Some(&b'-');
        if down || text.get(i) == Some(&b'+') {
            i += 1;
        }
        let start = i;
        let mut exponent = 0i32;
        while let Some(digit) = text.get(i).map(|c| c.wrapping_sub(b'0')).filter(|d| *d < 10) {
            exponent = exponent * 10 + i32::from(digit);
            i += 1;
            if i - start > 3 {
                return None;
            }
        }
        if i == start {
            return None;
        }
        scale += if down { -exponent } else { exponent };
    }
    if mantissa >= 1 << 53 {
        return None;
    }
    let whole = mantissa as f64;
    let value = match scale {
        0 => whole,
        -22..=-1 => whole / POWERS[(-scale) as usize],
        1..=22 => whole * POWERS[scale as usize],
        _ => return None,
    };
    Some((if negative { -value } else { value }, i))
}

/// The value of a whole token. Not-a-numbers come out as upstream's ordinary one. `Err` is upstream's text.
pub(crate) fn parse_float(token: &[u8]) -> Result<f64, String> {
    if let Some((value, len)) = quick_float(token)
        && len == token.len()
    {
        return Ok(value);
    }
    if memchr::memchr3(b'p', b'P', b'_', token).is_some() {
        return Err("unsupported character in float".into());
    }
    let syntax = || format!("strconv.ParseFloat: parsing {}: invalid syntax", quote_bytes(token));
    let text = std::str::from_utf8(token).map_err(|_| syntax())?;
    let value: f64 = text.parse().map_err(|_| syntax())?;
    if value.is_nan() {
        // Go takes no sign here.
        if matches!(token.first(), Some(b'+' | b'-')) {
            return Err(syntax());
        }
        return Ok(f64::from_bits(NORMAL_NAN_BITS));
    }
    if value.is_infinite() && token.iter().any(u8::is_ascii_digit) {
        return Err(format!(
            "strconv.ParseFloat: parsing {}: value out of range",
            quote_bytes(token)
        ));
    }
    Ok(value)
}

/// The value of a token of digits. `Err` is upstream's text.
pub(crate) fn parse_digits(token: &[u8]) -> Result<i64, String> {
    let mut value = 0i64;
    for digit in token {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(digit.wrapping_sub(b'0'))))
            .ok_or_else(|| {
                format!("strconv.ParseInt: parsing {}: value out of range", quote_bytes(token))
            })?;
    }
    Ok(value)
}

/// Bytes in quotes as Go's `%q` prints them: what is not UTF-8 as `\xff`.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        let quoted = GoQuoted(chunk.valid()).to_string();
        out.push_str(&quoted[1..quoted.len() - 1]);
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

/// Appends a value as OpenMetrics 1.0 prints it: like Go's `%g`, and with `.0` where it would look like an integer.
pub fn push_openmetrics_float(out: &mut String, value: f64) {
    if value == 1.0 {
        out.push_str("1.0");
    } else if value == 0.0 {
        out.push_str("0.0");
    } else if value == -1.0 {
        out.push_str("-1.0");
    } else {
        let start = out.len();
        push_go_float(out, value);
        if value.is_finite() && !out[start..].contains(['e', '.']) {
            out.push_str(".0");
        }
    }
}

/// Appends a value as the text format prints it: Go's `'g'` with the shortest digits (1e+06), and no sign on zero.
pub fn push_text_float(out: &mut String, value: f64) {
    if value == 0.0 {
        out.push('0');
    } else {
        push_go_float(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_floats_equal_the_exact_ones() {
        for text in [
            "0",
            "-0",
            "1",
            "33",
            "123456789012345",
            "1.5",
            "4.9351e-05",
            "0.001",
            "1e22",
            "9007199254740991",
            "7.424100000000001e-05",
            "1e-7",
            "1.7e+3",
            "+12",
            ".5",
            "5.",
        ] {
            let exact: f64 = text.parse().unwrap();
            let (value, len) = quick_float(text.as_bytes()).unwrap();
            assert_eq!((value.to_bits(), len), (exact.to_bits(), text.len()), "{text}");
        }
        assert_eq!(quick_float(b"18446744073709551617"), None);
        assert_eq!(quick_float(b"NaN"), None);
        assert_eq!(quick_float(b"1e"), None);
        assert_eq!(quick_float(b"."), None);
    }

    #[test]
    fn refusals_have_gos_words() {
        for (token, text) in [
            ("1_2", "unsupported character in float"),
            ("0x1p-3", "unsupported character in float"),
            ("true", "strconv.ParseFloat: parsing \"true\": invalid syntax"),
            ("+nan", "strconv.ParseFloat: parsing \"+nan\": invalid syntax"),
            ("1e400", "strconv.ParseFloat: parsing \"1e400\": value out of range"),
        ] {
            assert_eq!(parse_float(token.as_bytes()), Err(text.to_string()));
        }
        assert_eq!(
            parse_float(b"\xff").unwrap_err(),
            "strconv.ParseFloat: parsing \"\\xff\": invalid syntax"
        );
        assert_eq!(parse_float(b"-Inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_float(b"nAn").map(f64::to_bits), Ok(NORMAL_NAN_BITS));
        assert_eq!(parse_float(b"1e-400"), Ok(0.0));
    }
}
