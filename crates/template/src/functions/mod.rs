//! What Prometheus and Alertmanager add to the language: a table of functions each.

pub mod alertmanager;
mod casing;
mod host;
mod humanize;
mod patterns;
pub mod prometheus;

use bytes::Bytes;

use crate::value::Value;

/// The bytes of a string argument (the signature has checked the type).
fn text(args: &[Value], at: usize) -> Bytes {
    args.get(at).and_then(Value::as_bytes).cloned().unwrap_or_default()
}

/// As [`text`], with bad bytes replaced.
fn string(args: &[Value], at: usize) -> String {
    String::from_utf8_lossy(&text(args, at)).into_owned()
}
