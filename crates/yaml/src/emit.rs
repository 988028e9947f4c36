//! Values -> YAML text as Go's package v2 prints it: block style, indent 2, sequences not indented in mappings.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};

use crate::document::Dialect;
use crate::scalar::{self, Scalar};
use crate::value::Value;

/// Prints a value. The text ends with a line break.
pub fn to_string(value: &Value) -> String {
    let mut out = Vec::new();
    {
        let mut emitter = Emitter::new();
        emitter.set_output_string(&mut out);
        emitter.set_unicode(true);
        let mut events =
            vec![Event::stream_start(Encoding::Utf8), Event::document_start(None, &[], true)];
        push(value, &mut events);
        events.push(Event::document_end(true));
        events.push(Event::stream_end());
        for event in events {
            emitter.emit(event).expect("BUG: events out of order");
        }
    }
    String::from_utf8(out).expect("BUG: printed no UTF-8")
}

fn push(value: &Value, events: &mut Vec<Event>) {
    let plain = |text: &str| Event::scalar(None, None, text, true, true, ScalarStyle::Plain);
    match value {
        Value::Null => events.push(plain("null")),
        Value::Bool(b) => events.push(plain(if *b { "true" } else { "false" })),
        Value::Int(n) => events.push(plain(&n.to_string())),
        Value::Uint(n) => events.push(plain(&n.to_string())),
        Value::Float(f) => events.push(plain(&float(*f))),
        Value::Timestamp(text) => events.push(plain(text)),
        Value::Str(text) => events.push(string(text)),
        Value::Bytes(bytes) => events.push(string(&String::from_utf8_lossy(bytes))),
        Value::Seq(items) | Value::Flow(items) => {
            let flow = items.is_empty() || matches!(value, Value::Flow(_));
            let style = if flow { SequenceStyle::Flow } else { SequenceStyle::Block };
            events.push(Event::sequence_start(None, None, true, style));
            items.iter().for_each(|item| push(item, events));
            events.push(Event::sequence_end());
        }
        Value::Map(pairs) => {
            let style = if pairs.is_empty() { MappingStyle::Flow } else { MappingStyle::Block };
            events.push(Event::mapping_start(None, None, true, style));
            for (key, value) in pairs {
                push(key, events);
                push(value, events);
            }
            events.push(Event::mapping_end());
        }
    }
}

/// Text stays plain unless it would read back as something else.
fn string(text: &str) -> Event {
    let reads_back =
        matches!(scalar::resolve(text, Dialect::V2), Scalar::Str(_)) && !is_base_60(text);
    let style = if text.contains('\n') {
        ScalarStyle::Literal
    } else if reads_back && text != "<<" {
        ScalarStyle::Plain
    } else {
        ScalarStyle::DoubleQuoted
    };
    Event::scalar(None, None, text, true, true, style)
}

/// `1:30` is a number in old YAML: quoted for old readers.
fn is_base_60(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
    let mut groups = whole.split(':');
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    groups.next().is_some_and(|g| digits(g) && !g.starts_with('_'))
        && whole.contains(':')
        && groups.all(|g| matches!(g.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
        && (fraction.is_empty() || digits(fraction))
}

fn float(f: f64) -> String {
    if f.is_nan() {
        return ".nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    // Go's 'g' form: shortest digits, exponent from 1e21 on and below 1e-4.
    let exponential = format!("{f:e}");
    let (mantissa, exponent) = exponential.split_once('e').expect("BUG: no exponent");
    let exponent: i32 = exponent.parse().expect("BUG: exponent is no number");
    if (-4..21).contains(&exponent) {
        return format!("{f}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
