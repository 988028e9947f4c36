//! Number and string literals: what Go's `strconv` makes of their text.

use gauntlet_model::float::GoQuoted;

/// Parses a number as the parser does: an integer in Go's syntax (0x, 0o, 0b, leading-0 octal, underscores), else a
/// float. Errs with Go's text.
pub(crate) fn parse_number(text: &str) -> Result<f64, String> {
    if let Some(value) = parse_integer(text) {
        return Ok(value as f64);
    }
    let error = |reason: &str| format!("strconv.ParseFloat: parsing {}: {reason}", GoQuoted(text));
    let lower = text.to_ascii_lowercase();
    match lower.trim_start_matches(['+', '-']) {
        "inf" | "infinity" => {
            let infinity = f64::INFINITY;
            return Ok(if lower.starts_with('-') { -infinity } else { infinity });
        }
        "nan" => return Ok(f64::from_bits(gauntlet_model::sample::NORMAL_NAN_BITS)),
        _ => {}
    }
    if !underscores_separate_digits(text) || lower.starts_with("0x") {
        return Err(error("invalid syntax"));
    }
    let digits: String = lower.chars().filter(|c| *c != '_').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-')) {
        return Err(error("invalid syntax"));
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_infinite() => Err(error("value out of range")),
        Ok(value) => Ok(value),
        Err(_) => Err(error("invalid syntax")),
    }
}

/// Go's `ParseInt(text, 0, 64)` for text without a sign.
fn parse_integer(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if !underscores_separate_digits(&lower) {
        return None;
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&digits, radix).ok()
}

/// Whether every underscore stands between digits, or between a base prefix and a digit.
fn underscores_separate_digits(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let bytes = text.as_bytes();
    let prefixed = bytes.len() > 1
        && bytes[0] == b'0'
        && matches!(bytes[1].to_ascii_lowercase(), b'x' | b'o' | b'b');
    let hex = prefixed && bytes[1].eq_ignore_ascii_case(&b'x');
    let is_digit = |b: u8| b.is_ascii_digit() || (hex && b.is_ascii_hexdigit());
    let mut before = if prefixed { b'0' } else { b'!' };
    for &b in &bytes[if prefixed { 2 } else { 0 }..] {
        if is_digit(b) {
            before = b'0';
        } else if b == b'_' {
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

/// Unescapes a quoted string; the lexer has checked the escapes. Gives the bytes where they are no UTF-8 (`"\xff"`).
pub(crate) fn unquote(quoted: &str) -> Result<String, Vec<u8>> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("");
    if quoted.starts_with('`') {
        return Ok(inner.to_owned());
    }
    if !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push_char(&mut out, c);
            continue;
        }
        let Some(kind) = chars.next() else { break };
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            'x' => out.push(take_digits(&mut chars, 0, 2, 16) as u8),
            'u' => push_code(&mut out, take_digits(&mut chars, 0, 4, 16)),
            'U' => push_code(&mut out, take_digits(&mut chars, 0, 8, 16)),
            '0'..='7' => {
                let first = kind.to_digit(8).unwrap_or(0);
                out.push(take_digits(&mut chars, first, 2, 8) as u8);
            }
            other => push_char(&mut out, other),
        }
    }
    String::from_utf8(out).map_err(std::string::FromUtf8Error::into_bytes)
}

fn take_digits(chars: &mut std::str::Chars<'_>, first: u32, count: usize, radix: u32) -> u32 {
    let digits = chars.take(count).filter_map(|c| c.to_digit(radix));
    digits.fold(first, |value, digit| value.wrapping_mul(radix).wrapping_add(digit))
}

fn push_code(out: &mut Vec<u8>, code: u32) {
    push_char(out, char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_go_reads_them() {
        for (text, value) in [
            ("0x1F", 31.0),
            ("017", 15.0),
            ("08", 8.0),
            ("1_000", 1000.0),
            (".5", 0.5),
            ("1.", 1.0),
            ("1e1_0", 1e10),
            ("0x_1f", 31.0),
            ("Inf", f64::INFINITY),
            ("9223372036854775808", 9.223_372_036_854_776e18),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert!(parse_number("NaN").is_ok_and(f64::is_nan));
        assert_eq!(
            parse_number("1__0"),
            Err("strconv.ParseFloat: parsing \"1__0\": invalid syntax".to_owned())
        );
        assert_eq!(
            parse_number("1e999"),
            Err("strconv.ParseFloat: parsing \"1e999\": value out of range".to_owned())
        );
    }

    #[test]
    fn strings_unescape() {
        for (quoted, text) in [
            (r#""a\n\t\"b""#, "a\n\t\"b"),
            (r"'it\'s'", "it's"),
            (r"`raw\n`", r"raw\n"),
            (r#""\101\x41\u0041\U00000041""#, "AAAA"),
            (r#""\xe4\xbd\xa0""#, "你"),
        ] {
            assert_eq!(unquote(quoted).as_deref(), Ok(text));
        }
        assert_eq!(unquote(r#""a\xff""#), Err(vec![b'a', 0xff]));
    }
}
