//! Values as Go's `encoding/json` prints them: maps sorted, `< > &` and U+2028/U+2029 escaped, bad bytes as U+FFFD.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::utf8;
use crate::value::{IntType, Type, Value};

/// Deeper values are refused (Go refuses cycles only, and there are none here).
const MAX_DEPTH: u32 = 100;

/// The JSON text, of at most `limit` bytes.
pub fn to_json(value: &Value, limit: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    push(&mut out, value, limit, 0)?;
    Ok(out)
}

fn push(out: &mut Vec<u8>, value: &Value, limit: usize, depth: u32) -> Result<(), String> {
    if out.len() > limit || depth > MAX_DEPTH {
        return Err(format!("json: text is larger than {limit} bytes or deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::Missing | Value::Nil | Value::NilPointer(_) => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Int(code, ty) if ty.is_unsigned() => {
            out.extend_from_slice((*code as u64).to_string().as_bytes());
        }
        Value::Int(code, _) => out.extend_from_slice(code.to_string().as_bytes()),
        Value::Float(value) if value.is_finite() => push_float(out, *value),
        Value::Float(value) => {
            let shown = gauntlet_model::float::go_float(*value);
            return Err(format!("json: unsupported value: {shown}"));
        }
        Value::Str(text, _) => push_string(out, text),
        Value::Time(time) => {
            if !(0..=9999).contains(&time.civil().year) {
                return Err(
                    "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: \
                    year outside of range [0,9999]"
                        .to_owned(),
                );
            }
            out.push(b'"');
            out.extend_from_slice(&time.format(b"2006-01-02T15:04:05.999999999Z07:00"));
            out.push(b'"');
        }
        Value::List(list) if list.nil => out.extend_from_slice(b"null"),
        Value::List(list) if list.elem == Type::Int(IntType::Uint8) => {
            let bytes: Vec<u8> = list
                .items
                .iter()
                .map(|i| if let Value::Int(b, _) = i { *b as u8 } else { 0 })
                .collect();
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        Value::List(list) => {
            out.push(b'[');
            for (i, item) in list.items.iter().enumerate() {
                comma(out, i);
                push(out, item, limit, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Map(map) if map.is_nil() => out.extend_from_slice(b"null"),
        Value::Map(map) => {
            out.push(b'{');
            for (i, (key, item)) in map.entries().iter().enumerate() {
                comma(out, i);
                match key {
                    Value::Str(key, _) => push_string(out, key),
                    Value::Int(..) => {
                        push_string(out, crate::fmt::show(&untyped(key)).as_bytes());
                    }
                    other => {
                        return Err(format!("json: unsupported type: map[{}]", other.type_name()));
                    }
                }
                out.push(b':');
                push(out, item, limit, depth + 1)?;
            }
            out.push(b'}');
        }
        Value::Object(object) => {
            if let Some(plain) = object.underlying() {
                return push(out, &plain, limit, depth + 1);
            }
            let fields = object.json().unwrap_or_else(|| {
                let names = object.field_names().iter();
                names.map(|n| (*n, object.field(n).unwrap_or_default())).collect()
            });
            out.push(b'{');
            for (i, (name, field)) in fields.iter().enumerate() {
                comma(out, i);
                push_string(out, name.as_bytes());
                out.push(b':');
                push(out, field, limit, depth + 1)?;
            }
            out.push(b'}');
        }
        Value::Complex(..) | Value::Func(_) => {
            return Err(format!("json: unsupported type: {}", value.type_name()));
        }
    }
    Ok(())
}

fn comma(out: &mut Vec<u8>, i: usize) {
    if i > 0 {
        out.push(b',');
    }
}

/// An integer key prints its number, not its `String()`.
fn untyped(key: &Value) -> Value {
    match key {
        Value::Int(code, ty) if ty.is_unsigned() => Value::Int(*code, IntType::Uint64),
        Value::Int(code, _) => Value::int(*code),
        other => other.clone(),
    }
}

/// Plain digits, or an exponent below 1e-6 and from 1e21 on, without a leading zero in it.
fn push_float(out: &mut Vec<u8>, value: f64) {
    let text = gauntlet_model::float::json_float(value);
    out.extend_from_slice(text.replace("e-0", "e-").as_bytes());
}

pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for (at, c, width) in utf8::runes(text) {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
            }
            c if utf8::is_bad(c, width) => out.extend_from_slice(b"\\ufffd"),
            _ => out.extend_from_slice(&text[at..at + width]),
        }
    }
    out.push(b'"');
}
