//! A text that cannot be printed.

use std::borrow::Cow;
use std::fmt;

use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

/// A password, token or key. Debug, display and YAML show `<secret>`; only [`Secret::expose`] gives it away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

/// What is shown instead.
const MASK: &str = "<secret>";

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to be sent to whom it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl FromYaml for Secret {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        // A value of a wrong type must not be quoted in the error.
        if node.text().is_none() {
            gauntlet_yaml::mismatch(node, "config.plain", cx);
            return None;
        }
        String::from_yaml(node, cx).map(Self)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Self::zero()
    }

    fn zero() -> Option<Self> {
        Some(Self::default())
    }
}

impl ToYaml for Secret {
    fn to_yaml(&self) -> Value {
        if self.is_empty() { Value::Null } else { Value::Str(MASK.to_owned()) }
    }
}
