//! Integers that errors call `int64` and `uint64`, as Go calls those of a fixed width.

use std::borrow::Cow;

use gauntlet_yaml::{Context, FromYaml, Node, Scalar, ToYaml, Value, mismatch};

macro_rules! fixed_width {
    ($( $(#[$meta:meta])* $name:ident $rust:ty, $go:literal; )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub $rust);

        impl FromYaml for $name {
            fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
                let value = match Scalar::of(node) {
                    Ok(Scalar::Int(n)) => <$rust>::try_from(n).ok(),
                    Ok(Scalar::Uint(n)) => <$rust>::try_from(n).ok(),
                    // Fractions are cut, as in Go.
                    Ok(Scalar::Float(f)) if f.is_finite() && f.abs() < 9.2e18 => {
                        <$rust>::try_from(f as i64).ok()
                    }
                    _ => None,
                };
                if value.is_none() {
                    mismatch(node, $go, cx);
                }
                value.map(Self)
            }

            fn go_type() -> Cow<'static, str> {
                $go.into()
            }

            fn zero() -> Option<Self> {
                Some(Self(0))
            }
        }

        impl ToYaml for $name {
            fn to_yaml(&self) -> Value {
                self.0.to_yaml()
            }
        }
    )*};
}

fixed_width! {
    /// An `int64`.
    Int64 i64, "int64";
    /// A `uint64`.
    Uint64 u64, "uint64";
}
