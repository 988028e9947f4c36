//! The values a template sees, typed as in Go: what a caller hands over as data, what functions take and give.
//!
//! Go's templates look at static types (`can't evaluate field x in type interface {}`), so lists and maps carry the
//! type of their elements. Strings are bytes. Structs and named types of the caller are [`Object`]s.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use crate::func::{CallError, Context, Func, Signature};
use crate::time::Time;

/// A value as Go's `reflect` would hold it.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value at all: a missing map key, the untyped `nil`. Prints `<no value>`.
    #[default]
    Missing,
    /// An interface that holds nothing. Prints `<nil>`.
    Nil,
    /// A typed nil pointer; the type's name has its star: `*main.Item`.
    NilPointer(&'static str),
    Bool(bool),
    /// Any of Go's integer types; unsigned ones keep their bits.
    Int(i64, IntType),
    Float(f64),
    Complex(f64, f64),
    Str(Bytes, StrType),
    Time(Time),
    List(Arc<List>),
    Map(Arc<Map>),
    Func(Arc<Func>),
    Object(Arc<dyn Object>),
}

/// Go's integer types, those of package `time` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntType {
    Int,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint32,
    Uint64,
    /// An unsigned type of the caller, by Go's name.
    Named(&'static str),
    /// `time.Duration`, nanoseconds.
    Duration,
    Month,
    Weekday,
}

/// Go's string types: the plain one, those that html/template trusts, and those of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrType {
    String,
    /// `template.HTML`: markup that text and, without its tags, attributes take as it is.
    Html,
    /// `template.HTMLAttr`: a whole attribute.
    HtmlAttr,
    /// `template.URL`: skips the scheme filter.
    Url,
    /// `template.JS`: an expression.
    Js,
    /// `template.JSStr`: the inside of a string.
    JsStr,
    /// `template.CSS`.
    Css,
    /// `template.Srcset`.
    Srcset,
    /// A string type of the caller, by Go's name.
    Named(&'static str),
}

/// A static type, as parameters and elements have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`.
    Any,
    /// Takes anything, [`Value::Missing`] too; for functions that look at values themselves.
    Reflect,
    Bool,
    Int(IntType),
    Float,
    Complex,
    Str(StrType),
    Time,
    List(&'static Type),
    Map(&'static Type, &'static Type),
    /// An [`Object`]'s type, by Go's name.
    Object(&'static str),
    /// A function's, by Go's spelling: `func(int) int`.
    Func(&'static str),
}

impl Type {
    pub const STRING: Self = Self::Str(StrType::String);
    pub const INT: Self = Self::Int(IntType::Int);
    pub const DURATION: Self = Self::Int(IntType::Duration);
    pub const STRINGS: Self = Self::List(&Self::STRING);
    pub const ANYS: Self = Self::List(&Self::Any);
    pub const STRING_MAP: Self = Self::Map(&Self::STRING, &Self::STRING);
    pub const ANY_MAP: Self = Self::Map(&Self::STRING, &Self::Any);

    /// The name as Go's errors and `%T` print it.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Any => "interface {}".into(),
            Self::Reflect => "reflect.Value".into(),
            Self::Bool => "bool".into(),
            Self::Int(ty) => ty.name().into(),
            Self::Float => "float64".into(),
            Self::Complex => "complex128".into(),
            Self::Str(ty) => ty.name().into(),
            Self::Time => "time.Time".into(),
            Self::List(of) => format!("[]{}", of.name()).into(),
            Self::Map(key, of) => format!("map[{}]{}", key.name(), of.name()).into(),
            Self::Object(name) | Self::Func(name) => name.into(),
        }
    }

    /// Go's zero value of the type.
    pub fn zero(self) -> Value {
        match self {
            Self::Any => Value::Nil,
            Self::Reflect => Value::Missing,
            Self::Bool => Value::Bool(false),
            Self::Int(ty) => Value::Int(0, ty),
            Self::Float => Value::Float(0.0),
            Self::Complex => Value::Complex(0.0, 0.0),
            Self::Str(ty) => Value::Str(Bytes::new(), ty),
            Self::Time => Value::Time(Time::ZERO),
            Self::List(of) => {
                Value::List(Arc::new(List { elem: *of, items: Vec::new(), nil: true }))
            }
            Self::Map(key, of) => Value::Map(Arc::new(Map::nil(*key, *of))),
            Self::Object(name) | Self::Func(name) => Value::NilPointer(name),
        }
    }

    /// Whether `nil` may stand for it.
    pub(crate) fn takes_nil(self) -> bool {
        match self {
            Self::Any | Self::Reflect | Self::List(_) | Self::Map(..) | Self::Func(_) => true,
            Self::Object(name) => name.starts_with('*'),
            _ => false,
        }
    }
}

impl IntType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Named(name) => name,
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    pub fn is_unsigned(self) -> bool {
        matches!(self, Self::Uint | Self::Uint8 | Self::Uint32 | Self::Uint64 | Self::Named(_))
    }
}

impl StrType {
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Html => "template.HTML",
            Self::HtmlAttr => "template.HTMLAttr",
            Self::Url => "template.URL",
            Self::Js => "template.JS",
            Self::JsStr => "template.JSStr",
            Self::Css => "template.CSS",
            Self::Srcset => "template.Srcset",
            Self::Named(name) => name,
        }
    }
}

/// A slice: its elements and their static type.
#[derive(Clone, Debug)]
pub struct List {
    pub elem: Type,
    pub items: Vec<Value>,
    /// A nil slice: JSON prints it as `null`.
    pub nil: bool,
}

/// A map, its entries in the order Go's templates visit them: by key.
#[derive(Clone, Debug)]
pub struct Map {
    pub key: Type,
    pub elem: Type,
    entries: Vec<(Value, Value)>,
    nil: bool,
}

impl Map {
    /// Of two entries with the same key the later one counts.
    pub fn new(key: Type, elem: Type, mut entries: Vec<(Value, Value)>) -> Self {
        // The sort is stable: in reverse the later of two equal keys comes first and stays.
        entries.sort_by(|a, b| compare_keys(&a.0, &b.0));
        entries.reverse();
        entries.dedup_by(|a, b| compare_keys(&a.0, &b.0) == Ordering::Equal);
        entries.reverse();
        Self { key, elem, entries, nil: false }
    }

    fn nil(key: Type, elem: Type) -> Self {
        Self { key, elem, entries: Vec::new(), nil: true }
    }

    /// `map[string]string`.
    pub fn strings<K: Into<Bytes>, V: Into<Bytes>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = pairs.into_iter().map(|(k, v)| (Value::string(k), Value::string(v)));
        Self::new(Type::STRING, Type::STRING, entries.collect())
    }

    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    pub fn is_nil(&self) -> bool {
        self.nil
    }

    pub fn get(&self, key: &Value) -> Option<&Value> {
        let at = self.entries.binary_search_by(|(k, _)| compare_keys(k, key)).ok()?;
        Some(&self.entries[at].1)
    }

    pub fn get_str(&self, key: &[u8]) -> Option<&Value> {
        let at = self
            .entries
            .binary_search_by(|(k, _)| k.as_bytes().map_or(Ordering::Less, |k| k[..].cmp(key)))
            .ok()?;
        Some(&self.entries[at].1)
    }
}

/// The order of map keys: numbers by value, strings by bytes, false before true; kinds in a fixed order.
fn compare_keys(a: &Value, b: &Value) -> Ordering {
    fn rank(v: &Value) -> u8 {
        match v {
            Value::Missing | Value::Nil | Value::NilPointer(_) => 0,
            Value::Int(..) => 1,
            Value::Float(_) => 2,
            Value::Complex(..) => 3,
            Value::Bool(_) => 4,
            Value::Str(..) => 5,
            Value::Time(_) => 6,
            _ => 7,
        }
    }
    match (a, b) {
        (Value::Int(a, t), Value::Int(b, _)) if t.is_unsigned() => (*a as u64).cmp(&(*b as u64)),
        (Value::Int(a, _), Value::Int(b, _)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Str(a, _), Value::Str(b, _)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A struct or a named type of the caller. All methods but [`Object::type_name`] have answers for a plain struct
/// without methods.
pub trait Object: Debug + Send + Sync {
    /// Go's name of the type, with its star when the value is a pointer: `*template.Data`.
    fn type_name(&self) -> &'static str;

    /// Names of exported fields in order; they print in this order.
    fn field_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Whether the field's static type is an interface (`in type interface {}` in errors).
    fn is_any_field(&self, _name: &str) -> bool {
        false
    }

    /// Whether a field of this name is there but not exported (it has an error of its own).
    fn has_private_field(&self, _name: &str) -> bool {
        false
    }

    /// For named lists, maps and strings: the plain value. `None` is a struct.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// For pointers to built-in types: what they point at, which functions of that type take too.
    fn pointee(&self) -> Option<Value> {
        None
    }

    /// The parameters of a method; `None` if there is no such method.
    fn method(&self, _name: &str) -> Option<Signature> {
        None
    }

    /// Calls a method that [`Object::method`] knows; `args` fit its signature.
    fn call(&self, name: &str, _args: &[Value], _cx: &mut Context<'_>) -> Result<Value, CallError> {
        Err(CallError::Failed(format!("BUG: no method {name}")))
    }

    /// The text of Go's `String()` method, if the type has one.
    fn string(&self) -> Option<Bytes> {
        None
    }

    /// What `encoding/json` makes of it: names and values; `None` takes fields or the underlying value.
    fn json(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// Whether `eq` may compare values of it (pointers may; then identity counts).
    fn is_pointer(&self) -> bool {
        self.type_name().starts_with('*')
    }
}

impl Value {
    pub fn string(text: impl Into<Bytes>) -> Self {
        Self::Str(text.into(), StrType::String)
    }

    pub fn str(text: &str) -> Self {
        Self::string(Bytes::copy_from_slice(text.as_bytes()))
    }

    pub const fn int(value: i64) -> Self {
        Self::Int(value, IntType::Int)
    }

    /// A `time.Duration` of `ns` nanoseconds.
    pub const fn duration(ns: i64) -> Self {
        Self::Int(ns, IntType::Duration)
    }

    pub fn list(elem: Type, items: Vec<Self>) -> Self {
        Self::List(Arc::new(List { elem, items, nil: false }))
    }

    /// `[]string`.
    pub fn strings<S: Into<Bytes>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::list(Type::STRING, items.into_iter().map(|s| Self::string(s)).collect())
    }

    pub fn map(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }

    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// The bytes of a string of any type.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Str(text, _) => Some(text),
            _ => None,
        }
    }

    /// The dynamic type; `None` for no value and for nil.
    pub fn ty(&self) -> Option<Type> {
        Some(match self {
            Self::Missing | Self::Nil => return None,
            Self::NilPointer(name) => Type::Object(name),
            Self::Bool(_) => Type::Bool,
            Self::Int(_, ty) => Type::Int(*ty),
            Self::Float(_) => Type::Float,
            Self::Complex(..) => Type::Complex,
            Self::Str(_, ty) => Type::Str(*ty),
            Self::Time(_) => Type::Time,
            Self::List(list) => return Some(list_type(list.elem)),
            Self::Map(map) => return Some(map_type(map.key, map.elem)),
            Self::Func(func) => Type::Func(func.type_name()),
            Self::Object(object) => Type::Object(object.type_name()),
        })
    }

    /// The dynamic type's name as Go prints it; `<nil>` for nil.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::List(list) => format!("[]{}", list.elem.name()).into(),
            Self::Map(map) => format!("map[{}]{}", map.key.name(), map.elem.name()).into(),
            _ => self.ty().map_or(Cow::Borrowed("<nil>"), Type::name),
        }
    }

    /// Whether the value may be passed where `ty` is asked for: the same type, or a named type over it.
    pub(crate) fn assignable_to(&self, ty: Type) -> bool {
        match (self, ty) {
            (_, Type::Any | Type::Reflect) => true,
            (Self::Missing | Self::Nil, _) => false,
            (Self::List(list), Type::List(of)) => list.elem == *of,
            (Self::Map(map), Type::Map(key, of)) => map.key == *key && map.elem == *of,
            (Self::Object(object), Type::List(_) | Type::Map(..)) => {
                object.underlying().is_some_and(|plain| plain.assignable_to(ty))
            }
            _ => self.ty() == Some(ty),
        }
    }

    /// Named lists, maps and strings as plain ones; everything else as it is.
    pub fn plain(&self) -> Cow<'_, Self> {
        if let Self::Object(object) = self
            && let Some(plain) = object.underlying()
        {
            return Cow::Owned(plain);
        }
        Cow::Borrowed(self)
    }

    /// Go's truth: false, zero, empty and nil are false; structs and NaN are true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil | Self::NilPointer(_) => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(text, _) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Time(_) | Self::Func(_) => true,
            Self::Object(object) => object.underlying().is_none_or(|plain| plain.is_true()),
        }
    }
}

/// Types of lists are rebuilt from their element: the few that have a `'static` name are listed, others count as `[]any`
/// in comparisons (never in print).
fn list_type(elem: Type) -> Type {
    match elem {
        Type::Str(StrType::String) => Type::STRINGS,
        Type::Int(IntType::Int) => Type::List(&Type::INT),
        Type::Float => Type::List(&Type::Float),
        Type::Int(IntType::Uint8) => Type::List(&Type::Int(IntType::Uint8)),
        _ => Type::ANYS,
    }
}

fn map_type(key: Type, elem: Type) -> Type {
    match (key, elem) {
        (Type::STRING, Type::STRING) => Type::STRING_MAP,
        (Type::STRING, Type::INT) => Type::Map(&Type::STRING, &Type::INT),
        _ => Type::ANY_MAP,
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::int(value)
    }
}
