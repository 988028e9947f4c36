//! Nodes -> values: the types that configuration is made of, with Go's leniency and Go's words for what does not fit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::document::{Dialect, Kind, Node};
use crate::mapping::entries;
use crate::scalar::{self, Scalar};

/// A value that can be read from a node. A failed reading notes at least one problem and returns `None`.
pub trait FromYaml: Sized {
    /// Reads a node that is not null.
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self>;

    /// Name of the type in errors, as Go has it.
    fn go_type() -> Cow<'static, str>;

    /// What a null inside a list or map stands for; `None` after noting a problem.
    fn from_null(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        cx.problem(node.position(), "empty or null entry");
        None
    }

    /// What a null sets a field to in dialect v2; `None` leaves the field's default, which is right for sections.
    fn zero() -> Option<Self> {
        None
    }

    /// Whether v3 leaves nulls out of lists of this type.
    const SKIPS_NULL: bool = false;
}

/// Notes that a node is not of the wanted type.
pub fn mismatch(node: Node<'_>, wanted: &str, cx: &mut Context) {
    let what = match node.kind() {
        Kind::Sequence => "!!seq".to_owned(),
        Kind::Mapping => "!!map".to_owned(),
        Kind::Scalar => {
            let tag = match Scalar::of(node) {
                Ok(scalar) => scalar.tag(),
                Err(reason) => {
                    cx.yaml_problem(node.position(), reason);
                    return;
                }
            };
            let text = node.text().unwrap_or_default();
            let mut shown = text.to_owned();
            if text.len() > 10 {
                let cut = (0..=7).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
                shown = format!("{}...", &text[..cut]);
            }
            format!("{} `{shown}`", tag.as_str())
        }
    };
    cx.type_problem(node.position(), format!("cannot unmarshal {what} into {wanted}"));
}

/// Resolves a scalar node; anything else and contradicted tags are noted.
fn resolved<T: FromYaml>(node: Node<'_>, cx: &mut Context) -> Option<Scalar> {
    if node.kind() != Kind::Scalar {
        mismatch(node, &T::go_type(), cx);
        return None;
    }
    match Scalar::of(node) {
        Ok(scalar) => Some(scalar),
        Err(reason) => {
            cx.yaml_problem(node.position(), reason);
            None
        }
    }
}

/// Whether a node is null, so that what it was to set keeps its default.
pub(crate) fn is_null(node: Node<'_>) -> bool {
    node.kind() == Kind::Scalar && matches!(Scalar::of(node), Ok(Scalar::Null))
}

impl FromYaml for String {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        match resolved::<Self>(node, cx)? {
            Scalar::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(_) => {
                    cx.yaml_problem(node.position(), "!!binary value is not UTF-8");
                    None
                }
            },
            // Every other scalar keeps its text: `010` stays `010`.
            _ => Some(node.text().unwrap_or_default().to_owned()),
        }
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Self::zero()
    }

    fn zero() -> Option<Self> {
        Some(Self::new())
    }

    const SKIPS_NULL: bool = true;
}

impl FromYaml for bool {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        match resolved::<Self>(node, cx)? {
            Scalar::Bool(value) => Some(value),
            Scalar::Str(text) if node.dialect() == Dialect::V3 && scalar::is_old_true(&text) => {
                Some(true)
            }
            Scalar::Str(text) if node.dialect() == Dialect::V3 && scalar::is_old_false(&text) => {
                Some(false)
            }
            _ => {
                mismatch(node, "bool", cx);
                None
            }
        }
    }

    fn go_type() -> Cow<'static, str> {
        "bool".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Self::zero()
    }

    fn zero() -> Option<Self> {
        Some(false)
    }
}

impl FromYaml for f64 {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        match resolved::<Self>(node, cx)? {
            Scalar::Int(n) => Some(n as f64),
            Scalar::Uint(n) => Some(n as f64),
            Scalar::Float(f) => Some(f),
            _ => {
                mismatch(node, "float64", cx);
                None
            }
        }
    }

    fn go_type() -> Cow<'static, str> {
        "float64".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Self::zero()
    }

    fn zero() -> Option<Self> {
        Some(0.0)
    }
}

/// An integer out of a scalar: floats lose their fraction, as in Go.
fn integer(scalar: &Scalar) -> Option<i128> {
    match scalar {
        Scalar::Int(n) => Some(i128::from(*n)),
        Scalar::Uint(n) => Some(i128::from(*n)),
        Scalar::Float(f) if f.is_finite() && *f <= i64::MAX as f64 => Some(i128::from(*f as i64)),
        _ => None,
    }
}

macro_rules! integers {
    ($($rust:ty, $go:literal;)*) => {$(
        impl FromYaml for $rust {
            fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
                let scalar = resolved::<Self>(node, cx)?;
                let value = integer(&scalar).and_then(|n| n.try_into().ok());
                if value.is_none() {
                    mismatch(node, $go, cx);
                }
                value
            }

            fn go_type() -> Cow<'static, str> {
                $go.into()
            }

            fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
                Self::zero()
            }

            fn zero() -> Option<Self> {
                Some(0)
            }
        }
    )*};
}

integers! {
    i64, "int";
    i32, "int32";
    u64, "uint";
    u32, "uint32";
    u16, "uint16";
    u8, "uint8";
    usize, "uint";
}

impl<T: FromYaml> FromYaml for Box<T> {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        T::from_yaml(node, cx).map(Box::new)
    }

    fn go_type() -> Cow<'static, str> {
        T::go_type()
    }
}

/// A pointer in Go: null is none.
impl<T: FromYaml> FromYaml for Option<T> {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        T::from_yaml(node, cx).map(Some)
    }

    fn go_type() -> Cow<'static, str> {
        T::go_type()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Self::zero()
    }

    fn zero() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromYaml> FromYaml for Vec<T> {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        if node.kind() != Kind::Sequence {
            mismatch(node, &Self::go_type(), cx);
            return None;
        }
        let before = cx.len();
        let mut out = Self::with_capacity(node.items().len());
        for (index, item) in node.items().enumerate() {
            let null = is_null(item);
            if null && T::SKIPS_NULL && node.dialect() == Dialect::V3 {
                continue;
            }
            let read = if null { T::from_null } else { T::from_yaml };
            out.extend(cx.in_index(index, |cx| read(item, cx)));
        }
        (cx.len() == before).then_some(out)
    }

    fn go_type() -> Cow<'static, str> {
        format!("[]{}", T::go_type()).into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FromYaml> FromYaml for BTreeMap<String, T> {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        if node.kind() != Kind::Mapping {
            mismatch(node, &Self::go_type(), cx);
            return None;
        }
        let before = cx.len();
        let mut out = Self::new();
        for entry in entries(node, None, cx) {
            let read = if is_null(entry.value) { T::from_null } else { T::from_yaml };
            if let Some(value) = cx.in_key(&entry.key, |cx| read(entry.value, cx)) {
                out.insert(entry.key, value);
            }
        }
        (cx.len() == before).then_some(out)
    }

    fn go_type() -> Cow<'static, str> {
        format!("map[string]{}", T::go_type()).into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::new())
    }
}
