//! `eq` and `lt`, on which the other comparisons stand.

use std::sync::Arc;

use crate::fmt::{Printer, show};
use crate::func::CallError;
use crate::value::Value;

/// Kinds within which values compare. Types are not looked at: a duration compares with an int.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
    Other,
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Complex(..) => Kind::Complex,
        Value::Int(_, ty) if ty.is_unsigned() => Kind::Uint,
        Value::Int(..) => Kind::Int,
        Value::Float(_) => Kind::Float,
        Value::Str(..) => Kind::String,
        _ => Kind::Other,
    }
}

fn is_invalid(value: &Value) -> bool {
    matches!(value, Value::Missing | Value::Nil)
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()).into()
}

/// Whether the first equals any of the others.
pub(super) fn equal(first: &Value, others: &[Value]) -> Result<bool, CallError> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal_two(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal_two(a: &Value, b: &Value) -> Result<bool, CallError> {
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Complex(a, c), Value::Complex(b, d)) => a == b && c == d,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a, _), Value::Str(b, _)) => a == b,
        (Value::Int(x, tx), Value::Int(y, ty)) => {
            x == y && (tx.is_unsigned() == ty.is_unsigned() || *x >= 0)
        }
        _ if kind(a) != kind(b) => {
            if !is_invalid(a) && !is_invalid(b) {
                return Err(incompatible(a, b));
            }
            false
        }
        _ => return equal_others(a, b),
    })
}

/// Values of no basic kind: nil, lists, maps, times, structs, functions.
fn equal_others(a: &Value, b: &Value) -> Result<bool, CallError> {
    let is_nil = |v: &Value| match v {
        Value::List(list) => list.nil,
        Value::Map(map) => map.is_nil(),
        Value::NilPointer(_) => true,
        other => is_invalid(other),
    };
    let shown = |v: &Value| {
        let mut printer = Printer::new(1 << 16);
        printer.value(v, 's');
        String::from_utf8_lossy(&printer.out).into_owned()
    };
    if shape(a) != shape(b) && !is_invalid(a) && !is_invalid(b) {
        let (ta, tb) = (a.type_name(), b.type_name());
        return Err(format!("non-comparable types {}: {ta}, {tb}: {}", shown(a), show(b)).into());
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) && is_nil(b));
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Object(x), Value::Object(y)) if x.is_pointer() => Ok(Arc::ptr_eq(x, y)),
        (_, Value::Time(_)) => Ok(false),
        _ => Err(format!("non-comparable type {}: {}", shown(b), b.type_name()).into()),
    }
}

/// What kind of thing a value of no basic kind is.
#[derive(PartialEq, Eq)]
enum Shape {
    Nothing,
    List,
    Map,
    Struct,
    Pointer,
    Func,
}

fn shape(value: &Value) -> Shape {
    match value {
        Value::List(_) => Shape::List,
        Value::Map(_) => Shape::Map,
        Value::NilPointer(_) => Shape::Pointer,
        Value::Func(_) => Shape::Func,
        Value::Object(object) => match object.underlying() {
            Some(plain) => shape(&plain),
            None if object.is_pointer() => Shape::Pointer,
            None => Shape::Struct,
        },
        Value::Time(_) => Shape::Struct,
        _ => Shape::Nothing,
    }
}

pub(super) fn is_less(a: &Value, b: &Value) -> Result<bool, CallError> {
    let invalid = || CallError::from("invalid type for comparison");
    if kind(a) == Kind::Other || kind(b) == Kind::Other {
        return Err(invalid());
    }
    Ok(match (a, b) {
        (Value::Int(x, tx), Value::Int(y, ty)) => match (tx.is_unsigned(), ty.is_unsigned()) {
            (true, true) => (*x as u64) < *y as u64,
            (false, false) => x < y,
            (false, true) => *x < 0 || (*x as u64) < *y as u64,
            (true, false) => *y >= 0 && (*x as u64) < *y as u64,
        },
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Str(a, _), Value::Str(b, _)) => a < b,
        _ if kind(a) != kind(b) => return Err(incompatible(a, b)),
        _ => return Err(invalid()),
    })
}

pub(super) fn is_less_or_equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    Ok(is_less(a, b)? || equal_two(a, b)?)
}
