//! A YAML value without a place: what untyped nodes decode to and what is printed.

use std::borrow::Cow;

use crate::context::Context;
use crate::decode::FromYaml;
use crate::document::{Dialect, Kind, Node};
use crate::scalar::Scalar;

/// A value. Keys of mappings keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Timestamp(String),
    Seq(Vec<Value>),
    /// A sequence printed on one line: `[a, b]`. Never read.
    Flow(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The value of a key that is text.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => {
                pairs.iter().find(|(k, _)| matches!(k, Self::Str(k) if k == key)).map(|(_, v)| v)
            }
            _ => None,
        }
    }
}

impl FromYaml for Value {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        match node.kind() {
            Kind::Scalar => match Scalar::of(node) {
                Ok(scalar) => Some(of_scalar(scalar, node.dialect())),
                Err(reason) => {
                    cx.yaml_problem(node.position(), reason);
                    None
                }
            },
            Kind::Sequence => node
                .items()
                .map(|item| Self::from_yaml(item, cx))
                .collect::<Option<_>>()
                .map(Self::Seq),
            Kind::Mapping => {
                let mut pairs: Vec<(Self, Self)> = Vec::with_capacity(node.pairs().len());
                let mut merges = Vec::new();
                for (key, value) in node.pairs() {
                    if key.is_merge_key() {
                        if node.dialect() == Dialect::V2 {
                            merge(value, &mut pairs, true, cx)?;
                        } else {
                            merges.push(value);
                        }
                        continue;
                    }
                    let name = Self::from_yaml(key, cx)?;
                    if matches!(name, Self::Seq(_) | Self::Flow(_) | Self::Map(_)) {
                        cx.yaml_problem(
                            key.position(),
                            format!("invalid map key: {}", go_syntax(&name, node.dialect())),
                        );
                        return None;
                    }
                    if pairs.iter().any(|(k, _)| *k == name) {
                        let reason = match (&name, node.dialect()) {
                            (Self::Str(text), Dialect::V3) => {
                                let first = node.pairs().find(|(k, _)| k.text() == Some(text));
                                let line = first.map_or(0, |(k, _)| k.position().line);
                                format!("mapping key {text:?} already defined at line {line}")
                            }
                            _ => format!(
                                "key {} already set in map",
                                go_syntax(&name, node.dialect())
                            ),
                        };
                        let v2 = node.dialect() == Dialect::V2;
                        cx.type_problem(if v2 { value.position() } else { key.position() }, reason);
                        continue;
                    }
                    pairs.push((name, Self::from_yaml(value, cx)?));
                }
                for value in merges {
                    merge(value, &mut pairs, false, cx)?;
                }
                Some(Self::Map(pairs))
            }
        }
    }

    fn go_type() -> Cow<'static, str> {
        "interface {}".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::Null)
    }
}

/// Follows a merge key of an untyped mapping.
fn merge(
    node: Node<'_>,
    pairs: &mut Vec<(Value, Value)>,
    replace: bool,
    cx: &mut Context,
) -> Option<()> {
    let mut sources = match Value::from_yaml(node, cx)? {
        Value::Map(source) => vec![Value::Map(source)],
        Value::Seq(items) => items,
        _ => vec![Value::Null],
    };
    if replace {
        sources.reverse();
    }
    for source in sources {
        let Value::Map(source) = source else {
            cx.yaml_problem(
                node.position(),
                "map merge requires map or sequence of maps as the value",
            );
            return None;
        };
        for (key, value) in source {
            match pairs.iter_mut().find(|(k, _)| *k == key) {
                Some(slot) if replace => slot.1 = value,
                Some(_) => {}
                None => pairs.push((key, value)),
            }
        }
    }
    Some(())
}

fn of_scalar(scalar: Scalar, dialect: Dialect) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(b) => Value::Bool(b),
        Scalar::Int(n) => Value::Int(n),
        Scalar::Uint(n) => Value::Uint(n),
        Scalar::Float(f) => Value::Float(f),
        Scalar::Str(text) => Value::Str(text),
        Scalar::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::Str(text),
            Err(err) => Value::Bytes(err.into_bytes()),
        },
        Scalar::Timestamp(text) if dialect == Dialect::V2 => Value::Str(text),
        Scalar::Timestamp(text) => Value::Timestamp(text),
    }
}

/// A value as Go's `%#v` shows it.
fn go_syntax(value: &Value, dialect: Dialect) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => format!("{n:#x}"),
        Value::Float(f) => f.to_string(),
        Value::Str(text) | Value::Timestamp(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::Seq(items) | Value::Flow(items) => {
            format!(
                "[]interface {{}}{{{}}}",
                list(items.iter().map(|i| go_syntax(i, dialect)).collect())
            )
        }
        Value::Map(pairs) => {
            let key = if dialect == Dialect::V3 { "string" } else { "interface {}" };
            let pairs = pairs
                .iter()
                .map(|(k, v)| format!("{}:{}", go_syntax(k, dialect), go_syntax(v, dialect)));
            format!("map[{key}]interface {{}}{{{}}}", list(pairs.collect()))
        }
    }
}

/// A type that can be printed as YAML.
pub trait ToYaml {
    fn to_yaml(&self) -> Value;
}

impl ToYaml for Value {
    fn to_yaml(&self) -> Value {
        self.clone()
    }
}

impl ToYaml for str {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_owned())
    }
}

impl ToYaml for String {
    fn to_yaml(&self) -> Value {
        Value::Str(self.clone())
    }
}

impl ToYaml for bool {
    fn to_yaml(&self) -> Value {
        Value::Bool(*self)
    }
}

impl ToYaml for f64 {
    fn to_yaml(&self) -> Value {
        Value::Float(*self)
    }
}

macro_rules! ints {
    ($($ty:ty)*) => {$(
        impl ToYaml for $ty {
            fn to_yaml(&self) -> Value {
                i64::try_from(*self).map_or_else(|_| Value::Uint(*self as u64), Value::Int)
            }
        }
    )*};
}

ints!(i64 i32 u64 u32 u16 u8 usize);

impl<T: ToYaml + ?Sized> ToYaml for &T {
    fn to_yaml(&self) -> Value {
        (**self).to_yaml()
    }
}

impl<T: ToYaml> ToYaml for Box<T> {
    fn to_yaml(&self) -> Value {
        (**self).to_yaml()
    }
}

impl<T: ToYaml> ToYaml for [T] {
    fn to_yaml(&self) -> Value {
        Value::Seq(self.iter().map(ToYaml::to_yaml).collect())
    }
}

impl<T: ToYaml> ToYaml for Vec<T> {
    fn to_yaml(&self) -> Value {
        self.as_slice().to_yaml()
    }
}

impl<T: ToYaml> ToYaml for Option<T> {
    fn to_yaml(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToYaml::to_yaml)
    }
}

impl<K: AsRef<str>, T: ToYaml> ToYaml for std::collections::BTreeMap<K, T> {
    fn to_yaml(&self) -> Value {
        Value::Map(
            self.iter().map(|(k, v)| (Value::Str(k.as_ref().to_owned()), v.to_yaml())).collect(),
        )
    }
}

/// Builds a mapping in the order of the calls, leaving out what Go's `omitempty` leaves out.
#[derive(Debug, Default)]
pub struct MapBuilder {
    pairs: Vec<(Value, Value)>,
}

impl MapBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field always.
    pub fn put(&mut self, key: &str, value: impl ToYaml) -> &mut Self {
        self.pairs.push((Value::Str(key.to_owned()), value.to_yaml()));
        self
    }

    /// Adds a field unless it is zero: false, 0, empty text, list or map, null.
    pub fn put_nonzero(&mut self, key: &str, value: impl ToYaml) -> &mut Self {
        let value = value.to_yaml();
        let zero = match &value {
            Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) => true,
            Value::Float(f) => *f == 0.0,
            Value::Str(text) | Value::Timestamp(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Seq(items) | Value::Flow(items) => items.is_empty(),
            Value::Map(pairs) => pairs.is_empty(),
            Value::Bool(true) | Value::Int(_) | Value::Uint(_) => false,
        };
        if !zero {
            self.pairs.push((Value::Str(key.to_owned()), value));
        }
        self
    }

    /// Adds a field if there is one.
    pub fn put_some<T: ToYaml>(&mut self, key: &str, value: Option<T>) -> &mut Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    /// Adds the fields of another mapping in place (Go's `inline`).
    pub fn inline(&mut self, value: &impl ToYaml) -> &mut Self {
        if let Value::Map(pairs) = value.to_yaml() {
            self.pairs.extend(pairs);
        }
        self
    }

    pub fn build(&mut self) -> Value {
        Value::Map(std::mem::take(&mut self.pairs))
    }
}
