//! Numbers and strings as Go prints them: `strconv.FormatFloat(v, 'f'|'g', -1, 64)` and `strconv.Quote`.
//!
//! Users see these in JSON, expositions and error texts; the vectors are Go's own (`golden/go/numbers.json`).

use std::fmt::{self, Write as _};

/// Prints `value` as Prometheus' JSON API does in vectors and matrices: shortest digits, exponent (of two digits
/// at least) only below 1e-6 or from 1e21 on. Scalars are printed by [`push_plain_float`] there.
pub fn push_json_float(out: &mut String, value: f64) {
    if push_common(out, value) || push_special(out, value) {
        return;
    }
    let abs = value.abs();
    if abs != 0.0 && !(1e-6..1e21).contains(&abs) {
        let digits = Shortest::of(value);
        push_exponent(out, &digits);
    } else {
        push_plain(out, &Shortest::of(value));
    }
}

/// Prints `value` as Go's `%v`, `'g'` with the shortest digits: exponent form below 1e-4 and from 1e6 on (1e+06).
pub fn push_go_float(out: &mut String, value: f64) {
    if push_special(out, value) {
        return;
    }
    let digits = Shortest::of(value);
    if value != 0.0 && (digits.exponent < -4 || digits.exponent >= 6) {
        push_exponent(out, &digits);
    } else {
        push_plain(out, &digits);
    }
}

/// Prints `value` as Go's `strconv.FormatFloat(v, 'f', -1, 64)`.
pub fn push_plain_float(out: &mut String, value: f64) {
    if !push_common(out, value) && !push_special(out, value) {
        push_plain(out, &Shortest::of(value));
    }
}

/// [`push_json_float`] into a new string.
pub fn json_float(value: f64) -> String {
    let mut out = String::new();
    push_json_float(&mut out, value);
    out
}

/// [`push_go_float`] into a new string.
pub fn go_float(value: f64) -> String {
    let mut out = String::new();
    push_go_float(&mut out, value);
    out
}

/// [`push_plain_float`] into a new string.
pub fn plain_float(value: f64) -> String {
    let mut out = String::new();
    push_plain_float(&mut out, value);
    out
}

/// Prints the numbers that are the same in all forms without exponent, and nearly all there are: whole ones, and those of a
/// size at which the shortest digits come with a plain point. 5 ns and 15 ns; false, with nothing printed, for all others.
#[inline]
fn push_common(out: &mut String, value: f64) -> bool {
    const EXACT: u64 = 1 << 53;
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < EXACT {
        if whole == 0 && value.is_sign_negative() {
            out.push('-');
        }
        out.push_str(itoa::Buffer::new().format(whole));
        return true;
    }
    if !(1e-5..1e15).contains(&value.abs()) {
        return false;
    }
    out.push_str(zmij::Buffer::new().format_finite(value));
    true
}

fn push_special(out: &mut String, value: f64) -> bool {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        return false;
    }
    true
}

/// The shortest decimal digits that read back as the number: `0.d1d2d3... * 10^(exponent+1)`.
struct Shortest {
    negative: bool,
    digits: [u8; 17],
    len: usize,
    /// Decimal exponent of the first digit: 1.5 has 0, 15 has 1.
    exponent: i32,
}

impl Shortest {
    fn of(value: f64) -> Self {
        let negative = value.is_sign_negative();
        let mut this = Self { negative, digits: [b'0'; 17], len: 1, exponent: 0 };
        if value == 0.0 {
            return this;
        }
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value.abs()).as_bytes();
        let mut len = 0;
        let mut point = None;
        let mut exponent = 0;
        let mut leading_zeros = 0;
        let mut i = 0;
        while i < text.len() {
            match text[i] {
                b'.' => point = Some(len + leading_zeros),
                b'e' => {
                    exponent = std::str::from_utf8(&text[i + 1..])
                        .ok()
                        .and_then(|t| t.parse::<i32>().ok())
                        .expect("BUG: zmij prints a whole exponent");
                    break;
                }
                b'0' if len == 0 => leading_zeros += 1,
                digit => {
                    this.digits[len.min(16)] = digit;
                    len += 1;
                }
            }
            i += 1;
        }
        let point = point.unwrap_or(len + leading_zeros) as i32;
        this.exponent = point - leading_zeros as i32 - 1 + exponent;
        let mut len = len.min(17);
        while len > 1 && this.digits[len - 1] == b'0' {
            len -= 1;
        }
        this.len = len;
        this
    }

    fn digits(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len]).expect("BUG: digits are ASCII")
    }
}

fn push_plain(out: &mut String, number: &Shortest) {
    if number.negative {
        out.push('-');
    }
    let digits = number.digits();
    if number.exponent < 0 {
        out.push_str("0.");
        for _ in 0..(-number.exponent - 1) {
            out.push('0');
        }
        out.push_str(digits);
        return;
    }
    let whole = number.exponent as usize + 1;
    if digits.len() <= whole {
        out.push_str(digits);
        for _ in digits.len()..whole {
            out.push('0');
        }
    } else {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    }
}

fn push_exponent(out: &mut String, number: &Shortest) {
    if number.negative {
        out.push('-');
    }
    let digits = number.digits();
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    let sign = if number.exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", number.exponent.abs());
}

/// Displays a string in double quotes as Go's `strconv.Quote` does.
#[derive(Clone, Copy, Debug)]
pub struct GoQuoted<'a>(pub &'a str);

impl fmt::Display for GoQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\u{7}' => f.write_str("\\a")?,
                '\u{8}' => f.write_str("\\b")?,
                '\u{c}' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{b}' => f.write_str("\\v")?,
                c if is_printable(c) => f.write_char(c)?,
                c if (c as u32) < 0x80 => write!(f, "\\x{:02x}", c as u32)?,
                c if (c as u32) < 0x1_0000 => write!(f, "\\u{:04x}", c as u32)?,
                c => write!(f, "\\U{:08x}", c as u32)?,
            }
        }
        f.write_char('"')
    }
}

/// Go's `strconv.IsPrint` as far as strings of ours need it: the standard library's own notion of what to escape, less
/// the combining marks that it escapes and Go prints, and with all spaces but the ASCII one escaped.
fn is_printable(c: char) -> bool {
    if c == ' ' {
        return true;
    }
    if c.is_whitespace() || c.is_control() {
        return false;
    }
    let mut escaped = c.escape_debug();
    if escaped.next() != Some('\\') {
        return true;
    }
    // Rust escapes grapheme extenders (combining marks), which Go prints, and the quotes.
    matches!(c, '\'' | '"' | '\\') || unicode_mark(c)
}

fn unicode_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a
        | 0x64b..=0x65f | 0x900..=0x903 | 0x93a..=0x94f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff
        | 0x20d0..=0x20f0 | 0x302a..=0x302f | 0x3099..=0x309a | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f | 0xe0100..=0xe01ef)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_floats_print_as_upstream_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (100.0, "100"),
            (0.001, "0.001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (1.25e-10, "1.25e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (0.1 + 0.2, "0.30000000000000004"),
            (123456789.125, "123456789.125"),
            (1718739013011977.2, "1718739013011977.2"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(json_float(value), text);
        }
    }

    #[test]
    fn plain_floats_have_the_shortest_digits() {
        // Of two shortest texts that are equally near Go takes the even one, and Rust not always.
        let check = |value: f64| {
            let (text, other) = (plain_float(value), value.to_string());
            let same = text.len() == other.len() && text.parse() == Ok(value);
            assert!(text == other || same, "{text} {other}");
        };
        let mut random = 88_172_645_463_325_252u64;
        for i in 0..200_000u64 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let value = match i % 5 {
                0 => f64::from_bits(random),
                1 => (random >> 11) as f64 / (1u64 << 53) as f64,
                2 => (random % 1_000_000) as f64 / 1000.0,
                3 => -((random % 10_000_000) as f64),
                _ => (random >> (random % 60)) as f64 * 1.5,
            };
            if value.is_finite() {
                check(value);
            }
        }
        for power in 0..64 {
            for near in [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0] {
                let value = (1u64 << power) as f64 + near;
                check(value);
                if value != 0.0 {
                    check(1.0 / value);
                }
            }
        }
    }

    #[test]
    fn go_floats_take_the_exponent_form_earlier() {
        for (value, text) in [
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (123456.789, "123456.789"),
            (1e6, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (0.0, "0"),
        ] {
            assert_eq!(go_float(value), text);
        }
        assert_eq!(plain_float(1e22), "10000000000000000000000");
        assert_eq!(plain_float(1.5e-9), "0.0000000015");
    }

    #[test]
    fn quoting_escapes_what_go_escapes() {
        assert_eq!(
            GoQuoted("a\"b\\c\n\u{1}é\u{feff}").to_string(),
            "\"a\\\"b\\\\c\\n\\x01é\\ufeff\""
        );
    }
}
