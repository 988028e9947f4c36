//! Go's `strconv.ParseInt`, `ParseUint` (base 0) and `ParseFloat`.

use crate::fmt::quoted;

/// An unsigned integer with an optional base prefix and underscores.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        _ => (10, bytes),
    };
    if digits.is_empty() || !underscores_ok(bytes) {
        return None;
    }
    let mut value = 0u64;
    let mut any = false;
    for digit in digits.iter().filter(|d| **d != b'_') {
        let digit = char::from(*digit).to_digit(base)?;
        value = value.checked_mul(u64::from(base))?.checked_add(u64::from(digit))?;
        any = true;
    }
    any.then_some(value)
}

pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let value = parse_uint(digits)?;
    if negative {
        (value <= 1 << 63).then(|| (value as i64).wrapping_neg())
    } else {
        i64::try_from(value).ok()
    }
}

/// Go's rule: an underscore stands between digits, or between a base prefix and a digit.
fn underscores_ok(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    // What stood before: a digit, an underscore, a sign of another kind, or nothing yet.
    let mut before = b'^';
    let mut rest = text;
    let mut is_hex = false;
    if let [b'0', base @ (b'b' | b'B' | b'o' | b'O' | b'x' | b'X'), after @ ..] = text {
        before = b'0';
        is_hex = matches!(base, b'x' | b'X');
        rest = after;
    }
    for byte in rest {
        if byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit() {
            before = b'0';
        } else if *byte == b'_' {
            if before != b'0' {
                return false;
            }
            before = b'_';
        } else {
            if before == b'_' {
                return false;
            }
            before = b'!';
        }
    }
    before != b'_'
}

/// Go's `strconv.ParseFloat(text, 64)` with its error text.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let fail =
        |why: &str| format!("strconv.ParseFloat: parsing {}: {why}", quoted(text.as_bytes()));
    let syntax = || fail("invalid syntax");
    let (negative, body) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let sign = |v: f64| if negative { -v } else { v };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Ok(sign(f64::INFINITY));
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    if body.contains('_') && !underscores_ok(body.as_bytes()) {
        return Err(syntax());
    }
    if body.starts_with("0x") || body.starts_with("0X") {
        let value = hex_float(&body.as_bytes()[2..]).ok_or_else(syntax)?;
        if value.is_infinite() {
            return Err(fail("value out of range"));
        }
        return Ok(sign(value));
    }
    if !is_decimal(body.as_bytes()) {
        return Err(syntax());
    }
    let plain: String = body.chars().filter(|c| *c != '_').collect();
    // Go takes underscores in decimal floats only where a base prefix would be allowed, that is everywhere digits touch.
    let value: f64 = plain.parse().map_err(|_| syntax())?;
    if value.is_infinite() {
        return Err(fail("value out of range"));
    }
    Ok(sign(value))
}

fn is_decimal(text: &[u8]) -> bool {
    let mantissa = text.iter().take_while(|b| !matches!(b, b'e' | b'E')).count();
    let (mantissa, exponent) = text.split_at(mantissa);
    let digits = mantissa.iter().filter(|b| b.is_ascii_digit()).count();
    let points = mantissa.iter().filter(|b| **b == b'.').count();
    let others = mantissa.iter().any(|b| !b.is_ascii_digit() && !matches!(b, b'.' | b'_'));
    if digits == 0 || points > 1 || others {
        return false;
    }
    match exponent {
        [] => true,
        [_, b'+' | b'-', rest @ ..] | [_, rest @ ..] => {
            rest.first().is_some_and(u8::is_ascii_digit)
                && rest.iter().all(|b| b.is_ascii_digit() || *b == b'_')
        }
    }
}

/// A hexadecimal float after its prefix; the exponent is required. Rounds half to even.
fn hex_float(text: &[u8]) -> Option<f64> {
    let mut mantissa = 0u64;
    let mut exponent = 0i64;
    let mut sticky = false;
    let (mut digits, mut point) = (0, false);
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'_' => {}
            b'.' if !point => point = true,
            b'.' => return None,
            byte => {
                let Some(digit) = char::from(byte).to_digit(16) else { break };
                digits += 1;
                if point {
                    exponent -= 4;
                }
                if mantissa >> 59 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                } else {
                    sticky |= digit != 0;
                    exponent += 4;
                }
            }
        }
        i += 1;
    }
    if digits == 0 || !matches!(text.get(i), Some(b'p' | b'P')) {
        return None;
    }
    let rest: String = text[i + 1..].iter().map(|b| char::from(*b)).filter(|c| *c != '_').collect();
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(&rest);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let power: i64 = rest.parse().unwrap_or(if rest.starts_with('-') { -99_999 } else { 99_999 });
    if mantissa == 0 {
        return Some(0.0);
    }
    if sticky {
        mantissa |= 1;
    }
    Some(scale(mantissa, exponent.saturating_add(power)))
}

/// `mantissa * 2^exponent`, rounded once.
fn scale(mantissa: u64, exponent: i64) -> f64 {
    let bits = 64 - i64::from(mantissa.leading_zeros());
    let top = exponent + bits - 1;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The exponent of the last bit that a float of this size keeps.
    let last = (top - 52).max(-1074);
    let drop = last - exponent;
    let kept = if drop <= 0 {
        mantissa << (-drop).min(63)
    } else if drop > 64 {
        0
    } else if drop == 64 {
        u64::from(mantissa > 1 << 63)
    } else {
        let floor = mantissa >> drop;
        let rest = mantissa & ((1 << drop) - 1);
        let half = 1u64 << (drop - 1);
        floor + u64::from(rest > half || rest == half && floor & 1 == 1)
    };
    let mut value = kept as f64;
    let mut power = last;
    while power > 0 {
        let step = power.min(1000);
        value *= 2f64.powi(step as i32);
        power -= step;
    }
    while power < 0 {
        let step = (-power).min(1000);
        value /= 2f64.powi(step as i32);
        power += step;
    }
    value
}
