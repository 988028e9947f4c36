//! Durations in the two spellings users meet: Prometheus' (`1h30m`, `15d`) and Go's (`1h30m0s`, `1.5ms`).
//!
//! Both count nanoseconds in an `i64`, as Go does. Left out: durations as bare seconds (the API's `step`), which belong to
//! their parsers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

use crate::float::GoQuoted;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const YEAR: i64 = 365 * DAY;

/// Why a text is no duration; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("empty duration string")]
    Empty,
    #[error("not a valid duration string: {}", GoQuoted(.0))]
    Invalid(String),
    #[error("unknown unit {} in duration {}", GoQuoted(unit), GoQuoted(text))]
    UnknownUnit { unit: String, text: String },
    #[error("duration out of range")]
    OutOfRange,
    #[error("time: invalid duration {}", TimeQuoted(.0))]
    GoInvalid(String),
    #[error("time: missing unit in duration {}", TimeQuoted(.0))]
    GoMissingUnit(String),
    #[error("time: unknown unit {} in duration {}", TimeQuoted(unit), TimeQuoted(text))]
    GoUnknownUnit { unit: String, text: String },
}

/// Quotes as Go's package `time` does: what is not printable ASCII as `\xNN` byte by byte.
struct TimeQuoted<'a>(&'a str);

impl fmt::Display for TimeQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..0x80 => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A duration in Prometheus' spelling: whole numbers with units `y w d h m s ms`, descending, each once; or `0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Duration {
    pub const ZERO: Self = Self(0);

    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    pub const fn from_ms(ms: i64) -> Self {
        Self(ms * MS)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * SECOND)
    }

    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Milliseconds, rounded towards zero.
    pub const fn as_ms(self) -> i64 {
        self.0 / MS
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The standard library's type; a negative duration is zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        match text {
            "0" => return Ok(Self::ZERO),
            "" => return Err(DurationError::Empty),
            _ => {}
        }
        let mut rest = text;
        let (mut total, mut last) = (0u64, 0);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let value: u64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let len = rest.bytes().take_while(|b| !b.is_ascii_digit()).count();
            let (unit, after) = rest.split_at(len);
            if unit.is_empty() {
                return Err(invalid());
            }
            rest = after;
            let (place, factor) = match unit {
                "y" => (1, YEAR),
                "w" => (2, WEEK),
                "d" => (3, DAY),
                "h" => (4, HOUR),
                "m" => (5, MINUTE),
                "s" => (6, SECOND),
                "ms" => (7, MS),
                _ => {
                    let (unit, text) = (unit.to_owned(), text.to_owned());
                    return Err(DurationError::UnknownUnit { unit, text });
                }
            };
            if place <= last {
                return Err(invalid());
            }
            last = place;
            if value > (1 << 63) / factor as u64 {
                return Err(DurationError::OutOfRange);
            }
            total = total.saturating_add(value.saturating_mul(factor as u64));
            if total > i64::MAX as u64 {
                return Err(DurationError::OutOfRange);
            }
        }
        Ok(Self(total as i64))
    }
}

impl fmt::Display for Duration {
    /// Years and weeks only where they divide exactly; what is below 1 ms is dropped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ms = self.0 / MS;
        if ms == 0 {
            return f.write_str("0s");
        }
        if ms < 0 {
            f.write_str("-")?;
            ms = -ms;
        }
        let units = [("y", YEAR, true), ("w", WEEK, true), ("d", DAY, false), ("h", HOUR, false)];
        let small = [("m", MINUTE, false), ("s", SECOND, false), ("ms", MS, false)];
        for (unit, ns, exact) in units.into_iter().chain(small) {
            let factor = ns / MS;
            if exact && ms % factor != 0 {
                continue;
            }
            let count = ms / factor;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                ms -= count * factor;
            }
        }
        Ok(())
    }
}

impl FromYaml for Duration {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        text.parse().map_err(|err: DurationError| cx.problem(node.position(), err.to_string())).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }

    fn zero() -> Option<Self> {
        Some(Self::ZERO)
    }
}

impl ToYaml for Duration {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_string())
    }
}

/// A duration in Go's spelling: `1h30m`, `1.5s`, `-5m`; units `ns us µs ms s m h`. Prints `1h30m0s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// The standard library's type; a negative duration is zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// As the peers' command lines take it: with the units `d` and `w`, too.
    pub fn parse_flag(text: &str) -> Result<Self, DurationError> {
        Self::parse(text, true)
    }

    fn parse(text: &str, days: bool) -> Result<Self, DurationError> {
        let invalid = || DurationError::GoInvalid(text.to_owned());
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
        let mut total = 0u64;
        while !rest.is_empty() {
            let (whole, after, whole_digits) = leading_int(rest).ok_or_else(invalid)?;
            let (mut fraction, mut scale, mut fraction_digits) = (0u64, 1.0, 0);
            rest = after;
            if let Some(after) = rest.strip_prefix('.') {
                let (f, s, after, n) = leading_fraction(after);
                (fraction, scale, rest, fraction_digits) = (f, s, after, n);
            }
            if whole_digits + fraction_digits == 0 {
                return Err(invalid());
            }
            let len = rest.bytes().take_while(|b| *b != b'.' && !b.is_ascii_digit()).count();
            let (unit, after) = rest.split_at(len);
            if unit.is_empty() {
                return Err(DurationError::GoMissingUnit(text.to_owned()));
            }
            rest = after;
            let factor: u64 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1000,
                "ms" => MS as u64,
                "s" => SECOND as u64,
                "m" => MINUTE as u64,
                "h" => HOUR as u64,
                "d" if days => DAY as u64,
                "w" if days => 7 * DAY as u64,
                _ => {
                    let (unit, text) = (unit.to_owned(), text.to_owned());
                    return Err(DurationError::GoUnknownUnit { unit, text });
                }
            };
            if whole > (1 << 63) / factor {
                return Err(invalid());
            }
            let mut value = whole * factor;
            if fraction > 0 {
                value += (fraction as f64 * (factor as f64 / scale)) as u64;
            }
            total = total.checked_add(value).filter(|t| *t <= 1 << 63).ok_or_else(invalid)?;
        }
        if negative {
            return Ok(Self((total as i64).wrapping_neg()));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse(text, false)
    }
}

/// Digits up to 2^63, what follows, and how many there were; `None` on overflow.
fn leading_int(text: &str) -> Option<(u64, &str, usize)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut value = 0u64;
    for byte in text[..len].bytes() {
        value =
            value.checked_mul(10)?.checked_add(u64::from(byte - b'0')).filter(|v| *v <= 1 << 63)?;
    }
    Some((value, &text[len..], len))
}

/// Digits of a fraction, the power of ten they are over, what follows, and how many there were. Digits beyond 2^63 are
/// read and dropped.
fn leading_fraction(text: &str) -> (u64, f64, &str, usize) {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (mut value, mut scale) = (0u64, 1.0);
    for byte in text[..len].bytes() {
        let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(byte - b'0')))
        else {
            break;
        };
        if value > (i64::MAX as u64) / 10 || next > i64::MAX as u64 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale, &text[len..], len)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        if magnitude == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let second = SECOND as u64;
        if magnitude < second {
            let (unit, factor) = match magnitude {
                0..1000 => ("ns", 1),
                1000..1_000_000 => ("µs", 1000),
                _ => ("ms", MS as u64),
            };
            write!(f, "{}", magnitude / factor)?;
            write_fraction(f, magnitude % factor, factor)?;
            return f.write_str(unit);
        }
        let (secs, fraction) = (magnitude / second, magnitude % second);
        let (mins, secs) = (secs / 60, secs % 60);
        let (hours, mins) = (mins / 60, mins % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || mins > 0 {
            write!(f, "{mins}m")?;
        }
        write!(f, "{secs}")?;
        write_fraction(f, fraction, second)?;
        f.write_str("s")
    }
}

/// `.5` for 500 of 1000; nothing for 0.
fn write_fraction(f: &mut fmt::Formatter<'_>, part: u64, whole: u64) -> fmt::Result {
    if part == 0 {
        return Ok(());
    }
    let width = whole.ilog10() as usize;
    let digits = format!("{part:0width$}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

impl FromYaml for GoDuration {
    /// A number counts nanoseconds in dialect v2.
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        use gauntlet_yaml::{Dialect, Scalar};
        match Scalar::of(node) {
            Ok(Scalar::Int(ns)) if node.text().is_some() && node.dialect() == Dialect::V2 => {
                Some(Self(ns))
            }
            Ok(Scalar::Str(text)) if let Ok(duration) = text.parse() => Some(duration),
            _ => {
                gauntlet_yaml::mismatch(node, "time.Duration", cx);
                None
            }
        }
    }

    fn go_type() -> Cow<'static, str> {
        "time.Duration".into()
    }
}

impl ToYaml for GoDuration {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_string())
    }
}

#[cfg(test)]
mod tests;
