//! Numbers for people: both peers' `humanize*`, and how a value becomes a float for them.

use crate::fmt::append_float;
use crate::number::parse_float;
use crate::time::Time;
use crate::value::{IntType, StrType, Value};

/// Floats, plain strings, the larger integers and durations (in seconds).
pub(super) fn to_float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Str(text, StrType::String) => parse_float(&String::from_utf8_lossy(text)),
        Value::Int(code, IntType::Int | IntType::Int64) => Ok(*code as f64),
        Value::Int(code, IntType::Uint | IntType::Uint64) => Ok(*code as u64 as f64),
        Value::Int(ns, IntType::Duration) => {
            Ok((ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9)
        }
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// `%.4g`
fn short(value: f64) -> String {
    let mut out = String::new();
    append_float(&mut out, value, 'g', Some(4));
    out
}

const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// Multiplies a value below 1 up to it; the prefix says how often.
fn small(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    (value, prefix)
}

/// Divides by `unit` while it can.
fn large(mut value: f64, unit: f64, prefixes: [&'static str; 8]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < unit {
            break;
        }
        prefix = next;
        value /= unit;
    }
    format!("{}{prefix}", short(value))
}

pub(super) fn metric(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return short(value);
    }
    if value.abs() >= 1.0 {
        return large(value, 1000.0, ["k", "M", "G", "T", "P", "E", "Z", "Y"]);
    }
    let (value, prefix) = small(value);
    format!("{}{prefix}", short(value))
}

pub(super) fn binary(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return short(value);
    }
    large(value, 1024.0, ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

pub(super) fn percentage(ratio: f64) -> String {
    format!("{}%", short(ratio * 100.0))
}

/// Seconds in pieces: `1d 2h 3m 4s`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short(seconds);
    }
    if seconds == 0.0 {
        return format!("{}s", short(seconds));
    }
    if seconds.abs() < 1.0 {
        let (value, prefix) = small(seconds);
        return format!("{}{prefix}s", short(value));
    }
    let (sign, value) = if seconds < 0.0 { ("-", -seconds) } else { ("", seconds) };
    let whole = to_i64(value);
    let (s, m, h, d) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if d != 0 {
        format!("{sign}{d}d {h}h {m}m {s}s")
    } else if h != 0 {
        format!("{sign}{h}h {m}m {s}s")
    } else if m != 0 {
        format!("{sign}{m}m {s}s")
    } else {
        format!("{sign}{}s", short(value))
    }
}

/// As amd64 converts: what does not fit is the smallest number.
pub(super) fn to_i64(value: f64) -> i64 {
    if (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// Why seconds are no time.
pub(super) enum NoTime {
    /// They print as they are in `humanizeTimestamp`.
    NotFinite,
    Overflow(String),
}

/// Seconds since the epoch, cut to milliseconds.
pub(super) fn timestamp(seconds: f64) -> Result<Time, NoTime> {
    if !seconds.is_finite() {
        return Err(NoTime::NotFinite);
    }
    let ns = seconds * 1e9;
    if ns.abs() > 9.223_372_036_854_776e18 {
        let shown = gauntlet_model::float::go_float(seconds);
        let text = "cannot be represented as a nanoseconds timestamp since it overflows int64";
        return Err(NoTime::Overflow(format!("{shown} {text}")));
    }
    Ok(Time::from_unix_ms(to_i64(ns) / 1_000_000))
}

pub(super) fn show_timestamp(seconds: f64) -> Result<String, String> {
    match timestamp(seconds) {
        Ok(time) => Ok(time.to_string()),
        Err(NoTime::NotFinite) => Ok(short(seconds)),
        Err(NoTime::Overflow(text)) => Err(text),
    }
}
