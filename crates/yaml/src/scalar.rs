//! What a scalar's text means: Go's resolution of plain scalars, tags and base64.

use crate::document::{Dialect, Node};

/// A resolved scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Str(String),
    /// From `!!binary`; need not be UTF-8.
    Bytes(Vec<u8>),
    /// A date or time, kept as written.
    Timestamp(String),
}

/// The tag of a resolved scalar, as errors print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Binary,
    Timestamp,
}

impl Tag {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Str => "!!str",
            Self::Binary => "!!binary",
            Self::Timestamp => "!!timestamp",
        }
    }
}

impl Scalar {
    /// Resolves a scalar node. Errs where an explicit tag contradicts the text.
    pub fn of(node: Node<'_>) -> Result<Self, String> {
        let text = node.text().unwrap_or_default();
        let wanted = match node.tag() {
            "" if node.is_plain() => return Ok(resolve(text, node.dialect())),
            "" | "!" | "!!str" => return Ok(Self::Str(text.to_owned())),
            "!!binary" => {
                return base64(text)
                    .map(Self::Bytes)
                    .ok_or_else(|| "!!binary value contains invalid base64 data".to_owned());
            }
            "!!null" => Tag::Null,
            "!!bool" => Tag::Bool,
            "!!int" => Tag::Int,
            "!!float" => Tag::Float,
            "!!timestamp" => Tag::Timestamp,
            // Unknown tags are not looked at, as in Go.
            _ => return Ok(Self::Str(text.to_owned())),
        };
        let found = resolve(text, node.dialect());
        match (wanted, &found) {
            (Tag::Float, Self::Int(n)) => Ok(Self::Float(*n as f64)),
            (Tag::Float, Self::Uint(n)) => Ok(Self::Float(*n as f64)),
            _ if found.tag() == wanted => Ok(found),
            _ => Err(format!(
                "cannot decode {} `{text}` as a {}",
                found.tag().as_str(),
                wanted.as_str()
            )),
        }
    }

    pub fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) | Self::Uint(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Str(_) => Tag::Str,
            Self::Bytes(_) => Tag::Binary,
            Self::Timestamp(_) => Tag::Timestamp,
        }
    }
}

/// What a plain scalar stands for.
pub(crate) fn resolve(text: &str, dialect: Dialect) -> Scalar {
    let v2 = dialect == Dialect::V2;
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ if v2 && is_old_true(text) => return Scalar::Bool(true),
        _ if v2 && is_old_false(text) => return Scalar::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !matches!(first, b'+' | b'-' | b'.' | b'0'..=b'9') {
        return Scalar::Str(text.to_owned());
    }
    if first != b'.' && is_timestamp(text) {
        return Scalar::Timestamp(text.to_owned());
    }
    number(text).unwrap_or_else(|| Scalar::Str(text.to_owned()))
}

/// The words of YAML 1.1 for true, which v2 takes everywhere and v3 where a boolean is wanted.
pub(crate) fn is_old_true(text: &str) -> bool {
    matches!(text, "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON")
}

pub(crate) fn is_old_false(text: &str) -> bool {
    matches!(text, "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF")
}

fn number(text: &str) -> Option<Scalar> {
    if text.starts_with('.') {
        return float(text);
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes() {
        [b'-', ..] => (true, &plain[1..]),
        [b'+', ..] => (false, &plain[1..]),
        _ => (false, plain.as_str()),
    };
    if let Some(magnitude) = magnitude(digits) {
        match (negative, i64::try_from(magnitude)) {
            (false, Ok(n)) => return Some(Scalar::Int(n)),
            (true, _) if magnitude <= 1 << 63 => {
                return Some(Scalar::Int((magnitude as i64).wrapping_neg()));
            }
            (false, Err(_)) if !plain.starts_with('+') => return Some(Scalar::Uint(magnitude)),
            _ => {}
        }
    }
    float(&plain)
}

/// An integer with Go's prefixes (`0x`, `0o`, `0b`, a leading `0` for octal).
fn magnitude(digits: &str) -> Option<u64> {
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(body, radix).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, finite.
fn float(text: &str) -> Option<Scalar> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let good = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    let exponent_good = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    if !good || !exponent_good {
        return None;
    }
    text.parse().ok().filter(|f: &f64| f.is_finite()).map(Scalar::Float)
}

/// Dates and times: `2001-12-14`, `2001-12-14t21:59:43.10-05:00`, `2001-12-14 21:59:43.10`; digits may be single.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let mut rest = &text[5..];
    let mut field = |separators: &[char], low: u32, high: u32| -> Option<char> {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: u32 =
            if (1..=2).contains(&len) { rest[..len].parse().ok()? } else { return None };
        let next = rest[len..].chars().next();
        rest = &rest[len..];
        let separator = match next {
            None => '\0',
            Some(c) => {
                rest = rest.get(c.len_utf8()..)?;
                c
            }
        };
        ((low..=high).contains(&value) && separators.contains(&separator)).then_some(separator)
    };
    let Some('-') = field(&['-'], 1, 12) else { return false };
    match field(&['\0', 't', 'T', ' '], 1, 31) {
        Some('\0') => return true,
        Some(_) => {}
        None => return false,
    }
    if field(&[':'], 0, 23).is_none() || field(&[':'], 0, 59).is_none() {
        return false;
    }
    match field(&['\0', '.', 'Z', '+', '-'], 0, 59) {
        Some(_) => {
            rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'Z' | b'+' | b'-'))
        }
        None => false,
    }
}

/// Standard base64 with padding; white space is skipped.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'\n' | b'\r' => continue,
            b'=' => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) => out.push((bits >> 4) as u8),
        (3, 1) => out.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(out)
}
