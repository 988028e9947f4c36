//! JSON as Go's `encoding/json` writes it: `<`, `>` and `&` escaped, floats in Go's spelling, a newline at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The text that Go's `Encoder` writes, final newline included. Errs on what JSON cannot say (NaN, infinities).
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut out, GoFormatter);
    value.serialize(&mut serializer).map_err(|err| err.to_string())?;
    out.push(b'\n');
    Ok(out)
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let Some(found) = rest[at..].chars().next() else { break };
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = &rest[at + found.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }
}

/// The shortest decimal that reads back, with an exponent below 1e-6 and from 1e21 on.
fn float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        // Go puts a sign in front of a positive exponent.
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    format!("{value}")
}

/// Go's `omitempty` for flags.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// An object with its keys in order, whatever the order of insertion.
pub(crate) fn object(
    pairs: impl IntoIterator<Item = (String, serde_json::Value)>,
) -> serde_json::Value {
    let sorted: BTreeMap<_, _> = pairs.into_iter().collect();
    serde_json::Value::Object(sorted.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        let text = "<a href=\"x\">&\u{2028}\u{2029}\u{8}\u{c}\n\u{1}\u{7f}é</a>";
        let wanted = "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u2028\\u2029\\b\\f\\n\\u0001\u{7f}é\\u003c/a\\u003e\"\n";
        assert_eq!(encode(text).unwrap(), wanted.as_bytes());
    }

    #[test]
    fn floats_are_spelled_as_go_spells_them() {
        for (value, text) in [
            (100.0, "100"),
            (0.0, "0"),
            (-1.5, "-1.5"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float(value), text);
        }
    }
}
