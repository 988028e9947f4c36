//! Go's own functions.

use super::compare::{equal, is_less, is_less_or_equal};
use super::pipeline::prepare;
use super::{Budget, shared};
use crate::fmt::{Printer, TooLarge, print, printf, println};
use crate::func::{CallError, Signature};
use crate::html;
use crate::limits::Limit;
use crate::value::{IntType, List, Type, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Call,
    Print,
    Printf,
    Println,
    Html,
    Js,
    UrlQuery,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// One of the escapers that HTML mode puts at the end of a pipeline.
    Escaper(html::Escaper),
}

pub(crate) fn is_builtin(name: &str) -> bool {
    Builtin::find(name).is_some_and(|b| !matches!(b, Builtin::Escaper(_)))
}

impl Builtin {
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Self::And,
            "or" => Self::Or,
            "not" => Self::Not,
            "len" => Self::Len,
            "index" => Self::Index,
            "slice" => Self::Slice,
            "call" => Self::Call,
            "print" => Self::Print,
            "printf" => Self::Printf,
            "println" => Self::Println,
            "html" => Self::Html,
            "js" => Self::Js,
            "urlquery" => Self::UrlQuery,
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            _ => return html::Escaper::find(name).map(Self::Escaper),
        })
    }

    pub(super) fn signature(self) -> Signature {
        const ONE: &[Type] = &[Type::Reflect];
        const TWO: &[Type] = &[Type::Reflect, Type::Reflect];
        match self {
            Self::And | Self::Or | Self::Index | Self::Slice | Self::Call | Self::Eq => {
                Signature::variadic(TWO)
            }
            Self::Not | Self::Len => Signature::of(ONE),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => Signature::of(TWO),
            Self::Print
            | Self::Println
            | Self::Html
            | Self::Js
            | Self::UrlQuery
            | Self::Escaper(_) => Signature::variadic(&[Type::Any]),
            Self::Printf => Signature::variadic(&[Type::STRING, Type::Any]),
        }
    }

    pub(super) fn call(self, args: &[Value], budget: &mut Budget) -> Result<Value, CallError> {
        let limit = budget.output_bytes();
        let sized =
            |text: Result<Vec<u8>, TooLarge>| text.map(shared).map_err(|_| too_large(limit));
        match self {
            Self::Not => Ok(Value::Bool(!args[0].is_true())),
            Self::Len => Ok(Value::int(length(&args[0])?)),
            Self::Index => index(&args[0], &args[1..]),
            Self::Slice => slice(&args[0], &args[1..]),
            Self::Print => sized(print(args, limit)),
            Self::Println => sized(println(args, limit)),
            Self::Printf => {
                let format = args[0].as_bytes().cloned().unwrap_or_default();
                sized(printf(&format, &args[1..], limit))
            }
            Self::Html => join(args, limit).map(|text| shared(html::escape_html(&text))),
            Self::Js => join(args, limit).map(|text| shared(html::escape_js(&text))),
            Self::UrlQuery => join(args, limit).map(|text| shared(html::escape_query(&text))),
            Self::Escaper(escaper) => escaper.call(args, limit),
            Self::Eq => equal(&args[0], &args[1..]).map(Value::Bool),
            Self::Ne => equal(&args[0], &args[1..]).map(|b| Value::Bool(!b)),
            Self::Lt => is_less(&args[0], &args[1]).map(Value::Bool),
            Self::Le => is_less_or_equal(&args[0], &args[1]).map(Value::Bool),
            Self::Gt => is_less_or_equal(&args[0], &args[1]).map(|b| Value::Bool(!b)),
            Self::Ge => is_less(&args[0], &args[1]).map(|b| Value::Bool(!b)),
            // These need the state; they are called from there.
            Self::And | Self::Or | Self::Call => Ok(Value::Missing),
        }
    }
}

pub(crate) fn too_large(limit: usize) -> CallError {
    let limit = Limit::Output(limit);
    CallError::Limit(limit, limit.to_string())
}

/// The operands of `html`, `js` and `urlquery` as one text: a single string as it is, others as `print` shows them,
/// with `<no value>` for nil.
fn join(args: &[Value], limit: usize) -> Result<Vec<u8>, CallError> {
    if let [Value::Str(text, crate::StrType::String)] = args {
        return Ok(text.to_vec());
    }
    let args: Vec<Value> = args.iter().map(printable).collect();
    print(&args, limit).map_err(|_| too_large(limit))
}

/// Nil as `<no value>`, a pointer as what it points at.
fn printable(value: &Value) -> Value {
    match value {
        Value::Nil | Value::Missing => Value::str("<no value>"),
        other => other.clone(),
    }
}

/// What an action prints.
pub(crate) fn to_text(value: &Value, limit: usize) -> Result<Vec<u8>, TooLarge> {
    if matches!(value, Value::Missing | Value::Nil) {
        return Ok(b"<no value>".to_vec());
    }
    let mut printer = Printer::new(limit);
    // A pointer's struct prints without the ampersand.
    if let Value::Object(object) = value
        && object.is_pointer()
        && object.string().is_none()
    {
        printer.below(value, 'v');
    } else {
        printer.value(value, 'v');
    }
    printer.finish()
}

fn length(value: &Value) -> Result<i64, CallError> {
    let length = match value.plain().as_ref() {
        Value::Missing => {
            return Err("reflect: call of reflect.Value.Type on zero Value".into());
        }
        Value::Nil | Value::NilPointer(_) => return Err("len of nil pointer".into()),
        Value::Str(text, _) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries().len(),
        other => return Err(format!("len of type {}", pointed_name(other)).into()),
    };
    Ok(length as i64)
}

/// The type's name; of a pointer that of what it points at.
fn pointed_name(value: &Value) -> String {
    value.type_name().trim_start_matches('*').to_owned()
}

/// An index for something of `length` elements; `length` itself passes.
fn index_arg(index: &Value, length: usize) -> Result<usize, CallError> {
    let (code, ty) = match index {
        Value::Int(code, ty) => (*code, *ty),
        Value::Missing | Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => {
            return Err(format!("cannot index slice/array with type {}", other.type_name()).into());
        }
    };
    match usize::try_from(code) {
        Ok(at) if at <= length => Ok(at),
        _ if ty.is_unsigned() => Err(format!("index out of range: {}", code as u64).into()),
        _ => Err(format!("index out of range: {code}").into()),
    }
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, CallError> {
    if matches!(item, Value::Missing | Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        let plain = item.plain().into_owned();
        item = match &plain {
            Value::Nil | Value::NilPointer(_) | Value::Missing => {
                return Err("index of nil pointer".into());
            }
            Value::List(list) => {
                let at = index_arg(index, list.items.len())?;
                list.items.get(at).cloned().ok_or("reflect: slice index out of range")?
            }
            Value::Str(text, _) => {
                let at = index_arg(index, text.len())?;
                let byte = text.get(at).ok_or("reflect: string index out of range")?;
                Value::Int(i64::from(*byte), IntType::Uint8)
            }
            Value::Map(map) => {
                let key = prepare(index, map.key)?;
                map.get(&key).cloned().unwrap_or_else(|| map.elem.zero())
            }
            other => return Err(format!("can't index item of type {}", pointed_name(other)).into()),
        };
    }
    Ok(item)
}

fn slice(item: &Value, indexes: &[Value]) -> Result<Value, CallError> {
    let plain = item.plain();
    let length = match plain.as_ref() {
        Value::Missing | Value::Nil => return Err("slice of untyped nil".into()),
        _ if indexes.len() > 3 => {
            return Err(format!("too many slice indexes: {}", indexes.len()).into());
        }
        Value::Str(..) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(text, _) => text.len(),
        Value::List(list) => list.items.len(),
        other => return Err(format!("can't slice item of type {}", pointed_name(other)).into()),
    };
    let mut bounds = [0, length, length];
    for (i, index) in indexes.iter().enumerate() {
        bounds[i] = index_arg(index, length)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if to > cap {
        return Err(format!("invalid slice index: {to} > {cap}").into());
    }
    Ok(match plain.as_ref() {
        Value::Str(text, ty) => Value::Str(text.slice(from..to), *ty),
        Value::List(list) => Value::List(std::sync::Arc::new(List {
            elem: list.elem,
            items: list.items[from..to].to_vec(),
            nil: false,
        })),
        other => other.clone(),
    })
}
