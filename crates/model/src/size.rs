//! Sizes in bytes as flags and configuration spell them: `512MB`, `1GiB512MiB`; powers of two in either spelling.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

/// Why a text is no size; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("units: invalid {0}")]
    Invalid(String),
    #[error("units: unknown unit {unit} in {text}")]
    UnknownUnit { unit: String, text: String },
    #[error("units: overflow parsing unit")]
    Overflow,
}

/// A number of bytes; prints with binary units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub i64);

const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let invalid = || SizeError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0.0;
        while !rest.is_empty() {
            let (whole, after, whole_digits) = digits(rest).ok_or_else(invalid)?;
            let (mut value, mut fraction_digits) = (whole as f64, 0);
            rest = after;
            if let Some(after) = rest.strip_prefix('.') {
                let (fraction, after, len) = digits(after).ok_or_else(invalid)?;
                value += fraction as f64 / 10f64.powi(len as i32);
                (rest, fraction_digits) = (after, len);
            }
            if whole_digits + fraction_digits == 0 {
                return Err(invalid());
            }
            let len = rest.bytes().take_while(|b| *b != b'.' && !b.is_ascii_digit()).count();
            let (unit, after) = rest.split_at(len);
            rest = after;
            let prefix =
                unit.strip_suffix("iB").filter(|p| !p.is_empty()).or(unit.strip_suffix('B'));
            let Some(power) = prefix.and_then(|p| UNITS.iter().position(|u| *u == p)) else {
                let (unit, text) = (unit.to_owned(), text.to_owned());
                return Err(SizeError::UnknownUnit { unit, text });
            };
            total += value * 1024f64.powi(power as i32);
        }
        if negative {
            total = -total;
        }
        if !(-(2f64.powi(63))..=2f64.powi(63)).contains(&total) {
            return Err(SizeError::Overflow);
        }
        // 2^63 itself wraps, as the conversion of the reference machine does.
        Ok(Self(if total == 2f64.powi(63) { i64::MIN } else { total as i64 }))
    }
}

fn digits(text: &str) -> Option<(u64, &str, usize)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut value = 0u64;
    for byte in text[..len].bytes() {
        // Upstream gives up a digit early.
        if value > ((1 << 63) - 10) / 10 {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Some((value, &text[len..], len))
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut parts = Vec::new();
        for (power, unit) in UNITS.iter().enumerate() {
            if rest % 1024 != 0 || (power == 0 && rest == 0) {
                let suffix = if power == 0 { "B" } else { "iB" };
                parts.push(format!("{}{unit}{suffix}", rest % 1024));
            }
            rest /= 1024;
            if rest == 0 {
                break;
            }
        }
        parts.iter().rev().try_for_each(|part| f.write_str(part))
    }
}

impl FromYaml for ByteSize {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        text.parse().map_err(|err: SizeError| cx.problem(node.position(), err.to_string())).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }

    fn zero() -> Option<Self> {
        Some(Self(0))
    }
}

impl ToYaml for ByteSize {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_string())
    }
}
